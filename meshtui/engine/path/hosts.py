"""Hosts outside the cluster: the ServiceEntry that names a host for a source, and the addresses that it gives.

Sources: istio/api networking/v1alpha3/service_entry.proto (hosts, resolution, exportTo); istio/istio
pilot/pkg/serviceregistry/ambient/services.go (which addresses ztunnel gets; exportTo isn't read there) and workloads.go
(endpoints and selected workloads), pilot/pkg/networking/serviceentry/ip_autoallocation.go (automatic addresses).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from meshtui.engine.endpoints import Endpoint, Endpoints, Target
from meshtui.engine.matching.addresses import Address, parse_address, parse_network
from meshtui.engine.matching.selectors import matches
from meshtui.engine.path.routes import covers
from meshtui.model.errors import UsageError
from meshtui.model.ids import ObjectRef
from meshtui.model.meta import Meta
from meshtui.model.service_entry import EntryEndpoint, ServiceEntry
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import MeshMode, ServicePort

_AUTOMATIC = "networking.istio.io/enable-autoallocate-ip"
SOCKET = "unix://"
_NO_RESOLUTION = "NONE"
DYNAMIC = "DYNAMIC_DNS"


@dataclass(frozen=True, slots=True)
class Named:
    """What a ServiceEntry says about a host and a port.

    ``host`` is the name or wildcard that matches; ``exported`` whether the entry is exported to the source's namespace;
    ``others`` are entries that name the host equally well; ``port`` is None if the entry doesn't have the port.
    """

    entry: ServiceEntry
    host: str
    exported: bool
    port: ServicePort | None
    others: tuple[ObjectRef, ...] = ()

    @property
    def is_wildcard(self) -> bool:
        """Whether the entry names the host by a wildcard."""
        return self.host.startswith("*")


@dataclass(frozen=True, slots=True)
class Behind:
    """One endpoint behind a host: the target, and the inline endpoint or WorkloadEntry that it is from, if it isn't a pod."""

    target: Target
    endpoint: EntryEndpoint | None = None
    entry: Meta | None = None


