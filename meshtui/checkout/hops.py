"""Who calls whom in a checkout, and which ztunnel lines are about that connection. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from meshtui.engine import Engine
from meshtui.engine.path.gateway_address import GATEWAY_NAME
from meshtui.engine.path.references import parse_flow
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.gateway import RouteMatch
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod
from meshtui.settings import Checkout
from meshtui.sources.ztunnel_log import AccessLine

HBONE_PORT = 15008
_SCHEME = "spiffe://"


@dataclass(frozen=True, slots=True)
class Hop:
    """One connection of the checkout: the flow, the pods that may be its ends, and the ports on the destination's."""

    flow: Flow
    sources: tuple[Pod, ...] = ()
    destinations: tuple[Pod, ...] = ()
    ports: frozenset[int] = frozenset()

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes on which its ends run."""
        return frozenset(pod.node for pod in (*self.sources, *self.destinations) if pod.node)

    def matches(self, line: AccessLine) -> bool:
        """Whether a line is about this connection."""
        service = self.flow.destination
        to_service = line.fields.get("dst.service", "").startswith(f"{service.name}.{service.namespace}.")
        reaches = _is_end(line, "dst", self.destinations) or (service.kind is EndpointKind.SERVICE and to_service)
        return _is_end(line, "src", self.sources) and reaches and (line.port in self.ports or line.port == HBONE_PORT)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the ztunnels say about one connection. Identities are SPIFFE ids or empty; ``mtls`` None: they don't say."""

    source_identity: str = ""
    destination_identity: str = ""
    mtls: bool | None = None
    error: str = ""
    lines: tuple[AccessLine, ...] = ()

    @property
    def cause(self) -> str:
        """The outcome that the lines speak of, or empty."""
        errors = [line for line in self.lines if line.error]
        if any(line.denied for line in errors):
            return "closed"
        if any("timed out" in line.error for line in errors):
            return "timeout"
        return "refused" if any("refused" in line.error.lower() for line in errors) else ""


def hop_of(engine: Engine, flow: Flow) -> Hop:
    """A flow with the pods behind its ends; an end that can't be found leaves them out."""
    try:
        resolved = engine.resolver.resolve(flow)
    except UsageError:
        return Hop(flow)
    sources = tuple(endpoint.pod for endpoint in resolved.sources if endpoint.pod is not None)
    destinations = tuple(target.endpoint.pod for target in resolved.targets if target.endpoint.pod is not None)
    return Hop(flow, sources, destinations, frozenset(target.port for target in resolved.targets))


def reserve_hop(engine: Engine, settings: Checkout) -> Hop:
    """The reserve call. Raises UsageError when the settings' client or server is no reference."""
    return hop_of(engine, parse_flow(settings.client, settings.server))


def gateway_hop(engine: Engine, settings: Checkout, method: str, path: str) -> Hop | None:
    """From the gateway to whom a request is routed, or None when the routes or the gateway's pods don't say."""
    pods = gateway_pods(engine.snapshot, settings)
    backend = route_backend(engine.snapshot, settings, method, path)
    if not pods or backend is None:
        return None
    end, port = backend
    hops = [hop_of(engine, Flow(FlowEndpoint(EndpointKind.POD, pod.namespace, pod.name), end, port)) for pod in pods]
    return Hop(hops[0].flow, tuple(pods), hops[0].destinations, hops[0].ports)


def gateway_pods(snapshot: Snapshot, settings: Checkout) -> list[Pod]:
    """The running pods of the gateway."""
    pods = snapshot.pods_by_namespace.get(settings.gateway_namespace, ())
    return [pod for pod in pods if pod.labels.get(GATEWAY_NAME) == settings.gateway_name and not pod.completed]


def route_backend(snapshot: Snapshot, settings: Checkout, method: str, path: str) -> tuple[FlowEndpoint, int] | None:
    """The Service that the HTTPRoutes send a request to: the longest path that matches wins (Gateway API, HTTPRouteRule)."""
    found: list[tuple[int, FlowEndpoint, int]] = []
    for route in snapshot.http_routes.values():
        parents = {(p.namespace or route.meta.namespace, p.name) for p in route.parents}
        if (settings.gateway_namespace, settings.gateway_name) not in parents:
            continue
        if route.hostnames and not any(_host_matches(pattern, settings.host) for pattern in route.hostnames):
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


def _is_end(line: AccessLine, side: str, pods: Sequence[Pod]) -> bool:
    name, namespace = line.fields.get(f"{side}.workload"), line.fields.get(f"{side}.namespace")
    address = line.fields.get(f"{side}.addr", "").rpartition(":")[0].strip("[]")
    return any((pod.name, pod.namespace) == (name, namespace) or (address and address in pod.ips) for pod in pods)


def read_lines(lines: Iterable[AccessLine]) -> Seen:
    """What the lines of one connection say together; the destination's own (inbound) line counts most."""
    lines = tuple(lines)
    if not lines:
        return Seen()
    inbound = [line for line in lines if line.fields.get("direction") == "inbound"]
    best = (inbound or list(lines))[-1]
    source = _first(lines, "src.identity") if not inbound else inbound[-1].fields.get("src.identity", "")
    error = next((line.error for line in (*inbound, *lines) if line.error), "")
    return Seen(_spiffe(source), _spiffe(_first(lines, "dst.identity")), _mtls(best, is_inbound=bool(inbound)), error, lines)


def _mtls(line: AccessLine, *, is_inbound: bool) -> bool | None:
    """An identity at the destination is there only for mTLS; the source's line proves it only when somebody answered."""
    if is_inbound:
        return bool(line.fields.get("src.identity"))
    if line.error and not line.denied:
        return None
    return bool(line.fields.get("dst.hbone_addr"))


def _first(lines: Iterable[AccessLine], name: str) -> str:
    return next((value for line in lines if (value := line.fields.get(name))), "")


def _spiffe(identity: str) -> str:
    return identity if not identity or identity.startswith(_SCHEME) else _SCHEME + identity
