"""The connections of a journey, and the ztunnel log lines about them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from meshtui.engine import Engine
from meshtui.logs.ztunnel import AccessLine, LineEnd
from meshtui.model.constants import GATEWAY_NAME, HBONE_PORT
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.gateway import RouteMatch
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod

_SCHEME = "spiffe://"


@dataclass(frozen=True, slots=True)
class Hop:
    """One connection: the flow, the pods that may be its ends, and the destination's ports.

    To a Service, ``addresses`` are the Service's own, and ``number`` is its port.
    """

    flow: Flow
    sources: tuple[Pod, ...] = ()
    destinations: tuple[Pod, ...] = ()
    ports: frozenset[int] = frozenset()
    addresses: frozenset[str] = frozenset()
    number: int | None = None

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes on which the pods of both ends run."""
        return frozenset(pod.node for pod in (*self.sources, *self.destinations) if pod.node)

    def matches(self, line: AccessLine) -> bool:
        """Whether a log line is about this connection. To the Service's address, through a waypoint too, it has its port."""
        if not _is_end(line.source, self.sources):
            return False
        address, host = line.inner or line.destination.address, f"{self.flow.destination.name}.{self.flow.destination.namespace}."
        is_service = self.flow.destination.kind is EndpointKind.SERVICE
        is_named = is_service and line.service.startswith(host)
        if address in self.addresses or (is_service and address.startswith(host)) or (is_named and line.through_proxy):
            return line.port == (self.flow.port if self.number is None else self.number)
        if line.through_proxy:
            return line.port in self.ports and any(address in pod.ips for pod in self.destinations)
        return (is_named or _is_end(line.destination, self.destinations)) and line.port in {*self.ports, HBONE_PORT}


@dataclass(frozen=True, slots=True)
class Entrance:
    """The entrance for requests: a Gateway, and a host that its routes accept."""

    namespace: str
    name: str
    host: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """The ztunnels' lines about one connection. Identities are SPIFFE ids or empty; ``mtls`` is None when not known.

    ``via`` is the waypoint or gateway that took the connection, in words: who is behind it, the lines don't tell.
    """

    source_identity: str = ""
    destination_identity: str = ""
    mtls: bool | None = None
    error: str = ""
    via: str = ""
    lines: tuple[AccessLine, ...] = ()

    @property
    def cause(self) -> str:
        """The outcome that the lines indicate, or an empty string."""
        errors = [line for line in self.lines if line.error]
        if any(line.denied for line in errors):
            return "closed"
        if any(line.timed_out for line in errors):
            return "timeout"
        return "refused" if any("refused" in line.error.lower() for line in errors) else ""


def hop_of(engine: Engine, flow: Flow) -> Hop:
    """The hop of a flow, with the pods of its ends; without pods when an end isn't found."""
    try:
        resolved = engine.resolver.resolve(flow)
    except UsageError:
        return Hop(flow)
    sources = tuple(endpoint.pod for endpoint in resolved.sources if endpoint.pod is not None)
    destinations = tuple(target.endpoint.pod for target in resolved.targets if target.endpoint.pod is not None)
    service = resolved.service
    addresses = frozenset(service.cluster_ips) - {"None"} if service is not None else frozenset[str]()
    number = resolved.service_port.number if resolved.service_port is not None else None
    return Hop(flow, sources, destinations, frozenset(target.port for target in resolved.targets), addresses, number)


def gateway_hop(engine: Engine, entrance: Entrance, method: str, path: str) -> Hop | None:
    """The hop from the gateway to the backend of a request; None when the route or the gateway's pods aren't known."""
    pods = gateway_pods(engine.snapshot, entrance)
    backend = route_backend(engine.snapshot, entrance, method, path)
    if not pods or backend is None:
        return None
    end, port = backend
    hops = [hop_of(engine, Flow(FlowEndpoint(EndpointKind.POD, pod.namespace, pod.name), end, port)) for pod in pods]
    return replace(hops[0], sources=tuple(pods))


