"""MT314: a NetworkPolicy, or rules of it, that others cover wholly."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.redundant import Redundant, redundant
from meshtui.model.finding import Edit, Fix, Operation, Severity

_MOST = 2


def _look(context: Context) -> Iterator[Found]:
    """Policies that select no pod are MT308's. One finding for each policy."""
    snapshot = context.snapshot
    for each in redundant(snapshot.network_policies.values(), snapshot.namespace_by_name, snapshot.cni):
        policy = each.policy
        if context.selected(policy.meta.namespace, policy.pod_selector):
            yield _found(each)


def _found(each: Redundant) -> Found:
    ref = each.policy.meta.ref
    places = ", ".join(f"{direction.value}[{index}]" for direction, index in each.places)
    by = ", ".join(each.by[:_MOST]) + (f" and {len(each.by) - _MOST} more" if len(each.by) > _MOST else "")
    what = f"{ref} {places} {'is' if len(each.places) == 1 else 'are'}" if places else f"{ref} is"
    return Found(
        (ref,),
        f"{what} redundant: {by} cover{'s' if len(each.by) == 1 else ''} it",
        "no flow changes without it, and none changes while the others stand: who edits it to close something closes nothing",
        fix=_fix(each),
        field=f"spec.{each.places[0][0].value}[{each.places[0][1]}]" if len(each.places) == 1 else "",
    )


def _fix(each: Redundant) -> Fix | None:
    """Remove the rules; None where none would be left in a direction, which may end the isolation."""
    policy = each.policy
    rules = {Direction.INGRESS: policy.ingress or (), Direction.EGRESS: policy.egress or ()}
    left = all(len(rules[direction]) > sum(other is direction for other, _ in each.places) for direction, _ in each.places)
    if not each.places or not left:
        return None
    last_first = sorted(each.places, key=lambda place: (place[0].value, -place[1]))
    operations = tuple(Operation("remove", ("spec", direction.value, index)) for direction, index in last_first)
    return Fix(f"remove {', '.join(f'{d.value}[{i}]' for d, i in each.places)}", (Edit(policy.meta.ref, operations),))


RULE = Rule("MT314", "redundant rule", Severity.INFO, _look, ("NetworkPolicy",), partial=True)
