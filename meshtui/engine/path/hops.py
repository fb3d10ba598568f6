"""From one endpoint to another: straight, or through a waypoint; every layer on the way, in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from meshtui.engine.decision.conclude import conclude
from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.endpoints import Endpoint, Endpoints, Target
from meshtui.engine.matching.http import speaks_http
from meshtui.engine.path.layers import HBONE_PORT, Layers, network_port
from meshtui.engine.path.question import Asked
from meshtui.engine.path.sidecar import Sidecars, Transport
from meshtui.engine.path.waypoint import Attachment, Waypoints
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.unmodelled import Unmodelled
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import CLOSED, Layer, StepResult, http_outcome
from meshtui.model.workload import MeshMode, Service


class Hops:
    """The ways between the endpoints of one snapshot."""

    def __init__(self, snapshot: Snapshot, endpoints: Endpoints) -> None:
        self._snapshot = snapshot
        self.layers = Layers(snapshot)
        self.doubts = Unmodelled(snapshot)
        self._sidecars = Sidecars(snapshot)
        self._waypoints = Waypoints(snapshot, endpoints)

    def ways(self, source: Endpoint, destination: Endpoint, port: int, asked: Asked) -> list[list[LayerResult]]:
        """What every layer says, for each way that a connection may take: one, or one for each pod of a waypoint."""
        if asked.protocol != "TCP":
            return [self.straight(source, destination, port, asked)]
        attached = self._waypoints.of(source, destination, asked.service)
        if attached is None or attached.gateway is None or not attached.endpoints:
            return [self.straight(source, destination, port, asked, attached)]
        return [self._through(source, endpoint, attached, destination, port, asked) for endpoint in attached.endpoints]

    def has_proxy(self, source: Endpoint, destination: Endpoint, service: Service | None) -> bool:
        """Whether a sidecar stands between two endpoints, or a label names a waypoint (even one that traffic goes past)."""
        if destination.mode is MeshMode.SIDECAR or (source.mode is MeshMode.SIDECAR and destination.in_ambient):
            return True
        return self._waypoints.of(source, destination, service) is not None

    def network(self, source: Endpoint, destination: Endpoint, port: int, protocol: str = "TCP") -> list[LayerResult]:
        """Both ends' network policies, the source's first, on the port that NetworkPolicy sees."""
        results: list[LayerResult] = []
        for direction, endpoint in ((Direction.EGRESS, source), (Direction.INGRESS, destination)):
            doubts = list(self.doubts.about_network(direction, endpoint))
            said = self.layers.network(direction, source, destination, port, protocol)
            results += [*doubts, *(map(_unsure, said) if doubts else said)]
        return results

    def straight(
        self, source: Endpoint, destination: Endpoint, port: int, asked: Asked, attached: Attachment | None = None
    ) -> list[LayerResult]:
        """Without a waypoint on the way."""
        if asked.protocol == "TCP" and destination.mode is MeshMode.SIDECAR:
            return self._to_sidecar(source, destination, port, asked, attached)
        if asked.protocol == "TCP" and source.mode is MeshMode.SIDECAR and destination.in_ambient:
            return self._from_sidecar(source, destination, port, attached)
        results = self.network(source, destination, network_port(source, destination, port, asked.protocol), asked.protocol)
        if asked.protocol == "TCP":
            results += self.doubts.about_destination(destination)
            results += _about(attached)
            results += self.layers.ztunnel(source, destination, port)
        return results

    def _from_sidecar(self, source: Endpoint, destination: Endpoint, port: int, attached: Attachment | None) -> list[LayerResult]:
        """A sidecar reaches ambient pods through HBONE where its proxy is told to; whether it is can't always be told."""
        known = self._snapshot.mesh.sidecars_send_hbone
        results = self.network(source, destination, HBONE_PORT if known else port)
        if not known:
            reason = "whether sidecars use HBONE can't be told from the mesh's configuration (ISTIO_META_ENABLE_HBONE)"
            results.append(layer_result(Layer.SIDECAR, destination.name, StepResult.UNKNOWN, reason))
        results += self.doubts.about_destination(destination)
        results += _about(attached)
        return results + self.layers.ztunnel(source, destination, port)

    def _to_sidecar(
        self, source: Endpoint, destination: Endpoint, port: int, asked: Asked, attached: Attachment | None
    ) -> list[LayerResult]:
        """To a pod with a sidecar: where manifests don't tell how it is reached, both ways must say the same."""
        ways = [
            self._by_transport(source, destination, port, asked, attached, how)
            for how in self._sidecars.transports(source, destination, port)
        ]
        decided = [conclude(way) for way in ways]
        if len({(v.decision, v.outcome, v.decided_by) for v in decided}) == 1:
            return ways[0]
        if len({(v.decision, v.outcome) for v in decided}) == 1 and ways[0]:
            by = " or ".join(str(v.decided_by.ref) if v.decided_by else "nothing" for v in decided)
            assumption = f"whether {destination.name} takes HBONE can't be told; either way it is the same, decided by {by}"
            return [*ways[0][:-1], replace(ways[0][-1], assumptions=(*ways[0][-1].assumptions, assumption))]
        plain, tunnel = (verdict.reason or "it passes" for verdict in decided)
        reason = f"whether {destination.name} takes HBONE can't be told: in plaintext {plain}; through the tunnel {tunnel}"
        doubt = layer_result(Layer.SIDECAR, destination.name, StepResult.UNKNOWN, reason)
        return [*(o for o in ways[0] if o.step.layer is not Layer.SIDECAR), doubt]

    def _by_transport(
        self, source: Endpoint, destination: Endpoint, port: int, asked: Asked, attached: Attachment | None, how: Transport
    ) -> list[LayerResult]:
        results = self.network(source, destination, HBONE_PORT if how.hbone else port)
        results += self.doubts.about_proxy(Layer.SIDECAR, "PeerAuthentication", *_tokens(asked))
        results += _about(attached)
        said = self._sidecars.results(source, destination, port, how, asked)
        return results + ([replace(said[0], assumptions=(how.assumption,)), *said[1:]] if how.assumption and said else said)

    def _through(
        self, source: Endpoint, endpoint: Endpoint, attached: Attachment, destination: Endpoint, port: int, asked: Asked
    ) -> list[LayerResult]:
        """Two hops, each with its own network policies; the destination sees the waypoint's identity."""
        gateway = attached.gateway
        if gateway is None:
            return []
        results = self.network(source, endpoint, HBONE_PORT)
        results += self.doubts.about_proxy(Layer.WAYPOINT, *_tokens(asked))
        said = self._waypoints.results(gateway, endpoint, source, Target(destination, port), asked)
        if attached.assumption:
            said = [replace(said[0], assumptions=(*said[0].assumptions, attached.assumption)), *said[1:]]
        is_http = speaks_http(asked.service_port) if asked.service_port else None
        second = self.straight(endpoint, destination, port, replace(asked, service=None, service_port=None, jwt=None))
        return [*results, *said, *behind(second, http=asked.http is not None if is_http is None else is_http)]


