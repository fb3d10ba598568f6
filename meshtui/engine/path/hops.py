"""The hops from one endpoint to another, direct or through a waypoint, with the results of every layer, in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from meshtui.engine.decision.conclude import conclude
from meshtui.engine.decision.layer_result import LayerResult, layer_result, on_hop
from meshtui.engine.endpoints import Endpoint, Endpoints, Target
from meshtui.engine.matching.http import speaks_http
from meshtui.engine.path.gateway_pods import GatewayPods
from meshtui.engine.path.layers import Layers, network_port
from meshtui.engine.path.memberships import whichever
from meshtui.engine.path.mesh_routes import MeshRoutes
from meshtui.engine.path.other_routes import OtherRoutes
from meshtui.engine.path.question import Question
from meshtui.engine.path.sidecar import Sidecars, Transport, leaves_directly
from meshtui.engine.path.waypoint import Attachment, Waypoints
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.own import own_policies
from meshtui.engine.policy.unmodelled import Unmodelled
from meshtui.model.constants import HBONE_PORT, POD_NETWORK_LAYERS
from meshtui.model.flow import HttpRequest
from meshtui.model.reason import Code, Reason, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import CLOSED, Layer, StepResult, http_outcome
from meshtui.model.workload import MeshMode, Service


class Hops:
    """The connections between the endpoints of one snapshot."""

    def __init__(self, snapshot: Snapshot, endpoints: Endpoints) -> None:
        self._snapshot = snapshot
        self.own = own_policies(snapshot)
        self.layers = Layers(snapshot, self.own)
        self.doubts = Unmodelled(snapshot, self.own)
        self.gateway_pods = GatewayPods(snapshot)
        self._routes = MeshRoutes(snapshot)
        self.other_routes = OtherRoutes(snapshot)
        self._sidecars = Sidecars(snapshot)
        self._waypoints = Waypoints(snapshot, endpoints)

    def ways(self, source: Endpoint, destination: Endpoint, port: int, question: Question) -> list[list[LayerResult]]:
        """The results of every layer, for each way that a connection may take: one, or one for each pod of a waypoint.

        If it isn't known whether an end is in the mesh, all possibilities must give the same verdict.
        """
        if question.protocol != "TCP":
            return [self.straight(source, destination, port, question)]
        routed = bool(self._snapshot.virtual_services)
        return whichever(source, destination, lambda one, other: self._ways(one, other, port, question), routed=routed)

    def _ways(self, source: Endpoint, destination: Endpoint, port: int, question: Question) -> list[list[LayerResult]]:
        attached = self._waypoints.of(source, destination, question.service)
        if attached is None or attached.gateway is None or not attached.endpoints:
            return [self.straight(source, destination, port, question, attached)]
        return [self._through(source, endpoint, attached, destination, port, question) for endpoint in attached.endpoints]

    def waypoint(self, source: Endpoint, destination: Endpoint, service: Service | None = None) -> tuple[Endpoint, ...]:
        """The pods of the waypoint that handles traffic to a pod's address, or to a Service; empty if none does."""
        attached = self._waypoints.of(source, destination, service)
        return attached.endpoints if attached is not None and attached.gateway is not None else ()

    def binding(self, destination: Endpoint, service: Service | None) -> Attachment | None:
        """The waypoint that a label names for a destination, whoever the source is; None if none does."""
        return self._waypoints.binding(destination, service)

    def around(self, source: Endpoint, destination: Endpoint, service: Service | None) -> Reason | None:
        """Why a source's traffic goes past the waypoint that a label names; None if it doesn't, or no label does."""
        attached = self._waypoints.of(source, destination, service)
        return attached.past if attached is not None else None

    def at_waypoint(self, source: Endpoint, destination: Endpoint, port: int, question: Question) -> list[LayerResult]:
        """What the waypoint of a destination would decide about a source, also if the source's traffic goes past it."""
        attached = self._waypoints.binding(destination, question.service)
        if attached is None or attached.gateway is None or not attached.endpoints:
            return []
        return self._waypoints.results(attached.gateway, attached.endpoints[0], source, Target(destination, port), question)

    def has_waypoint(self, source: Endpoint, destination: Endpoint, service: Service | None) -> bool:
        """Whether a label names a waypoint for the traffic, even one that it bypasses."""
        return self._waypoints.of(source, destination, service) is not None

    def tunnelled(self, source: Endpoint, destination: Endpoint) -> bool:
        """Whether network policies see the tunnel's port for TCP that passes no waypoint, on every port of the destination."""
        if destination.mode is MeshMode.SIDECAR:
            return self._sidecars.tunnelled(source, destination)
        if source.is_configured_proxy and destination.in_ambient:
            return self._snapshot.mesh.sidecars_send_hbone
        return network_port(source, destination, 0, "TCP") == HBONE_PORT

    def network(
        self, source: Endpoint, destination: Endpoint, port: int, protocol: str = "TCP", http: HttpRequest | None = None
    ) -> list[LayerResult]:
        """The results of both ends' network policies, the source's first, for the port that NetworkPolicy sees.

        ``http`` is the request, where it isn't encrypted.
        """
        results: list[LayerResult] = []
        for direction, endpoint, peer in ((Direction.EGRESS, source, destination), (Direction.INGRESS, destination, source)):
            doubts = list(self.doubts.about_network(direction, endpoint, peer))
            found = self.layers.network(direction, source, destination, port, protocol, http)
            said = on_hop(found, source, destination, port, protocol)
            results += [*doubts, *(map(_unsure, said) if doubts else said)]
        return results

    def straight(
        self, source: Endpoint, destination: Endpoint, port: int, question: Question, attached: Attachment | None = None
    ) -> list[LayerResult]:
        """The results for a connection that passes no waypoint."""
        return [*self._routed(source, question), *self._unrouted(source, destination, port, question, attached)]

    def _routed(self, source: Endpoint, question: Question) -> list[LayerResult]:
        """An unknown result if the source's sidecar may send a Service's requests elsewhere, or change them."""
        service, port = question.service, question.service_port
        past = port is not None and leaves_directly(source, port.number)
        if question.protocol != "TCP" or source.mode is not MeshMode.SIDECAR or past:
            return []
        doubts = list(self.doubts.about_sidecar(source))
        if service is None:
            return doubts
        hidden = self._sidecars.hidden(source, service) if self._snapshot.mesh.registry_only else None
        if hidden is not None:
            doubts.append(layer_result(Layer.SIDECAR, f"the sidecar of {source.name}", StepResult.UNKNOWN, hidden))
        doubts += [*self._sidecars.changed(source), *self.doubts.about_extensions(Layer.SIDECAR)]
        doubts += self.doubts.about_mesh_routes(Layer.SIDECAR)
        return [*doubts, *self._routes.at_sidecar(source, service, port), *self.other_routes.at_sidecar(source, service)]

    def _unrouted(
        self, source: Endpoint, destination: Endpoint, port: int, question: Question, attached: Attachment | None
    ) -> list[LayerResult]:
        """The results for a connection to a destination that the source's proxy doesn't change."""
        if question.protocol == "TCP" and destination.mode is MeshMode.SIDECAR:
            return self._to_sidecar(source, destination, port, question, attached)
        if question.protocol == "TCP" and source.is_configured_proxy and destination.in_ambient:
            return self._from_sidecar(source, destination, port, question, attached)
        return self._captured(source, destination, port, question, attached)

    def _captured(
        self, source: Endpoint, destination: Endpoint, port: int, question: Question, attached: Attachment | None
    ) -> list[LayerResult]:
        """The results for a connection that a ztunnel, or nothing, carries from its source."""
        seen = network_port(source, destination, port, question.protocol)
        results = self.network(source, destination, seen, question.protocol, question.http if seen == port else None)
        if question.protocol == "TCP":
            results += self.doubts.about_destination(destination)
            results += _about(attached)
            results += on_hop(self.gateway_pods.results(source, destination, port, question), source, destination, port)
            results += self._ztunnel(source, destination, port)
        return results

    def _ztunnel(self, source: Endpoint, destination: Endpoint, port: int) -> list[LayerResult]:
        """The results of the destination's ztunnel; none if the mesh's configuration, which they depend on, isn't known."""
        if any(self.doubts.about_mesh(destination)):
            return []
        implicit = self._waypoints.implicit_policies(destination)
        return on_hop(self.layers.ztunnel(source, destination, port, implicit), source, destination, port)

    def _from_sidecar(
        self, source: Endpoint, destination: Endpoint, port: int, question: Question, attached: Attachment | None
    ) -> list[LayerResult]:
        """The results from a sidecar or a classic gateway to an ambient pod: to a Service through HBONE, if so configured."""
        said = source.mode is not MeshMode.SIDECAR or self._sidecars.by_service(source, destination, port, question)
        if said is True:
            return self._in_tunnel(source, destination, port, question, attached)
        plain = self._captured(replace(source, mode=MeshMode.NONE, principal=None), destination, port, question, attached)
        if said is False:
            return plain
        return _agreed([plain, self._in_tunnel(source, destination, port, question, attached)], said, destination)

    def _in_tunnel(
        self, source: Endpoint, destination: Endpoint, port: int, question: Question, attached: Attachment | None
    ) -> list[LayerResult]:
        """The results if the source's proxy treats a connection as one to a Service. Whether it uses HBONE may be unknown."""
        known = self._snapshot.mesh.sidecars_send_hbone
        results = self.network(source, destination, HBONE_PORT if known else port)
        if not known:
            reason = because(Code.SIDECAR_HBONE_NOT_KNOWN)
            results.append(layer_result(Layer.SIDECAR, destination.name, StepResult.UNKNOWN, reason))
        results += self._about_clients(source, destination, port, question)
        results += self.doubts.about_destination(destination)
        results += _about(attached)
        return results + self._ztunnel(source, destination, port)

    def _to_sidecar(
        self, source: Endpoint, destination: Endpoint, port: int, question: Question, attached: Attachment | None
    ) -> list[LayerResult]:
        """The results to a pod with a sidecar. If the transport isn't known, all transports must give the same verdict."""
        transports = self._sidecars.transports(source, destination, port, question)
        ways = [self._by_transport(source, destination, port, question, attached, how) for how in transports.ways]
        return ways[0] if transports.why is None else _agreed(ways, transports.why, destination)

    def _about_clients(self, source: Endpoint, destination: Endpoint, port: int, question: Question) -> list[LayerResult]:
        """Unknown results for a proxy's own connection to a Service: DestinationRules may change it."""
        if source.mode not in {MeshMode.SIDECAR, MeshMode.GATEWAY}:
            return []
        services = self._sidecars.services(destination, port, question)
        return list(self.doubts.about_client(Layer.SIDECAR, services)) if services else []

    def _by_transport(
        self, source: Endpoint, destination: Endpoint, port: int, question: Question, attached: Attachment | None, how: Transport
    ) -> list[LayerResult]:
        http = None if how.hbone or how.identified else question.http
        results = self.network(source, destination, HBONE_PORT if how.hbone else port, http=http)
        results += self.doubts.about_proxy(Layer.SIDECAR, "PeerAuthentication", *_tokens(question))
        if how.identified:
            results += self._about_clients(source, destination, port, question)
        results += self.doubts.about_sidecar(destination)
        results += _about(attached)
        if any(self.doubts.about_mesh_config(Layer.SIDECAR)):
            return results
        said = on_hop(self._sidecars.results(source, destination, port, how, question), source, destination, port)
        return results + ([replace(said[0], assumptions=(how.assumption,)), *said[1:]] if how.assumption and said else said)

    def _through(
        self, source: Endpoint, endpoint: Endpoint, attached: Attachment, destination: Endpoint, port: int, question: Question
    ) -> list[LayerResult]:
        """The results of two hops, each with its own network policies; the destination sees the waypoint's identity."""
        gateway = attached.gateway
        if gateway is None:
            return []
        results = self.network(source, endpoint, HBONE_PORT)
        results += self.doubts.about_proxy(Layer.WAYPOINT, *_tokens(question))
        known = not any(self.doubts.about_mesh_config(Layer.WAYPOINT))
        said = self._waypoints.results(gateway, endpoint, source, Target(destination, port), question) if known else []
        service, named = question.service, question.service_port
        if service is not None:
            results += self.doubts.about_mesh_routes(Layer.WAYPOINT)
            results += self._routes.at_waypoint(gateway, service, named)
        said = on_hop(said, source, endpoint, named.number if named else port, service=service.meta.ref if service else None)
        if attached.assumption and said:
            said = [replace(said[0], assumptions=(*said[0].assumptions, attached.assumption)), *said[1:]]
        is_http = speaks_http(question.service_port) if question.service_port else None
        http, jwt = (question.http, question.jwt) if is_http is False else self._waypoints.passed_on(gateway, question)
        second = self.straight(endpoint, destination, port, Question(question.protocol, http=http, jwt=jwt))
        return [*results, *said, *behind(second, http=question.http is not None if is_http is None else is_http)]


