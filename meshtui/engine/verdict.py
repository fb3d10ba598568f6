"""The judgement of a flow: every layer's opinion in order; the first that blocks decides, the others are still reported."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from meshtui.engine.ambient import Layers, network_port
from meshtui.engine.doubt import Doubts
from meshtui.engine.layer import Opinion
from meshtui.engine.networkpolicy import Direction
from meshtui.engine.party import Parties, Party
from meshtui.engine.resolve import Resolver, Target
from meshtui.model.flow import Flow
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import CONNECTED, UNKNOWN, Decision, Layer, PairVerdict, StepResult, Verdict
from meshtui.model.workload import Service

_HOST_NETWORK = "{} is on the host network: judged as if the CNI told its traffic from its node's"


class Engine:
    """Judges flows on one snapshot. Pure: the same snapshot and flow always give the same verdict."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._parties = Parties(snapshot)
        self._layers = Layers(snapshot)
        self._doubts = Doubts(snapshot)
        self.resolver = Resolver(snapshot, self._parties)

    def judge(self, flow: Flow) -> Verdict:
        """The verdict on a flow between whatever its ends stand for.

        Raises UsageError when an end or a port can't be found in the snapshot.
        """
        resolved = self.resolver.resolve(flow)
        if not resolved.targets:
            return Verdict(Decision.UNKNOWN, UNKNOWN, Layer.NONE, notes=resolved.notes)
        pairs = [
            (source, target, self._pair(source, target, flow.protocol, resolved.service))
            for source, target in product(resolved.sources, resolved.targets)
        ]
        return _together(pairs)

    def _pair(self, source: Party, target: Target, protocol: str, service: Service | None) -> Verdict:
        destination, port = target.party, target.port
        if source.pod is not None and source.pod is destination.pod:
            return Verdict(Decision.ALLOW, CONNECTED, Layer.NONE, notes=("a pod always reaches itself",))
        seen = network_port(source, destination, port, protocol)
        opinions: list[Opinion] = []
        for direction, party in ((Direction.EGRESS, source), (Direction.INGRESS, destination)):
            opinions += self._doubts.about_network(direction, party)
            opinions += self._layers.network(direction, source, destination, seen, protocol)
        if protocol == "TCP":
            opinions += self._doubts.about_mesh(source, destination, service)
            opinions += self._layers.ztunnel(source, destination, port)
        on_host = [party for party in (source, destination) if party.pod is not None and party.pod.host_network]
        return _verdict(opinions, tuple(_HOST_NETWORK.format(party.name) for party in on_host))


def _verdict(opinions: list[Opinion], assumed: tuple[str, ...] = ()) -> Verdict:
    """The first block decides; without one, doubt makes it unknown; else the last object that allows is named."""
    steps = tuple(o.step for o in opinions)
    assumptions = tuple(dict.fromkeys((*assumed, *(a for o in opinions for a in o.assumptions))))
    blocking = next((o for o in opinions if o.result is StepResult.BLOCK), None)
    if blocking is not None:
        decision, outcome, layer = Decision.DENY, blocking.outcome, blocking.step.layer
        return Verdict(decision, outcome, layer, blocking.decider, steps, assumptions)
    doubtful = next((o for o in opinions if o.result is StepResult.UNKNOWN), None)
    if doubtful is not None:
        return Verdict(Decision.UNKNOWN, UNKNOWN, doubtful.step.layer, doubtful.decider, steps, assumptions)
    allowing = next((o for o in reversed(opinions) if o.decider is not None and o.result is StepResult.PASS), None)
    if allowing is not None:
        return Verdict(Decision.ALLOW, CONNECTED, allowing.step.layer, allowing.decider, steps, assumptions)
    notes = ("no policy selects either end",) if not any(s.objects for s in steps) else ()
    return Verdict(Decision.ALLOW, CONNECTED, Layer.NONE, None, steps, assumptions, notes)


def _together(pairs: list[tuple[Party, Target, Verdict]]) -> Verdict:
    """One verdict for many pairs: theirs when all agree, else mixed, with each pair's own; by name, not in pod order."""
    pairs = sorted(pairs, key=lambda pair: (pair[0].name, pair[1].party.name, pair[1].port))
    verdicts = [verdict for _, _, verdict in pairs]
    first = verdicts[0]
    decisions = {verdict.decision for verdict in verdicts}
    if decisions == {first.decision}:
        deciders = {verdict.decided_by for verdict in verdicts}
        return first if len(deciders) == 1 else _least(verdicts)
    if Decision.UNKNOWN in decisions:
        return next(verdict for verdict in verdicts if verdict.decision is Decision.UNKNOWN)
    blocked = next(verdict for verdict in verdicts if verdict.decision is Decision.DENY)
    shown = tuple(PairVerdict(source.name, target.party.name, verdict) for source, target, verdict in pairs)
    assumptions = tuple(dict.fromkeys(a for verdict in verdicts for a in verdict.assumptions))
    return Verdict(Decision.MIXED, UNKNOWN, blocked.layer, blocked.decided_by, blocked.steps, assumptions, pairs=shown)


def _least(verdicts: Iterable[Verdict]) -> Verdict:
    """Of verdicts that agree but name different objects, the first by name: the answer doesn't depend on pod order."""
    return min(verdicts, key=lambda v: (v.decided_by is None, str(v.decided_by and v.decided_by.ref), str(v.decided_by)))
