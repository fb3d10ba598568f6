"""Flows to hosts: what the source's own proxy makes of a host, and what can't be known about the way to it.

Sources: istio/ztunnel src/proxy/outbound.rs (what isn't known is passed through: outboundTrafficPolicy isn't read there),
istio/istio pilot/pkg/networking/core/listener.go and httproute.go (REGISTRY_ONLY at sidecars: BlackHoleCluster, or a route that
answers 502), pilot/pkg/serviceregistry/ambient/services.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.endpoints import Endpoint, Endpoints, Target
from meshtui.engine.matching.http import speaks_http
from meshtui.engine.matching.selectors import matches
from meshtui.engine.path.hosts import DYNAMIC, SOCKET, Behind, Hosts, Named, without_mesh
from meshtui.engine.path.sidecar import TUNNEL, bypassed_ranges, leaves_directly
from meshtui.engine.policy.unmodelled import Unmodelled
from meshtui.model.meta import Meta
from meshtui.model.reason import Code, Reason, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import CLOSED, Decider, Layer, StepResult, http_outcome
from meshtui.model.workload import MeshMode, Service, ServicePort

_BAD_GATEWAY = 502


@dataclass(frozen=True, slots=True)
class Way:
    """The way from one source to a host.

    ``targets`` are the destinations, each with what isn't known about it; ``service`` is the entry as waypoints see it, None
    where no waypoint sees the traffic. ``results`` are of the source's own proxy, and come first. ``source`` is the source as it
    takes this way: without its mesh identity where its proxy doesn't carry the traffic.
    """

    source: Endpoint
    targets: tuple[tuple[Target, tuple[LayerResult, ...]], ...]
    service: Service | None = None
    port: ServicePort | None = None
    results: tuple[LayerResult, ...] = ()
    notes: tuple[Reason, ...] = ()
    assumptions: tuple[Reason, ...] = ()
    needs_waypoint: bool = False


class Egress:
    """The ways to hosts in one snapshot."""

    def __init__(self, snapshot: Snapshot, endpoints: Endpoints) -> None:
        self._snapshot = snapshot
        self._hosts = Hosts(snapshot, endpoints)
        self._doubts = Unmodelled(snapshot)

    def way(self, source: Endpoint, host: str, port: int | str | None, protocol: str, *, http: bool) -> Way:
        """The way to a host. Raises UsageError when the port isn't known."""
        named = self._hosts.find(host, source, port, protocol)
        number = self._hosts.port(host, named, port)
        if protocol != "TCP" or not self._carried(source, number):
            return self._past_proxies(source, host, number, named)
        if named is None or named.port is None:
            return self._not_registered(source, host, number, named, http=http)
        if source.mode is MeshMode.AMBIENT and not self._hosts.known_to_ztunnel(named):
            reason = because(Code.HOST_NOT_RECOGNISED, host=host, entry=named.entry.meta.ref)
            return self._open(source, host, number, notes=(reason,), results=self._unseen(Layer.ZTUNNEL, "ServiceEntry"))
        return self._registered(source, host, named)

    def way_to_address(self, source: Endpoint, address: str, port: int | str | None, protocol: str) -> Way | None:
        """The way to an address that an entry has, for a source whose proxy knows the entry; None: straight to the address."""
        if protocol != "TCP" or not isinstance(port, int) or not self._carried(source, port):
            return None
        named = self._hosts.holding(address, source, port)
        if named is None:
            return None
        if named.port is not None:
            way = self._registered(source, address, named)
            return replace(way, assumptions=tuple(a for a in way.assumptions if a.code is not Code.HOST_BY_DNS_CAPTURE))
        note = because(Code.HOST_PORT_NOT_REGISTERED, host=address, port=port, entry=named.entry.meta.ref)
        layer = Layer.ZTUNNEL if source.mode is MeshMode.AMBIENT else Layer.SIDECAR
        doubt = layer_result(layer, f"the proxy of {source.name}", StepResult.UNKNOWN, note)
        return Way(source, ((self._hosts.at(address, port), ()),), results=(doubt,))

    def nobody(self, host: str) -> Target:
        """What stands for a host that has no endpoint."""
        return self._hosts.host_of(host, 0)

    @staticmethod
    def without_waypoint(source: Endpoint, host: str) -> LayerResult:
        """The unknown result for a host with resolution DYNAMIC_DNS that has no waypoint: only a waypoint resolves it."""
        reason = because(Code.DYNAMIC_DNS_WITHOUT_WAYPOINT, host=host)
        return layer_result(Layer.WAYPOINT, f"the proxy of {source.name}", StepResult.UNKNOWN, reason)

    @staticmethod
    def _carried(source: Endpoint, port: int) -> bool:
        """Whether the source's ztunnel or sidecar carries the connection, and knows the mesh's entries."""
        return source.mode is MeshMode.AMBIENT or (source.mode is MeshMode.SIDECAR and not leaves_directly(source, port))

    def _open(
        self,
        source: Endpoint,
        host: str,
        port: int,
        notes: tuple[Reason, ...] = (),
        results: tuple[LayerResult, ...] = (),
        assumptions: tuple[Reason, ...] = (),
    ) -> Way:
        """To whatever address the client resolves the host."""
        return Way(source, ((self._hosts.host_of(host, port), ()),), None, None, results, notes, assumptions)

    def _past_proxies(self, source: Endpoint, host: str, port: int, named: Named | None) -> Way:
        """The client resolves the name itself: no entry changes where its packets go."""
        if named is None:
            note = because(Code.HOST_NOT_REGISTERED, host=host)
        else:
            note = because(Code.HOST_PAST_PROXIES, host=host, source=source.name, entry=named.entry.meta.ref)
        return self._open(without_mesh(source), host, port, notes=(note,))

    def _not_registered(self, source: Endpoint, host: str, port: int, named: Named | None, *, http: bool) -> Way:
        if named is None:
            note = because(Code.HOST_NOT_REGISTERED, host=host)
        else:
            note = because(Code.HOST_PORT_NOT_REGISTERED, host=host, port=port, entry=named.entry.meta.ref)
        if source.mode is MeshMode.AMBIENT:
            results = list(self._unseen(Layer.ZTUNNEL, "ServiceEntry"))
            if named is not None and self._hosts.known_to_ztunnel(named):
                results.append(layer_result(Layer.ZTUNNEL, f"ztunnel of {source.name}", StepResult.UNKNOWN, note))
            return self._open(source, host, port, (note,), tuple(results))
        results = list(self._unregistered_at_sidecar(source, host, port, http=http))
        mesh = self._snapshot.mesh
        assumed = []
        if not mesh.found and not mesh.registry_only:
            assumed.append(because(Code.OUTBOUND_ANY_ASSUMED))
        return self._open(source, host, port, (note,), tuple(results), tuple(assumed))

    def _unregistered_at_sidecar(self, source: Endpoint, host: str, port: int, *, http: bool) -> Iterator[LayerResult]:
        where = f"the sidecar of {source.name}"
        yield from self._unseen(Layer.SIDECAR, "ServiceEntry")
        yield from self._doubts.about_sidecar(source, outside=True)
        if not self._snapshot.mesh.registry_only:
            return
        ranges = bypassed_ranges(source)
        if ranges:
            reason = because(Code.OUTBOUND_MAY_BYPASS, source=source.name, annotation=ranges)
            yield layer_result(Layer.SIDECAR, where, StepResult.UNKNOWN, reason)
            return
        if self._unseen(Layer.SIDECAR, "ServiceEntry"):
            return
        reason = because(Code.REGISTRY_ONLY, host=host, source=source.name)
        seen = http_outcome(_BAD_GATEWAY) if http and self._speaks_http(port) else CLOSED
        yield layer_result(Layer.SIDECAR, where, StepResult.BLOCK, reason, outcome=seen)

    def _speaks_http(self, port: int) -> bool:
        """Whether sidecars have an HTTP listener for a port: then a request is answered, else the connection is closed."""
        services = [*self._snapshot.services.values(), *(e.service for e in self._snapshot.service_entries.values())]
        return any(p.number == port and speaks_http(p) is True for service in services for p in service.ports)

    def to_address(self, source: Endpoint, target: Target) -> list[LayerResult]:
        """The results for an address outside the cluster: of a source's sidecar with REGISTRY_ONLY, and about a WorkloadEntry."""
        address = target.endpoint
        if address.pod is not None:
            return []
        machines = [each for each in self._snapshot.workload_entries.values() if each.endpoint.address == address.name]
        about = [doubt for each in machines for doubt in self._about_endpoint(source, Behind(target, each.endpoint), each.meta)]
        if not self._carried(source, target.port):
            return about
        layer = Layer.ZTUNNEL if source.mode is MeshMode.AMBIENT else Layer.SIDECAR
        return [*about, *self._unseen(layer, "ServiceEntry", "WorkloadEntry"), *self._at_sidecar(source, target)]

    def _at_sidecar(self, source: Endpoint, target: Target) -> list[LayerResult]:
        address = target.endpoint
        if source.mode is not MeshMode.SIDECAR or address.node or leaves_directly(source, target.port):
            return []
        if not self._snapshot.mesh.registry_only:
            return []
        known = self._hosts.registered(address.name, source, target.port)
        where = f"the sidecar of {source.name}"
        if known is None:
            reason = because(Code.ADDRESS_MAY_BE_REGISTERED, address=address.name, port=target.port)
            return [layer_result(Layer.SIDECAR, where, StepResult.UNKNOWN, reason)]
        return [] if known else list(self._unregistered_at_sidecar(source, address.name, target.port, http=False))

    def _registered(self, source: Endpoint, host: str, named: Named) -> Way:
        entry, results, assumed = named.entry, [], list[Reason]()
        if source.mode is MeshMode.AMBIENT:
            where, layer = f"ztunnel of {source.name}", Layer.ZTUNNEL
            assumed.append(because(Code.HOST_BY_DNS_CAPTURE, host=host, entry=entry.meta.ref))
            if not named.exported:
                results.append(self._not_exported(source, named, where))
        else:
            where, layer = f"the sidecar of {source.name}", Layer.SIDECAR
            results += self._doubts.about_sidecar(source, outside=True)
        results += self._unseen(layer, "ServiceEntry", *(["WorkloadEntry"] if entry.selector is not None else []))
        if self._snapshot.mesh.entries_hidden:
            reason = because(Code.ENTRIES_MAY_BE_HIDDEN, entry=entry.meta.ref)
            results.append(layer_result(layer, where, StepResult.UNKNOWN, reason))
        if named.others:
            reason = because(Code.HOST_NAMED_TWICE, host=host, entries=(entry.meta.ref, *named.others))
            results.append(layer_result(layer, where, StepResult.UNKNOWN, reason))
        found = self._hosts.behind(host, named)
        if source.mode is MeshMode.SIDECAR and entry.resolution == "NONE":
            found = [Behind(self._hosts.host_of(host, named.port.number if named.port else 0))]
        inside = None if entry.external else entry.meta
        targets = tuple((each.target, tuple(self._about_endpoint(source, each, each.entry or inside))) for each in found)
        notes = () if targets else (because(Code.NO_ENDPOINT_BEHIND_HOST, host=host, entry=entry.meta.ref),)
        dynamic = entry.resolution == DYNAMIC
        return Way(source, targets, entry.service, named.port, tuple(results), notes, tuple(assumed), needs_waypoint=dynamic)

    @staticmethod
    def _not_exported(source: Endpoint, named: Named, where: str) -> LayerResult:
        reason = because(Code.HOST_NOT_EXPORTED, entry=named.entry.meta.ref, namespace=source.namespace)
        return layer_result(Layer.ZTUNNEL, where, StepResult.UNKNOWN, reason, objects=(Decider(named.entry.meta.ref),))

    def _unseen(self, layer: Layer, *kinds: str) -> tuple[LayerResult, ...]:
        """Unknown results if not all objects of some kinds can be seen: then another one may name the host, or be behind it."""
        found = list(self._doubts.about_mesh_config(layer))
        for kind in () if found else kinds:
            state = self._snapshot.kind_state(kind)
            why = state.blind or (f"only {state.scope} may be read" if state.scope else "")
            if why:
                found.append(layer_result(layer, kind, StepResult.UNKNOWN, because(Code.KIND_NOT_READABLE, kind=kind, why=why)))
        return tuple(found)

    def _about_endpoint(self, source: Endpoint, behind: Behind, owner: Meta | None) -> Iterator[LayerResult]:
        """Unknown results for what isn't modelled about an endpoint that isn't a pod.

        ``owner`` is the object in whose namespace it is a workload of the mesh, with a proxy perhaps; None if it is none.
        """
        endpoint, name = behind.endpoint, behind.target.endpoint.name
        if endpoint is None or behind.target.endpoint.pod is not None:
            return
        if endpoint.address.startswith(SOCKET):
            yield _doubt(name, because(Code.ENDPOINT_IS_SOCKET, endpoint=name))
        if endpoint.network:
            yield _doubt(name, because(Code.ENDPOINT_IN_OTHER_NETWORK, endpoint=name, network=endpoint.network))
        if endpoint.labels.get(TUNNEL) == "http" and source.mode is MeshMode.AMBIENT:
            yield _doubt(name, because(Code.ENDPOINT_TUNNELS, endpoint=name))
        if owner is None:
            return
        home, root = owner.namespace, self._snapshot.mesh.root_namespace
        authorizing = (p for p in self._snapshot.authorization_policies.values() if not p.target_refs)
        policies = [(p.meta.ref, p.selector) for p in authorizing]
        policies += [(p.meta.ref, p.selector) for p in self._snapshot.peer_authentications.values()]
        guards = [
            ref
            for ref, chosen in sorted(policies, key=lambda each: str(each[0]))
            if ref.namespace in {home, root} and (chosen is None or matches(chosen, endpoint.labels))
        ]
        if guards:
            reason = because(Code.ENDPOINT_HAS_PROXY, endpoint=name, policies=tuple(guards))
            yield _doubt(name, reason, tuple(map(Decider, guards)))


def _doubt(name: str, reason: Reason, objects: tuple[Decider, ...] = ()) -> LayerResult:
    return layer_result(Layer.SIDECAR, f"endpoint {name}", StepResult.UNKNOWN, reason, objects=objects)