def gateway_pods(snapshot: Snapshot, entrance: Entrance) -> list[Pod]:
    """The running pods of the gateway."""
    pods = snapshot.pods_by_namespace.get(entrance.namespace, ())
    return [pod for pod in pods if pod.labels.get(GATEWAY_NAME) == entrance.name and not pod.completed]


def route_backend(snapshot: Snapshot, entrance: Entrance, method: str, path: str) -> tuple[FlowEndpoint, int] | None:
    """The Service to which HTTPRoutes send a request: the longest matching path wins (Gateway API, HTTPRouteRule)."""
    found: list[tuple[int, FlowEndpoint, int]] = []
    for route in snapshot.http_routes.values():
        parents = {(p.namespace or route.meta.namespace, p.name) for p in route.parents}
        if (entrance.namespace, entrance.name) not in parents:
            continue
        if route.hostnames and not any(_host_matches(pattern, entrance.host) for pattern in route.hostnames):
            continue
        for rule in route.rules:
            lengths = [len(m.path) for m in rule.matches or (RouteMatch(),) if _matches(m, method, path)]
            service = next((b for b in rule.backends if b.kind == "Service" and b.port), None)
            if lengths and service is not None and service.port is not None:
                end = FlowEndpoint(EndpointKind.SERVICE, service.namespace or route.meta.namespace, service.name)
                found.append((max(lengths), end, service.port))
    best = max(found, key=lambda item: item[0], default=None)
    return None if best is None else (best[1], best[2])


def _host_matches(pattern: str, host: str) -> bool:
    host = host.partition(":")[0].lower()
    return host.endswith(pattern[1:].lower()) if pattern.startswith("*.") else host == pattern.lower()


def _matches(match: RouteMatch, method: str, path: str) -> bool:
    if match.method and match.method != method:
        return False
    if match.path_type == "Exact":
        return path == match.path
    prefix = match.path.rstrip("/")
    return match.path_type == "PathPrefix" and (path == prefix or path.startswith(prefix + "/"))


def _is_end(end: LineEnd, pods: Sequence[Pod]) -> bool:
    return any(
        (pod.name, pod.namespace) == (end.workload, end.namespace) or (bool(end.address) and end.address in pod.ips)
        for pod in pods
    )


def read_lines(lines: Iterable[AccessLine]) -> Seen:
    """Combine the lines of one connection; the destination's (inbound) line takes precedence."""
    lines = tuple(lines)
    if not lines:
        return Seen()
    inbound = [line for line in lines if line.inbound]
    best = (inbound or list(lines))[-1]
    source = (
        inbound[-1].source.identity if inbound else next((line.source.identity for line in lines if line.source.identity), "")
    )
    destination = next((line.destination.identity for line in lines if line.destination.identity and not line.through_proxy), "")
    via = "" if destination else next((_proxy(line.destination) for line in lines if line.through_proxy), "")
    error = next((line.error for line in (*inbound, *lines) if line.error), "")
    return Seen(_spiffe(source), _spiffe(destination), _mtls(best, is_inbound=bool(inbound)), error, via, lines)


def _proxy(end: LineEnd) -> str:
    """A waypoint, or another network's gateway, which ztunnel names ``NetworkGateway/NETWORK/…``."""
    if "/" in end.workload:
        return f"the gateway of network {end.workload.split('/')[1]}"
    return f"waypoint {end.namespace}/{end.workload}" if end.workload else "a waypoint"


def _mtls(line: AccessLine, *, is_inbound: bool) -> bool | None:
    """Whether a line shows mTLS: an identity at the destination requires it; the source's line only counts without a timeout."""
    if is_inbound and not (line.error and line.port == HBONE_PORT):
        return bool(line.source.identity)
    if is_inbound:
        return True if line.source.identity else None  # the handshake failed: nobody knows who it was, and nothing was plaintext
    if line.error and not line.denied:
        return None
    return line.through_hbone


def _spiffe(identity: str) -> str:
    return identity if not identity or identity.startswith(_SCHEME) else _SCHEME + identity
