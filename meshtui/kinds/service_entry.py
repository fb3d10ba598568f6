"""ServiceEntries and WorkloadEntries (istio/api networking/v1alpha3/service_entry.proto, workload_entry.proto)."""

from __future__ import annotations

from typing import Any

from msgspec import field

from meshtui.kinds.convert import meta, strings, tolerant
from meshtui.kinds.kind import ISTIO_NETWORKING, NETWORKING_VERSIONS, Kind, Role
from meshtui.kinds.wire import ObjectMeta, Wire
from meshtui.model import service_entry as model
from meshtui.model.address import canonical
from meshtui.model.selectors import LabelSelector
from meshtui.model.workload import ServicePort


class EntryPort(Wire):
    """spec.ports[]."""

    number: int = 0
    name: str = ""
    protocol: str | None = None
    target_port: int | None = None


class EntrySelector(Wire):
    """spec.workloadSelector."""

    labels: dict[str, str] | None = None


class WorkloadSpec(Wire):
    """spec of a WorkloadEntry, and spec.endpoints[] of a ServiceEntry."""

    address: str | None = None
    ports: dict[str, int] | None = None
    labels: dict[str, str] | None = None
    network: str | None = None
    service_account: str | None = None


class EntrySpec(Wire):
    """spec of a ServiceEntry."""

    hosts: list[str] | None = None
    addresses: list[str] | None = None
    ports: list[EntryPort] | None = None
    location: str | int | None = None
    resolution: str | int | None = None
    endpoints: list[WorkloadSpec] | None = None
    workload_selector: EntrySelector | None = None
    export_to: list[str] | None = None


class EntryAddress(Wire):
    """status.addresses[]."""

    value: str = ""
    host: str = ""


class EntryStatus(Wire):
    """status of a ServiceEntry."""

    addresses: list[EntryAddress] | None = None


class ServiceEntry(Wire):
    """The object: metadata, spec and status."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: EntrySpec | None = None
    status: Any = None


class WorkloadEntry(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: WorkloadSpec | None = None


_LOCATIONS = ("MESH_EXTERNAL", "MESH_INTERNAL")
_RESOLUTIONS = ("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS")
"""The names of the enums' values, by number; the first is the default."""


def service_entry(raw: ServiceEntry, origin: str = "") -> model.ServiceEntry:
    """Convert a ServiceEntry. Hosts are in lower case; a missing targetPort is the port itself; protocols are TCP or UDP."""
    spec, status = raw.spec or EntrySpec(), tolerant(EntryStatus, raw.status) or EntryStatus()
    chosen = spec.workload_selector
    return model.ServiceEntry(
        meta=meta("ServiceEntry", raw.metadata, origin=origin),
        hosts=tuple(host.lower() for host in spec.hosts or ()),
        addresses=tuple(map(canonical, strings(spec.addresses))),
        ports=tuple(_port(port) for port in spec.ports or ()),
        external=_named(spec.location, _LOCATIONS) == "MESH_EXTERNAL",
        resolution=_named(spec.resolution, _RESOLUTIONS),
        endpoints=tuple(_endpoint(each, {}) for each in spec.endpoints or ()),
        selector=LabelSelector(tuple(sorted((chosen.labels or {}).items()))) if chosen else None,
        export_to=strings(spec.export_to),
        allocated=tuple((each.host.lower(), each.value) for each in status.addresses or ()),
    )


def _named(value: Any, names: tuple[str, ...]) -> str:
    """An enum's value by its name, which may be written as a number."""
    if isinstance(value, int):
        return names[value] if 0 <= value < len(names) else str(value)
    return value or names[0]


def _port(raw: EntryPort) -> ServicePort:
    spoken = (raw.protocol or "TCP").upper()
    return ServicePort(
        raw.number, raw.target_port or raw.number, raw.name, "UDP" if spoken == "UDP" else "TCP", app_protocol=spoken.lower()
    )


def workload_entry(raw: WorkloadEntry, origin: str = "") -> model.WorkloadEntry:
    """Convert a WorkloadEntry."""
    spec = raw.spec or WorkloadSpec()
    found = meta("WorkloadEntry", raw.metadata, origin=origin)
    return model.WorkloadEntry(found, _endpoint(spec, dict(found.labels)), spec.service_account or "")


def _endpoint(raw: WorkloadSpec, labels: dict[str, str]) -> model.EntryEndpoint:
    return model.EntryEndpoint(
        canonical(raw.address or ""),
        tuple(sorted((raw.ports or {}).items())),
        {**labels, **(raw.labels or {})},
        raw.network or "",
    )


def _kind(name: str, plural: str, field: str, wire: type[Any], convert: Any) -> Kind:
    return Kind(
        name, ISTIO_NETWORKING, NETWORKING_VERSIONS, plural, field, wire, convert, optional=True, role=Role.ROUTING, reports=True
    )


KINDS = (
    _kind("ServiceEntry", "serviceentries", "service_entries", ServiceEntry, service_entry),
    _kind("WorkloadEntry", "workloadentries", "workload_entries", WorkloadEntry, workload_entry),
)
