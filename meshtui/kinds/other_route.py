"""What says where traffic goes beside HTTP routes: only for whom it is, and which Services it names, is read.

Sources: istio/istio pilot/pkg/config/kube/gateway (route_collections.go: TCPRoute and TLSRoute; gateway_collection.go: sets of
listeners; backend_policies.go: BackendTLSPolicy becomes a DestinationRule). Istio doesn't read UDPRoutes.
"""

from __future__ import annotations

from functools import partial

from msgspec import field

from meshtui.kinds.convert import meta, strings, target_refs
from meshtui.kinds.http_route import BackendRef
from meshtui.kinds.kind import GATEWAY_API, Kind, Pairs, Role
from meshtui.kinds.wire import ObjectMeta, TargetRef, Wire
from meshtui.model import gateway as model

EXPERIMENTAL = "gateway.networking.x-k8s.io"
ROUTES = ("TCPRoute", "TLSRoute")
LISTENER_SETS = ("ListenerSet", "XListenerSet")
BACKEND_TLS = "BackendTLSPolicy"
OTHER_ROUTES = (*ROUTES, *LISTENER_SETS, BACKEND_TLS)


class Rule(Wire):
    """rules[] of a TCPRoute or TLSRoute."""

    backend_refs: list[BackendRef] | None = None


class Spec(Wire):
    """spec of these kinds."""

    parent_refs: list[TargetRef] | None = None
    parent_ref: TargetRef | None = None
    target_refs: list[TargetRef] | None = None
    hostnames: list[str] | None = None
    rules: list[Rule] | None = None


class OtherRoute(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: Spec | None = None


def other_route(raw: OtherRoute, kind: str, origin: str = "") -> model.OtherRoute:
    """Convert one of these objects. A backend without a namespace is in the object's namespace."""
    spec, converted = raw.spec or Spec(), meta(kind, raw.metadata, origin=origin)
    return model.OtherRoute(
        meta=converted,
        parents=(*target_refs(spec.parent_ref, spec.parent_refs, GATEWAY_API), *target_refs(None, spec.target_refs)),
        hostnames=strings(spec.hostnames),
        backends=tuple(
            model.BackendRef(b.name, b.namespace or converted.namespace, b.port, kind=b.kind or "Service")
            for rule in spec.rules or ()
            for b in rule.backend_refs or ()
        ),
    )


def _kind(name: str, plural: str, versions: tuple[str, ...], group: str = GATEWAY_API) -> Kind:
    return Kind(
        name,
        group,
        versions,
        plural,
        "other_routes",
        OtherRoute,
        partial(other_route, kind=name),
        optional=True,
        role=Role.ROUTING,
        pairs=Pairs.EVERYBODY,
        reports=True,
    )


KINDS = (
    _kind("TCPRoute", "tcproutes", ("v1", "v1alpha2")),
    _kind("TLSRoute", "tlsroutes", ("v1", "v1alpha3", "v1alpha2")),
    _kind("ListenerSet", "listenersets", ("v1",)),
    _kind("XListenerSet", "xlistenersets", ("v1alpha1",), EXPERIMENTAL),
    _kind(BACKEND_TLS, "backendtlspolicies", ("v1", "v1alpha3")),
)