def _agreed(ways: list[list[LayerResult]], why: Reason, destination: Endpoint) -> list[LayerResult]:
    """The results of two ways of which it isn't known which one a connection takes, the first in plaintext.

    They are certain where both ways give the same verdict.
    """
    decided = [conclude(way) for way in ways]
    if len({(v.decision, v.outcome, v.decided_by) for v in decided}) == 1:
        return ways[0]
    if len({(v.decision, v.outcome) for v in decided}) == 1 and ways[0]:
        by = tuple(v.decided_by.ref if v.decided_by else None for v in decided)
        assumption = because(Code.TRANSPORT_MAKES_NO_DIFFERENCE, why=why, by=by)
        return [*ways[0][:-1], replace(ways[0][-1], assumptions=(*ways[0][-1].assumptions, assumption))]
    plain, other = (verdict.reason for verdict in decided)
    reason = because(Code.TRANSPORT_NOT_KNOWN, why=why, plaintext=plain, identified=other)
    doubt = layer_result(Layer.SIDECAR, destination.name, StepResult.UNKNOWN, reason)
    return [*(o for o in ways[0] if o.step.layer not in {Layer.SIDECAR, Layer.ZTUNNEL}), doubt]


def _unsure(said: LayerResult) -> LayerResult:
    """Turn a block by network policy into unknown: unmodelled objects might allow the flow. An admin Deny stays a block."""
    if said.result is not StepResult.BLOCK or said.step.layer not in POD_NETWORK_LAYERS:
        return said
    step = replace(said.step, result=StepResult.UNKNOWN, reason=because(Code.NOT_MODELLED_MIGHT_ALLOW, reason=said.step.reason))
    return replace(said, step=step, decider=None, outcome="")


def _tokens(question: Question) -> tuple[str, ...]:
    """The kind that decides whether a token is valid, if the request has a token."""
    return ("RequestAuthentication",) if question.jwt is not None else ()


def behind(results: Iterable[LayerResult], *, http: bool) -> list[LayerResult]:
    """Set the outcome that a client sees of a hop behind a proxy: the proxy's 503 or, without HTTP, a closed connection."""
    seen = http_outcome(503) if http else CLOSED
    own = {http_outcome(status) for status in (401, 403)}
    return [replace(o, outcome=seen) if o.result is StepResult.BLOCK and o.outcome not in own else o for o in results]


def _about(attached: Attachment | None) -> list[LayerResult]:
    """The reason why traffic bypasses a waypoint, or what isn't known about the waypoint, as a result."""
    if attached is None:
        return []
    where = f"waypoint {attached.name}"
    if attached.doubt:
        return [layer_result(Layer.WAYPOINT, where, StepResult.UNKNOWN, attached.doubt)]
    return [layer_result(Layer.WAYPOINT, where, StepResult.SKIP, attached.past, assumptions=())] if attached.past else []