def _unsure(said: LayerResult) -> LayerResult:
    """What no NetworkPolicy allows, something that isn't modelled might: then it isn't denied for sure (an admin's Deny is)."""
    if said.result is not StepResult.BLOCK or said.step.layer not in {Layer.EGRESS_POLICY, Layer.INGRESS_POLICY}:
        return said
    step = replace(said.step, result=StepResult.UNKNOWN, reason=f"{said.step.reason}; what isn't modelled might")
    return replace(said, step=step, decider=None, outcome="")


def _tokens(asked: Asked) -> tuple[str, ...]:
    """The kind that says which tokens are good, where a request carries one."""
    return ("RequestAuthentication",) if asked.jwt is not None else ()


def behind(results: Iterable[LayerResult], *, http: bool) -> list[LayerResult]:
    """What a client sees of a hop behind a proxy: the proxy's 503, or, without HTTP, a closed connection."""
    seen = http_outcome(503) if http else CLOSED
    own = {http_outcome(status) for status in (401, 403)}
    return [replace(o, outcome=seen) if o.result is StepResult.BLOCK and o.outcome not in own else o for o in results]


def _about(attached: Attachment | None) -> list[LayerResult]:
    """Why traffic goes past a waypoint, or what isn't known about it."""
    if attached is None:
        return []
    where = f"waypoint {attached.name}"
    if attached.doubt:
        return [layer_result(Layer.WAYPOINT, where, StepResult.UNKNOWN, attached.doubt)]
    return [layer_result(Layer.WAYPOINT, where, StepResult.SKIP, attached.past, assumptions=())] if attached.past else []
