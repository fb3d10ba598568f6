"""EndpointSlices."""

from __future__ import annotations

from msgspec import field

from meshtui.kinds.convert import meta, strings
from meshtui.kinds.kind import V1, Kind
from meshtui.kinds.wire import ObjectMeta, Wire
from meshtui.model import workload as model
from meshtui.model.address import canonical


class EndpointConditions(Wire):
    """endpoints[].conditions: absent ready and serving count as true (EndpointSlice v1 reference)."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ObjectReference(Wire):
    """endpoints[].targetRef."""

    kind: str = ""
    name: str = ""


class Endpoint(Wire):
    """endpoints[]."""

    addresses: list[str] | None = None
    conditions: EndpointConditions | None = None
    target_ref: ObjectReference | None = None
    node_name: str | None = None


class EndpointPort(Wire):
    """ports[] of an EndpointSlice."""

    port: int | None = None
    name: str | None = None
    protocol: str | None = None


class EndpointSlice(Wire):
    """The object: metadata, endpoints and ports."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    endpoints: list[Endpoint] | None = None
    ports: list[EndpointPort] | None = None


def endpoint_slice(raw: EndpointSlice, origin: str = "") -> model.EndpointSlice:
    """Convert an EndpointSlice. Missing conditions count as ready and serving (EndpointSlice v1 reference)."""
    return model.EndpointSlice(
        meta=meta("EndpointSlice", raw.metadata, origin=origin),
        service=(raw.metadata.labels or {}).get("kubernetes.io/service-name", ""),
        endpoints=tuple(_endpoint(e) for e in raw.endpoints or ()),
        ports=tuple(model.EndpointPort(p.port, p.name or "", p.protocol or "TCP") for p in raw.ports or ()),
    )


def _endpoint(raw: Endpoint) -> model.SliceEndpoint:
    conditions = raw.conditions or EndpointConditions()
    ready = conditions.ready is not False
    return model.SliceEndpoint(
        addresses=tuple(map(canonical, strings(raw.addresses))),
        ready=ready,
        serving=ready if conditions.serving is None else conditions.serving,
        terminating=bool(conditions.terminating),
        pod=raw.target_ref.name if raw.target_ref and raw.target_ref.kind == "Pod" else "",
        node=raw.node_name or "",
    )


KINDS = (Kind("EndpointSlice", "discovery.k8s.io", V1, "endpointslices", "endpoint_slices", EndpointSlice, endpoint_slice),)
