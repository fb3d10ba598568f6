"""Calls that are meant to work: a URL in a workload's environment, a backend of a gateway's route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from meshtui.engine.endpoints import Endpoints
from meshtui.engine.path.entrances import IstioEntrances
from meshtui.engine.path.gateway import is_istios
from meshtui.engine.path.resolution import Resolver
from meshtui.engine.path.routes import Entry, entries
from meshtui.engine.path.waypoint import instances
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod, Service, ServicePort

_PORTS = {
    "http": 80,
    "https": 443,
    "grpc": 443,
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "mongodb": 27017,
    "redis": 6379,
    "amqp": 5672,
    "nats": 4222,
}
"""The default ports of URLs, by scheme."""


@dataclass(frozen=True, slots=True)
class Want:
    """What somebody means to call: ``source`` is a pod that would, ``number`` the Service's port.

    ``said_by`` is the object that says so: a workload, with ``words`` such as ``INVENTORY_SERVICE_URL``, or a route.
    ``gateway`` is the Gateway that would call by that route.
    """

    source: Pod
    service: Service
    number: int
    said_by: ObjectRef
    words: str
    gateway: ObjectRef | None = None

    @property
    def goes_to(self) -> str:
        """The Service and its port as NAMESPACE/NAME:PORT."""
        return f"{self.service.meta.namespace}/{self.service.meta.name}:{self.number}"

    @property
    def port(self) -> ServicePort | None:
        """The Service's TCP port, or None if it has no such port."""
        return next((p for p in self.service.ports if p.number == self.number and p.protocol == "TCP"), None)

    def caller(self, snapshot: Snapshot) -> ObjectRef:
        """Who would call."""
        return _caller(self.source, self.gateway, snapshot)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: ``source`` is a pod that makes it, ``targets`` are the pods behind the Service, each with its own port.

    ``said_by`` is the object that contains it: a workload, with ``words`` such as ``INVENTORY_SERVICE_URL``, or an HTTPRoute.
    ``gateway`` is the Gateway that calls by its route.
    """

    source: Pod
    service: Service
    port: ServicePort
    targets: tuple[tuple[Pod, int], ...]
    said_by: ObjectRef
    words: str
    gateway: ObjectRef | None = None

    @property
    def goes_to(self) -> str:
        """The Service and its port as NAMESPACE/NAME:PORT."""
        return f"{self.service.meta.namespace}/{self.service.meta.name}:{self.port.number}"

    def caller(self, snapshot: Snapshot) -> ObjectRef:
        """Who calls."""
        return _caller(self.source, self.gateway, snapshot)


def _caller(source: Pod, gateway: ObjectRef | None, snapshot: Snapshot) -> ObjectRef:
    """A pod's workload or, for a gateway that Istio deploys and manifests don't contain, the Gateway."""
    return snapshot.owner_of(source) if gateway is None or source.key in snapshot.pod_by_key else gateway


def wants_of(snapshot: Snapshot, workloads: Iterable[Sequence[Pod]]) -> tuple[Want, ...]:
    """All calls that are meant; those of a workload are taken from one pod, plus others whose variables differ."""
    services = {(s.meta.namespace, s.meta.name): s for s in snapshot.services.values()}
    return (*_configured(snapshot, services, workloads), *_routed(snapshot, services))


def calls_of(resolver: Resolver, wants: Iterable[Want]) -> tuple[Call, ...]:
    """Those calls that have somebody to reach, and that a pod doesn't make to itself."""
    return tuple(call for want in wants for call in _to(resolver, want))


def _configured(
    snapshot: Snapshot, services: dict[tuple[str, str], Service], workloads: Iterable[Sequence[Pod]]
) -> Iterator[Want]:
    for pods in workloads:
        seen: set[tuple[str, str]] = set()
        for pod in pods:
            for name, text in pod.env.items():
                if (name, text) in seen:
                    continue
                seen.add((name, text))
                named = service_in(text, pod.namespace, services)
                if named is not None:
                    yield Want(pod, *named, snapshot.owner_of(pod), name)


def _to(resolver: Resolver, want: Want) -> Iterator[Call]:
    pod, port = want.source, want.port
    if port is None:
        return
    targets = [(target, at) for target in resolver.backends(want.service) for at in _ports(target, port)]
    if targets and all(target is not pod for target, _ in targets):
        yield Call(pod, want.service, port, tuple(targets), want.said_by, want.words, want.gateway)


def _ports(pod: Pod, port: ServicePort) -> Iterator[int]:
    if isinstance(port.target, int):
        yield port.target
        return
    yield from dict.fromkeys(p.number for p in pod.ports if p.name == port.target and p.protocol == port.protocol)


def host_in(url: str) -> str:
    """The host of a URL in lower case; empty if it has none."""
    try:
        return (urlsplit(url.removeprefix("jdbc:").strip()).hostname or "").rstrip(".")
    except ValueError:
        return ""


def service_in(url: str, namespace: str, services: dict[tuple[str, str], Service]) -> tuple[Service, int] | None:
    """The Service and port in a URL, resolved in a namespace: NAME, NAME.NS, NAME.NS.svc[.DOMAIN]; None for other hosts."""
    try:
        parts = urlsplit(url.removeprefix("jdbc:").strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    name, _, rest = host.partition(".")
    space, _, tail = rest.partition(".")
    if not name or (tail and tail.partition(".")[0] != "svc"):
        return None
    service = services.get((space or namespace, name))
    return (service, port) if service is not None and port else None


def _routed(snapshot: Snapshot, services: dict[tuple[str, str], Service]) -> Iterator[Want]:
    """The backends of the routes that attach to a Gateway, called by one of its pods: an automatic one is as Istio deploys it."""
    endpoints = Endpoints(snapshot)
    for gateway in sorted(snapshot.gateways.values(), key=lambda g: g.meta.ref):
        pods = [each.pod for each in instances(snapshot, endpoints, gateway)] if not gateway.is_waypoint else []
        pod = next((pod for pod in pods if pod is not None and (not pod.derived or is_istios(snapshot, gateway))), None)
        if pod is not None:
            yield from _of_entries(pod, gateway.meta.ref, entries(snapshot, gateway), services, "its backendRef")
    for entrance in IstioEntrances(snapshot, endpoints).all:
        pod = next((each.pod for each in entrance.pods if each.pod is not None), None)
        if pod is not None and entrance.doubt is None:
            yield from _of_entries(pod, entrance.ref, entrance.entries, services, "its destination")


def _of_entries(
    pod: Pod, gateway: ObjectRef, found: Iterable[Entry], services: dict[tuple[str, str], Service], words: str
) -> Iterator[Want]:
    """What a gateway's pod calls by some entries, each port of a route's Service once."""
    backends = {
        (entry.route.meta.ref, b.namespace, b.name, b.port)
        for entry in found
        for b in entry.rule.backends
        if b.kind == "Service" and b.weight
    }
    for route, space, name, number in sorted(backends, key=str):
        service = services.get((space, name))
        if service is not None and number is not None:
            yield Want(pod, service, number, route, words, gateway)
