"""What the steps of a verdict are about: a side of a connection, the ports that are compared, the objects to name."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from meshtui.model.constants import NETWORK_LAYERS
from meshtui.model.ids import ObjectRef
from meshtui.model.reason import Code, PortSeen, Reason
from meshtui.model.verdict import Decision, Layer, Step, StepResult, Verdict

MOST_REFS = 3
"""How many objects a station names at most."""
_BY_NONE = frozenset({Code.NO_NETWORK_RULE_ALLOWS, Code.NO_RULE_ALLOWS, Code.OWN_TIER_END})
"""The reasons with which several objects together decide: none of them has a rule that allows."""
_EGRESS, _INGRESS = "CNI, egress of ", "CNI, ingress to "
"""How the engine says where a network policy is enforced, before the name of the pod."""


def side_of(step: Step, later: Sequence[Step], earlier: Sequence[Step]) -> tuple[bool, str]:
    """Whether a step of network policy is about egress, and of which pod; a doubt stands before the step that it is about."""
    for each in (step, *_near(later), *reversed(list(_near(earlier, last=True)))):
        if each.where.startswith(_EGRESS):
            return True, each.where.removeprefix(_EGRESS)
        if each.where.startswith(_INGRESS):
            return False, each.where.removeprefix(_INGRESS)
        if each is step and step.layer in {Layer.EGRESS_POLICY, Layer.INGRESS_POLICY}:
            egress = step.layer is Layer.EGRESS_POLICY
            start = _EGRESS if egress else _INGRESS
            named = (one.where.removeprefix(start) for one in (*later, *earlier) if one.where.startswith(start))
            return egress, next(named, "")
    return step.layer is Layer.EGRESS_POLICY, ""


def _near(steps: Sequence[Step], *, last: bool = False) -> Iterator[Step]:
    """The steps of network policy at the beginning of some steps, or at their end."""
    found = []
    for step in reversed(steps) if last else steps:
        if step.layer not in NETWORK_LAYERS:
            break
        found.append(step)
    return iter(reversed(found) if last else found)


def reasons_within(value: Hashable) -> Iterator[Reason]:
    """The reasons within a reason."""
    if isinstance(value, Reason):
        for _, each in value.fields:
            if isinstance(each, Reason):
                yield each
            yield from reasons_within(each)
    elif isinstance(value, tuple):
        for each in value:
            if isinstance(each, Reason):
                yield each
            yield from reasons_within(each)


def is_undecided(verdict: Verdict) -> bool:
    """Whether a verdict is unknown although none of its steps is: its notes say why, such as that two IP families differ."""
    return verdict.decision is Decision.UNKNOWN and all(step.result is not StepResult.UNKNOWN for step in verdict.steps)


def ports_seen(step: Step) -> Iterator[PortSeen]:
    """The ports that a step of network policy compares."""
    if step.hop is not None:
        yield PortSeen(step.hop.protocol, step.hop.port)
    for reason in (step.reason, *reasons_within(step.reason)):
        yield from (each for _, each in reason.fields if isinstance(each, PortSeen))


def refs_of(step: Step, verdict: Verdict, *, several: bool) -> tuple[ObjectRef, ...]:
    """The objects to name: the deciding one; where the line breaks because no rule of several allows, also the others."""
    refs = list(dict.fromkeys(decider.ref for decider in step.objects))
    by = verdict.decided_by
    if step.result is StepResult.BLOCK and by is not None and by.ref in refs:
        refs = [by.ref, *(ref for ref in refs if ref != by.ref)]
    return tuple(refs[: MOST_REFS if several and step.reason.code in _BY_NONE else 1])
