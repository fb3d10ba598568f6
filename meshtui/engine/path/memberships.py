"""Verdicts where it isn't known whether an end is in the mesh: known where all possibilities agree, else unknown."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from itertools import product

from meshtui.engine.decision.conclude import conclude
from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.endpoints import Endpoint, Target
from meshtui.model.reason import Code, Reason, because
from meshtui.model.verdict import UNKNOWN, Decision, Layer, StepResult, Verdict
from meshtui.model.workload import MeshMode

Ways = list[list[LayerResult]]
Judged = tuple[Endpoint, Target, Verdict]
"""A source, a destination, and the verdict on them."""


def whichever(source: Endpoint, destination: Endpoint, judge: Callable[[Endpoint, Endpoint], Ways], *, routed: bool) -> Ways:
    """The ways between two ends, in whatever modes they are: those of the first possibility if all give one decision.

    If not, the verdict is unknown as soon as two differ: its reason names the possibilities that were tried.
    ``routed``: whether sidecars may route by VirtualServices.
    """
    unsure = [end for end in (source, destination) if end.membership is not None]
    if not unsure:
        return judge(source, destination)
    names = tuple(end.name for end in unsure)
    found = [end.membership for end in unsure if end.membership is not None]
    why = tuple(each.why for each in found if each.why is not None)
    if not all(each.evaluable for each in found):
        return [[_unknown(destination.name, names, why)]]
    first: Ways = []
    modes: dict[tuple[MeshMode, ...], Decision] = {}
    outcomes: set[frozenset[str]] = set()
    for pair in product(source.possible(), destination.possible()):
        if _is_redundant(source, *pair) and not routed:
            continue
        ways = judge(*pair)
        first = first or ways
        decision, seen = _decided(ways)
        modes[tuple(one.mode for one, end in zip(pair, (source, destination), strict=True) if end.membership)] = decision
        outcomes.add(seen)
        if decision is Decision.MIXED or len(set(modes.values())) > 1:
            said = tuple((several, decision.value) for several, decision in modes.items())
            return [[_unknown(destination.name, names, why, said)]]
    assumption = because(Code.MEMBERSHIP_MAKES_NO_DIFFERENCE, pods=names, why=why)
    return [_assuming(way, assumption, same=len(outcomes) == 1) for way in first]


def whoever(source: Endpoint, judge: Callable[[Endpoint], list[Judged]]) -> list[Judged]:
    """The verdicts for a source that leaves the cluster, in whatever mode it is: of the first if all give one decision."""
    if source.membership is None:
        return judge(source)
    membership = source.membership
    found = [(one.mode, judge(one)) for one in source.possible()]
    decided = [(mode, {verdict.decision for _, _, verdict in judged}) for mode, judged in found]
    first = found[0][1]
    names, why = (source.name,), (membership.why,) if membership.why else ()
    if membership.evaluable and len(decided[0][1]) == 1 and all(decisions == decided[0][1] for _, decisions in decided):
        assumption = because(Code.MEMBERSHIP_MAKES_NO_DIFFERENCE, pods=names, why=why)
        return [(s, t, replace(verdict, assumptions=(*verdict.assumptions, assumption))) for s, t, verdict in first]
    ways = tuple(((mode,), _in_words(decisions)) for mode, decisions in decided) if membership.evaluable else ()
    verdict = conclude([_unknown(source.name, names, why, ways)])
    return [(s, t, verdict) for s, t, _ in first]


def _in_words(decisions: set[Decision]) -> str:
    return next(iter(decisions)).value if len(decisions) == 1 else Decision.MIXED.value


def _unknown(where: str, names: tuple[str, ...], why: tuple[Reason, ...], ways: tuple[Hashable, ...] = ()) -> LayerResult:
    reason = because(Code.MEMBERSHIP_NOT_KNOWN, pods=names, why=why, ways=ways)
    return layer_result(Layer.ZTUNNEL, where, StepResult.UNKNOWN, reason)


def _is_redundant(source: Endpoint, one: Endpoint, other: Endpoint) -> bool:
    """Whether a possibility can't give another decision than those of its source outside the mesh and in ambient mode.

    To pods without a sidecar, a sidecar speaks plaintext like a pod outside the mesh, or HBONE like one in ambient mode.
    """
    others = source.membership.modes if source.membership else ()
    beside = {MeshMode.NONE, MeshMode.AMBIENT} <= set(others)
    return beside and one.mode is MeshMode.SIDECAR and other.mode is not MeshMode.SIDECAR


def _decided(ways: Iterable[list[LayerResult]]) -> tuple[Decision, frozenset[str]]:
    """The decision of all ways, mixed if they differ, and the outcomes that a client sees."""
    verdicts = [conclude(way) for way in ways]
    decisions = {verdict.decision for verdict in verdicts}
    return (decisions.pop() if len(decisions) == 1 else Decision.MIXED), frozenset(verdict.outcome for verdict in verdicts)


def _assuming(way: list[LayerResult], assumption: Reason, *, same: bool) -> list[LayerResult]:
    """A way whose verdict holds whatever the modes are; unless ``same``, what the client sees of a denial isn't known."""
    if not way:
        return way
    results = way if same else [replace(o, outcome=UNKNOWN) if o.result is StepResult.BLOCK else o for o in way]
    return [*results[:-1], replace(results[-1], assumptions=(*results[-1].assumptions, assumption))]
