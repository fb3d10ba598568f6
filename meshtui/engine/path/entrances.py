"""Entrances: where requests enter a gateway, and its routes, in one form for Gateways of the Gateway API and Istio's own.

Sources: gateway.networking.k8s.io/v1; istio/istio pilot/pkg/model/push_context.go (which pods a Gateway configures) and
gateway.go (mergeGateways: the servers of one port together, and which port of the pod that is).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from meshtui.engine.endpoints import Endpoint, Endpoints
from meshtui.engine.matching.http import host_of
from meshtui.engine.matching.selectors import matches
from meshtui.engine.path.routes import SERVED, Choice, Entry, best_host, choose, entries
from meshtui.engine.path.virtual_routes import Services, choose_virtual, entries_at, passed_on_at
from meshtui.engine.policy.switches import switches_of
from meshtui.model.constants import GATEWAY_NAME, MANAGED, MESH_CONTROLLERS
from meshtui.model.flow import HttpRequest
from meshtui.model.gateway import Gateway, Listener
from meshtui.model.ids import ObjectRef
from meshtui.model.reason import Code, Reason, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decider
from meshtui.model.virtual_service import IstioGateway, Server
from meshtui.model.workload import MeshMode, Pod, Service

_PLAIN = frozenset({"HTTP", "HTTP2", "GRPC", "GRPC-WEB"})
_PASSED_ON = frozenset({"TCP", "TLS", "MONGO", "MYSQL", "REDIS"})
"""Protocols whose servers use no HTTP routes."""
_PASSED_BY = frozenset({"PASSTHROUGH", "AUTO_PASSTHROUGH"})
_TERMINATED = frozenset({"SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL"})
_AS_IT_IS = "experimental.istio.io/disable-gateway-port-translation"
"""The label of a Service whose ports aren't translated to those of its pods."""
Port = tuple[IstioGateway, int, Server]
"""A Gateway, the place of one of its servers, and the server."""
_Group = tuple[tuple[str, ...], tuple[tuple[str, int, int | None], ...], str]
"""The names of Gateways, the pods' port for each of their servers, and the namespace of the pods."""


@dataclass(frozen=True, slots=True, eq=False)
class Entrance:
    """A port of a gateway's pods with the routes behind it. ``doubt`` is the reason why they aren't known.

    ``ref`` is the Gateway; of several Istio Gateways for one port, the first by name. The last fields are of Istio's own ones
    (``classic``): ``secured`` are the hosts that redirect to TLS; of a server with TLS, ``names`` are the server names, its own
    and those of the port's other servers, and ``mutual`` is the server if it demands a certificate.
    """

    ref: ObjectRef
    pods: tuple[Endpoint, ...]
    port: int
    entries: tuple[Entry, ...] = ()
    classic: bool = False
    doubt: Reason | None = None
    secured: dict[str, Decider] = field(default_factory=dict)
    names: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    mutual: Decider | None = None
    exposed: bool = True
    """Whether clients outside may reach it: not if all its Services are of type ClusterIP."""

    @property
    def where(self) -> str:
        """The gateway as verdicts name it."""
        return f"gateway {self.ref.namespace}/{self.ref.name}"

    def is_for(self, http: HttpRequest | None) -> bool:
        """Whether a request comes to this server, of those of one port: the one with the most specific server name."""
        host = host_of(http) if http is not None else ""
        if self.names is None or not host:
            return True
        own, others = self.names
        return best_host((*own, *others), host) in own

    def choose(self, http: HttpRequest, pod: Endpoint, leads: Callable[[Entry], bool], normalization: str) -> Choice:
        """The route for a request at one of the pods; ``leads`` tells which to assume if the request's host isn't known."""
        if not self.classic:
            return choose(self.entries, http, normalization)
        return choose_virtual(self.entries, self.secured, http, pod, leads, normalization)


def of_listeners(snapshot: Snapshot, gateway: Gateway, pods: tuple[Endpoint, ...], listener: Listener | None = None) -> Entrance:
    """The entrance of a Gateway of the Gateway API: of one listener, or of all of them together on the first one's port."""
    if listener is not None:
        return Entrance(gateway.meta.ref, pods, listener.port, tuple(entries(snapshot, gateway, listener.port)))
    ports = [item.port for item in gateway.listeners if item.protocol in SERVED]
    return Entrance(gateway.meta.ref, pods, ports[0] if ports else 80, tuple(entries(snapshot, gateway)))