class Hosts:
    """The ServiceEntries of one snapshot, by host."""

    def __init__(self, snapshot: Snapshot, endpoints: Endpoints) -> None:
        self._snapshot = snapshot
        self._endpoints = endpoints
        self._entries = sorted(
            snapshot.service_entries.values(), key=lambda e: (e.meta.created is None, e.meta.created, str(e.meta.ref))
        )

    def find(self, host: str, source: Endpoint, port: int | str | None, protocol: str) -> Named | None:
        """The entry that names a host for a source: by its exact name, else by the longest wildcard.

        An entry in the source's namespace comes first, then the oldest. ztunnel doesn't read ``exportTo``: for ambient sources,
        entries count that aren't exported to their namespace.
        """
        found = [(entry, name) for entry in self._entries for name in entry.hosts if covers(name, host)]
        if source.mode is not MeshMode.AMBIENT:
            found = [(entry, name) for entry, name in found if self._exported(entry, source.namespace)]
        best = max((_rank(name) for _, name in found), default=None)
        found = [(entry, name) for entry, name in found if _rank(name) == best]
        own = [(entry, name) for entry, name in found if entry.meta.namespace == source.namespace]
        candidates = [(entry, name, _port_of(entry, port, protocol)) for entry, name in own or found]
        if not candidates:
            return None
        fitting = [each for each in candidates if each[2] is not None]
        entry, name, named = (fitting or candidates)[0]
        rivals = candidates if source.mode is MeshMode.AMBIENT else fitting  # sidecars know the ports of all entries
        others = tuple(each.meta.ref for each, _, _ in rivals if each is not entry)
        return Named(entry, name, self._exported(entry, source.namespace), named, others)

    def holding(self, address: str, source: Endpoint, port: int | str | None) -> Named | None:
        """The entry to which an address belongs (spec.addresses, or one that istiod allocated), as a source's proxy sees it."""
        parsed = parse_address(address)
        found = [
            entry
            for entry in self._entries
            if parsed is not None and any(_within(parsed, text) for text in (*entry.addresses, *(a for _, a in entry.allocated)))
            if source.mode is MeshMode.AMBIENT or self._exported(entry, source.namespace)
        ]
        if not found:
            return None
        ranked = sorted(found, key=lambda e: (e.meta.namespace != source.namespace, _port_of(e, port, "TCP") is None))
        entry, *others = ranked
        rivals = tuple(each.meta.ref for each in others)
        return Named(entry, address, self._exported(entry, source.namespace), _port_of(entry, port, "TCP"), rivals)

    def _exported(self, entry: ServiceEntry, namespace: str) -> bool:
        """Whether an entry is exported to a namespace: ``.`` is its own, ``*`` or nothing all of them; ``~`` is none."""
        names = entry.export_to or self._snapshot.mesh.export_to
        return not names or "*" in names or namespace in names or ("." in names and namespace == entry.meta.namespace)

    def port(self, host: str, named: Named | None, port: int | str | None) -> int:
        """The number of the port that is asked for. Raises UsageError when it isn't known."""
        if named is not None and named.port is not None:
            return named.port.number
        if isinstance(port, int):
            return port
        known = ", ".join(f"{p.number}/{p.name}" for p in named.entry.ports) if named else ""
        asked = f"{host} has no port {port!r}" if port else f"{host}: say which port"
        raise UsageError(asked, f"{named.entry.meta.ref} has {known or 'none'}" if named else f"write {host}:443, by number")

    def behind(self, host: str, named: Named) -> list[Behind]:
        """The endpoints behind a host on the port of its entry, for a proxy that knows the entry.

        STATIC: the endpoints and selected workloads, none of which may be there. DNS: those, by address where they have one, else
        the host. NONE: the addresses that the client dials; DYNAMIC_DNS: the host itself, whatever endpoints say.
        """
        entry, port = named.entry, named.port
        if port is None:
            return []
        if entry.resolution == _NO_RESOLUTION:
            if parse_address(host) is not None:
                return [Behind(Target(self._endpoints.ip(host), port.number))]
            singles = [each for each in entry.addresses if parse_address(each) is not None]
            if singles and len(singles) == len(entry.addresses):
                return [Behind(Target(self._endpoints.ip(each), port.number)) for each in singles]
            return [self._unresolved(host, port.number)]
        if entry.resolution == DYNAMIC:
            return [self._unresolved(host, port.number)]
        found = list(self._listed(entry, port))
        if found or entry.resolution == "STATIC" or entry.selector is not None:
            return found
        return [self._unresolved(host, port.number if isinstance(port.target, str) else port.target)]

    def _listed(self, entry: ServiceEntry, port: ServicePort) -> Iterator[Behind]:
        """The inline endpoints, and the pods and WorkloadEntries of the entry's namespace that its selector selects.

        An empty selector selects nothing (krt.FilterSelectsNonEmpty).
        """
        for endpoint in entry.endpoints:
            yield Behind(self._target(endpoint, port), endpoint)
        chosen = entry.selector
        if chosen is None or chosen.is_empty:
            return
        home = entry.meta.namespace
        for pod in sorted(self._snapshot.pods_by_namespace.get(home, ()), key=lambda pod: pod.name):
            if not pod.completed and matches(chosen, pod.labels):
                yield Behind(Target(self._endpoints.pod(pod), _number(port)))
        for each in sorted(self._snapshot.workload_entries.values(), key=lambda e: e.meta.name):
            if each.meta.namespace == home and matches(chosen, each.endpoint.labels):
                yield Behind(self._target(each.endpoint, port), each.endpoint, each.meta)

    def _target(self, endpoint: EntryEndpoint, port: ServicePort) -> Target:
        """An endpoint's address and port: its own number for the port's name, else the entry's targetPort."""
        number = dict(endpoint.ports).get(port.name, _number(port))
        if parse_address(endpoint.address) is not None:
            return Target(self._endpoints.ip(endpoint.address), number)
        return Target(self._endpoints.host(endpoint.address or "an endpoint without an address"), number)

    def _unresolved(self, host: str, port: int) -> Behind:
        return Behind(Target(self._endpoints.host(host), port))

    def known_to_ztunnel(self, named: Named) -> bool:
        """Whether ztunnel has an address by which it recognises traffic to the host.

        spec.addresses, else one that istiod allocates: not with resolution NONE, not for a wildcard unless it is DYNAMIC_DNS, and
        not if the entry's label opts out. In a live cluster the entry's status has it.
        """
        entry = named.entry
        if entry.addresses:
            return True
        if entry.resolution == _NO_RESOLUTION or (named.is_wildcard and entry.resolution != DYNAMIC):
            return False
        if entry.meta.labels.get(_AUTOMATIC, "").lower() == "false":
            return False
        return not self._snapshot.live or any(host == named.host for host, _ in entry.allocated)

    def registered(self, address: str, source: Endpoint, port: int) -> bool | None:
        """Whether a sidecar knows an address on a port by an entry; None if an entry without addresses may stand for it."""
        perhaps = False
        for entry in self._entries:
            if not self._exported(entry, source.namespace) or all(p.number != port for p in entry.ports):
                continue
            if address in {*entry.addresses, *(each.address for each in entry.endpoints)}:
                return True
            perhaps = True
        return None if perhaps else False

    def at(self, address: str, port: int) -> Target:
        """An address as a target."""
        return Target(self._endpoints.ip(address), port)

    def host_of(self, name: str, port: int) -> Target:
        """A host whose address isn't known, as a target."""
        return Target(self._endpoints.host(name), port)


def _within(address: Address, text: str) -> bool:
    network = parse_network(text)
    return network is not None and address in network


def _rank(name: str) -> tuple[bool, int]:
    """The order of names that match a host: the exact name, then the longest wildcard."""
    return not name.startswith("*"), len(name)


def _port_of(entry: ServiceEntry, port: int | str | None, protocol: str) -> ServicePort | None:
    fitting = [p for p in entry.ports if p.protocol == protocol and (port is None or port in {p.number, p.name})]
    return fitting[0] if len(fitting) == 1 or (fitting and port is not None) else None


def _number(port: ServicePort) -> int:
    return port.target if isinstance(port.target, int) else port.number


def without_mesh(source: Endpoint) -> Endpoint:
    """A source whose traffic no proxy of its own carries."""
    return replace(source, mode=MeshMode.NONE, principal=None)
