"""From one party to another: straight, or through a waypoint; every layer on the way, in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from meshtui.engine.decision.conclude import conclude
from meshtui.engine.decision.layer_result import Opinion, opinion
from meshtui.engine.endpoints import Parties, Party, Target
from meshtui.engine.matching.http import speaks_http
from meshtui.engine.path.layers import HBONE_PORT, Layers, network_port
from meshtui.engine.path.question import Asked
from meshtui.engine.path.sidecar import Sidecars, Transport
from meshtui.engine.path.waypoint import Attachment, Waypoints
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.unmodelled import Doubts
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import CLOSED, Layer, StepResult, http_outcome
from meshtui.model.workload import MeshMode, Service


class Hops:
    """The ways between the parties of one snapshot."""

    def __init__(self, snapshot: Snapshot, parties: Parties) -> None:
        self._snapshot = snapshot
        self.layers = Layers(snapshot)
        self.doubts = Doubts(snapshot)
        self._sidecars = Sidecars(snapshot)
        self._waypoints = Waypoints(snapshot, parties)

    def ways(self, source: Party, destination: Party, port: int, asked: Asked) -> list[list[Opinion]]:
        """What every layer says, for each way that a connection may take: one, or one for each pod of a waypoint."""
        if asked.protocol != "TCP":
            return [self.straight(source, destination, port, asked)]
        attached = self._waypoints.of(source, destination, asked.service)
        if attached is None or attached.gateway is None or not attached.parties:
            return [self.straight(source, destination, port, asked, attached)]
        return [self._through(source, party, attached, destination, port, asked) for party in attached.parties]

    def has_proxy(self, source: Party, destination: Party, service: Service | None) -> bool:
        """Whether a sidecar stands between two parties, or a label names a waypoint (even one that traffic goes past)."""
        if destination.mode is MeshMode.SIDECAR or (source.mode is MeshMode.SIDECAR and destination.in_ambient):
            return True
        return self._waypoints.of(source, destination, service) is not None

    def network(self, source: Party, destination: Party, port: int, protocol: str = "TCP") -> list[Opinion]:
        """Both ends' network policies, the source's first, on the port that NetworkPolicy sees."""
        opinions: list[Opinion] = []
        for direction, party in ((Direction.EGRESS, source), (Direction.INGRESS, destination)):
            doubts = list(self.doubts.about_network(direction, party))
            said = self.layers.network(direction, source, destination, port, protocol)
            opinions += [*doubts, *(map(_unsure, said) if doubts else said)]
        return opinions

    def straight(
        self, source: Party, destination: Party, port: int, asked: Asked, attached: Attachment | None = None
    ) -> list[Opinion]:
        """Without a waypoint on the way."""
        if asked.protocol == "TCP" and destination.mode is MeshMode.SIDECAR:
            return self._to_sidecar(source, destination, port, asked, attached)
        if asked.protocol == "TCP" and source.mode is MeshMode.SIDECAR and destination.in_ambient:
            return self._from_sidecar(source, destination, port, attached)
        opinions = self.network(source, destination, network_port(source, destination, port, asked.protocol), asked.protocol)
        if asked.protocol == "TCP":
            opinions += self.doubts.about_destination(destination)
            opinions += _about(attached)
            opinions += self.layers.ztunnel(source, destination, port)
        return opinions

    def _from_sidecar(self, source: Party, destination: Party, port: int, attached: Attachment | None) -> list[Opinion]:
        """A sidecar reaches ambient pods through HBONE where its proxy is told to; whether it is can't always be told."""
        known = self._snapshot.mesh.sidecars_send_hbone
        opinions = self.network(source, destination, HBONE_PORT if known else port)
        if not known:
            reason = "whether sidecars use HBONE can't be told from the mesh's configuration (ISTIO_META_ENABLE_HBONE)"
            opinions.append(opinion(Layer.SIDECAR, destination.name, StepResult.UNKNOWN, reason))
        opinions += self.doubts.about_destination(destination)
        opinions += _about(attached)
        return opinions + self.layers.ztunnel(source, destination, port)

    def _to_sidecar(
        self, source: Party, destination: Party, port: int, asked: Asked, attached: Attachment | None
    ) -> list[Opinion]:
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
        doubt = opinion(Layer.SIDECAR, destination.name, StepResult.UNKNOWN, reason)
        return [*(o for o in ways[0] if o.step.layer is not Layer.SIDECAR), doubt]

    def _by_transport(
        self, source: Party, destination: Party, port: int, asked: Asked, attached: Attachment | None, how: Transport
    ) -> list[Opinion]:
        opinions = self.network(source, destination, HBONE_PORT if how.hbone else port)
        opinions += self.doubts.about_proxy(Layer.SIDECAR, "PeerAuthentication", *_tokens(asked))
        opinions += _about(attached)
        said = self._sidecars.opinions(source, destination, port, how, asked)
        return opinions + ([replace(said[0], assumptions=(how.assumption,)), *said[1:]] if how.assumption and said else said)

    def _through(
        self, source: Party, party: Party, attached: Attachment, destination: Party, port: int, asked: Asked
    ) -> list[Opinion]:
        """Two hops, each with its own network policies; the destination sees the waypoint's identity."""
        gateway = attached.gateway
        if gateway is None:
            return []
        opinions = self.network(source, party, HBONE_PORT)
        opinions += self.doubts.about_proxy(Layer.WAYPOINT, *_tokens(asked))
        said = self._waypoints.opinions(gateway, party, source, Target(destination, port), asked)
        if attached.assumption:
            said = [replace(said[0], assumptions=(*said[0].assumptions, attached.assumption)), *said[1:]]
        is_http = speaks_http(asked.service_port) if asked.service_port else None
        second = self.straight(party, destination, port, replace(asked, service=None, service_port=None, jwt=None))
        return [*opinions, *said, *behind(second, http=asked.http is not None if is_http is None else is_http)]


def _unsure(said: Opinion) -> Opinion:
    """What no NetworkPolicy allows, something that isn't modelled might: then it isn't denied for sure (an admin's Deny is)."""
    if said.result is not StepResult.BLOCK or said.step.layer not in {Layer.EGRESS_POLICY, Layer.INGRESS_POLICY}:
        return said
    step = replace(said.step, result=StepResult.UNKNOWN, reason=f"{said.step.reason}; what isn't modelled might")
    return replace(said, step=step, decider=None, outcome="")


def _tokens(asked: Asked) -> tuple[str, ...]:
    """The kind that says which tokens are good, where a request carries one."""
    return ("RequestAuthentication",) if asked.jwt is not None else ()


def behind(opinions: Iterable[Opinion], *, http: bool) -> list[Opinion]:
    """What a client sees of a hop behind a proxy: the proxy's 503, or, without HTTP, a closed connection."""
    seen = http_outcome(503) if http else CLOSED
    own = {http_outcome(status) for status in (401, 403)}
    return [replace(o, outcome=seen) if o.result is StepResult.BLOCK and o.outcome not in own else o for o in opinions]


def _about(attached: Attachment | None) -> list[Opinion]:
    """Why traffic goes past a waypoint, or what isn't known about it."""
    if attached is None:
        return []
    where = f"waypoint {attached.name}"
    if attached.doubt:
        return [opinion(Layer.WAYPOINT, where, StepResult.UNKNOWN, attached.doubt)]
    return [opinion(Layer.WAYPOINT, where, StepResult.SKIP, attached.past, assumptions=())] if attached.past else []