class IstioEntrances:
    """The entrances of Istio's own Gateways in one snapshot."""

    def __init__(self, snapshot: Snapshot, endpoints: Endpoints) -> None:
        self._snapshot = snapshot
        self._endpoints = endpoints
        self._scoped = switches_of(snapshot).scopes_gateways
        self._gateways = sorted(snapshot.istio_gateways.values(), key=lambda g: g.key)

    @cached_property
    def all(self) -> tuple[Entrance, ...]:
        """All entrances, those of Gateways without pods last."""
        return tuple(self._found()) if self._gateways else ()

    @cached_property
    def _of_pods(self) -> dict[str, list[Entrance]]:
        found: dict[str, list[Entrance]] = defaultdict(list)
        for entrance in self.all:
            for pod in entrance.pods:
                found[pod.name].append(entrance)
        return found

    @cached_property
    def _services(self) -> Services:
        return {(s.meta.namespace, s.meta.name): s for s in self._snapshot.services.values()}

    def of(self, endpoint: Endpoint) -> list[Entrance]:
        """The entrances of a pod."""
        return self._of_pods.get(endpoint.name, [])

    def _found(self) -> Iterator[Entrance]:
        """The entrances of each set of pods with the same Gateways and ports, then those of Gateways without pods."""
        groups: dict[_Group, list[Endpoint]] = defaultdict(list)
        for pod in self._routers():
            mine = [gateway for gateway in self._gateways if self._configures(gateway, pod)]
            ports = [(g.key, index, self._port(s.port, pod)) for g in mine for index, s in enumerate(g.servers)]
            if mine:
                groups[tuple(g.key for g in mine), tuple(ports), pod.namespace].append(self._endpoints.pod(pod))
        used = set[str]()
        for (keys, numbered, namespace), pods in groups.items():
            used |= set(keys)
            gateways = [gateway for gateway in self._gateways if gateway.key in keys]
            numbers = {(key, index): number for key, index, number in numbered}
            yield from self._of(gateways, tuple(pods), namespace, numbers)
        for gateway in self._gateways:
            if gateway.key not in used:
                yield from self._of((gateway,), (), None, {})

    def _routers(self) -> list[Pod]:
        """The pods that are gateways: Istio's own Gateways configure no sidecars and no waypoints."""
        waypoints = {(g.meta.namespace, g.meta.name) for g in self._snapshot.gateways.values() if g.is_waypoint}
        found = (pod for pod in self._snapshot.pods.values() if self._snapshot.mesh_mode(pod) is MeshMode.GATEWAY)
        running = (pod for pod in found if not pod.completed and pod.labels.get(MANAGED) not in MESH_CONTROLLERS)
        routers = (pod for pod in running if (pod.namespace, pod.labels.get(GATEWAY_NAME)) not in waypoints)
        return sorted(routers, key=lambda pod: pod.key)

    def _configures(self, gateway: IstioGateway, pod: Pod) -> bool:
        return matches(gateway.selector, pod.labels) and (not self._scoped or gateway.meta.namespace == pod.namespace)

    def _port(self, number: int, pod: Pod) -> int | None:
        """The pod's port for a server's: that of a Service that has the server's port, else the same; None if Services differ."""
        found = {
            target
            for service in self._snapshot.services.values()
            if service.meta.namespace == pod.namespace and _AS_IT_IS not in service.meta.labels and service.selects(pod.labels)
            for target in _targets(service, number, pod)
        }
        return number if not found else found.pop() if len(found) == 1 else None

    def _of(
        self,
        gateways: Iterable[IstioGateway],
        pods: tuple[Endpoint, ...],
        namespace: str | None,
        numbers: dict[tuple[str, int], int | None],
    ) -> Iterator[Entrance]:
        """The entrances of some pods: servers without TLS share those of their port, each server with TLS has its own."""
        by_port: dict[int | None, list[Port]] = defaultdict(list)
        for gateway in gateways:
            for index, server in enumerate(gateway.servers):
                by_port[numbers.get((gateway.key, index), server.port)].append((gateway, index, server))
        for number, servers in by_port.items():
            exposed = all(self._exposed(pod, number) for pod in pods)
            plain = [each for each in servers if each[2].protocol in _PLAIN]
            others = [each for each in servers if each[2].protocol not in _PLAIN]
            port = servers[0][2].port if number is None else number
            odd = "servers with and without TLS on one port" if plain and others else ""
            odd = "a port that Services translate differently" if number is None else odd
            if plain:
                yield replace(self._plain(plain, pods, port, namespace, odd), exposed=exposed)
            for each in others:
                for entrance in self._secure(each, others, pods, port, namespace, odd):
                    yield replace(entrance, exposed=exposed)

    def _exposed(self, endpoint: Endpoint, number: int | None) -> bool:
        """Whether a Service of another type than ClusterIP leads to a pod's port, or none at all, or it is its node's."""
        pod = endpoint.pod
        if pod is None or pod.host_network:
            return True
        services = [
            service
            for service in self._snapshot.services.values()
            if service.meta.namespace == pod.namespace and service.selects(pod.labels)
            if number is None or any(number in _targets(service, port.number, pod) for port in service.ports)
        ]
        return not services or any(service.type != "ClusterIP" for service in services)

    def _plain(self, servers: list[Port], pods: tuple[Endpoint, ...], port: int, namespace: str | None, odd: str) -> Entrance:
        found: dict[tuple[object, ...], Entry] = {}
        secured: dict[str, Decider] = {}
        for gateway, index, server in servers:
            here = list(entries_at(self._snapshot, self._services, gateway, server, namespace))
            found |= {(e.host, e.route.meta.uid, e.order): e for e in here}
            if server.redirects:
                by = Decider(gateway.meta.ref, f"servers[{index}]")
                hosts = (*(host for space, host in server.hosts if not space), *(entry.host for entry in here))
                secured |= dict.fromkeys(hosts, by)
        bind = next((each for each in servers if each[2].bind), None)
        doubt = _doubt(bind, "bind") if bind else _doubt(servers[0], odd) if odd else None
        first = servers[0][0].meta.ref
        return Entrance(first, pods, port, tuple(found.values()), classic=True, doubt=doubt, secured=secured)

    def _secure(
        self, each: Port, servers: list[Port], pods: tuple[Endpoint, ...], port: int, namespace: str | None, odd: str
    ) -> Iterator[Entrance]:
        """The entrance of a server with TLS; none for one that passes TLS or TCP on, but has no routes for that."""
        gateway, _, server = each
        own = tuple(host for _, host in server.hosts)
        names = (own, tuple(host for other in servers if other is not each for _, host in other[2].hosts))
        known = server.protocol == "HTTPS" and server.tls in _TERMINATED
        passes_on = server.protocol in _PASSED_ON or (server.protocol == "HTTPS" and server.tls in _PASSED_BY)
        found = () if passes_on else tuple(entries_at(self._snapshot, self._services, gateway, server, namespace))
        if not known:
            found += tuple(passed_on_at(self._snapshot, gateway, server, namespace))
            odd = f"{server.protocol} with TLS mode {server.tls}" if server.tls else server.protocol
        if passes_on and not found:
            return
        same = next((h for h in server.hosts for o in servers if o is not each and h in o[2].hosts), None)
        odd = f"another server of the port has the host {same[1]}, and only the first counts" if same else odd
        odd = "bind" if server.bind else odd
        doubt = _doubt(each, odd) if odd else None
        mutual = Decider(gateway.meta.ref, f"servers[{each[1]}]") if server.tls == "MUTUAL" else None
        yield Entrance(gateway.meta.ref, pods, port, found, classic=True, doubt=doubt, names=names, mutual=mutual)


def _doubt(port: Port, what: str) -> Reason:
    gateway, index, _ = port
    return because(Code.SERVER_NOT_MODELLED, server=Decider(gateway.meta.ref, f"servers[{index}]"), what=what)


def _targets(service: Service, number: int, pod: Pod) -> Iterator[int]:
    """The pod's ports behind a Service's TCP port."""
    for port in service.ports:
        if port.number == number and port.protocol == "TCP":
            if isinstance(port.target, int):
                yield port.target
            else:
                yield from (p.number for p in pod.ports if p.name == port.target and p.protocol == "TCP")
