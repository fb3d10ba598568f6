"""Hosts that the mesh knows beside Services: ServiceEntry and WorkloadEntry (networking.istio.io)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meshtui.model.meta import NO_LABELS, Meta
from meshtui.model.selectors import LabelSelector
from meshtui.model.workload import Service, ServicePort


@dataclass(frozen=True, slots=True)
class EntryEndpoint:
    """One endpoint: an inline one of a ServiceEntry, or the spec of a WorkloadEntry.

    ``address`` is an IP address, a host name, or a path with ``unix://``. ``ports`` are numbers by the name of the entry's port.
    ``network`` is the network that the address belongs to, empty for the cluster's own.
    """

    address: str
    ports: tuple[tuple[str, int], ...] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS)
    network: str = ""


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """A ServiceEntry. ``export_to`` is empty where it is exported everywhere; ``selector`` None where it selects nothing.

    ``external`` is whether its location is MESH_EXTERNAL; ``allocated`` are pairs of a host and the address that istiod allocated
    for it (status.addresses).
    """

    meta: Meta
    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ports: tuple[ServicePort, ...] = ()
    external: bool = True
    resolution: str = "NONE"
    endpoints: tuple[EntryEndpoint, ...] = ()
    selector: LabelSelector | None = None
    export_to: tuple[str, ...] = ()
    allocated: tuple[tuple[str, str], ...] = ()

    @property
    def service(self) -> Service:
        """The entry as waypoints and their policies see it: like a Service, by labels, ports and reference."""
        return Service(self.meta, "ServiceEntry", ports=self.ports)


@dataclass(frozen=True, slots=True)
class WorkloadEntry:
    """A WorkloadEntry: a workload outside the cluster, with the labels of its metadata and of its spec."""

    meta: Meta
    endpoint: EntryEndpoint
    service_account: str = ""
