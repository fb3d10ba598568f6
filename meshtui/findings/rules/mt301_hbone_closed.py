"""MT301: a NetworkPolicy opens application ports, but not the port that the mesh uses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.classes.index import Bits
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.netrules import Written, opened, peers_of, permitted, through_tunnel, written_rules
from meshtui.findings.own import Closed, field_of, tunnel_closed
from meshtui.findings.own_fixes import tunnel_fix
from meshtui.findings.pods import is_ambient
from meshtui.model.constants import HBONE_PORT, NETWORK_LAYERS
from meshtui.model.finding import Edit, Fix, Operation, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import NetworkPolicy
from meshtui.model.verdict import Decision


@dataclass(slots=True)
class _Closed:
    """The flows that one policy closes in one direction."""

    policy: NetworkPolicy
    direction: Direction
    rules: list[int] = field(default_factory=list)
    flows: list[tuple[PodClass, PodClass, int]] = field(default_factory=list)


def _look(context: Context) -> Iterator[Found]:
    """Rules that name an application's port between ambient pods, for which no rule of any policy opens 15008."""
    closed: dict[tuple[ObjectRef, Direction], _Closed] = {}
    known: dict[tuple[int, Direction], Bits] = {}
    for written in written_rules(context):
        if any(p.port is None and p.protocol == "TCP" for p in written.rule.ports) or not written.rule.ports:
            continue
        flows = list(_closed_flows(context, written, known))
        if flows:
            key = (written.policy.meta.ref, written.direction)
            entry = closed.setdefault(key, _Closed(written.policy, written.direction))
            entry.rules.append(written.index)
            entry.flows += flows
    for entry in closed.values():
        denied = [flow for flow in entry.flows if _denied(context, flow)]
        yield _found(entry, denied, context.count(denied), context)
    yield from _of_own(context)


def _of_own(context: Context) -> Iterator[Found]:
    """The same of policies of the CNI's own kinds."""
    closed: dict[tuple[ObjectRef, Direction], list[Closed]] = defaultdict(list)
    for each in context.once(tunnel_closed):
        closed[each.decider.ref, each.direction].append(each)
    for (ref, direction), several in sorted(closed.items(), key=lambda item: (item[0][0], item[0][1].value)):
        places = ", ".join(dict.fromkeys(each.decider.rule or "" for each in several))
        denied = [each.flow for each in several if _denied(context, each.flow)]
        flows = context.count(denied)
        head = f"{ref} opens ports for {direction.value}, but not HBONE ({HBONE_PORT}): {places}"
        fix = tunnel_fix(context, (each.decider for each in several))
        severity, field_ = None if flows else Severity.WARNING, field_of(several[0].decider)
        yield Found((ref,), head, _why(context, denied, flows), severity, flows, fix, field=field_)


def _closed_flows(
    context: Context, written: Written, known: dict[tuple[int, Direction], Bits]
) -> Iterator[tuple[PodClass, PodClass, int]]:
    """The flows that a rule means to open, and that stay closed because the tunnel's port is closed."""
    namespace, direction = written.policy.meta.namespace, written.direction
    peers = peers_of(context, written.rule, namespace)
    for subject in context.of(context.selected(namespace, written.policy.pod_selector)):
        if not is_ambient(subject) or not subject.pods:
            continue
        key = (subject.number, direction)
        if key not in known:
            known[key] = permitted(context, subject, direction, HBONE_PORT)
        for peer in context.of(peers & ~known[key]):
            source, target = (subject, peer) if direction is Direction.EGRESS else (peer, subject)
            if peer.pods and through_tunnel(source, target):
                yield from ((source, target, port) for port in opened(context, written.rule, target))


def _denied(context: Context, flow: tuple[PodClass, PodClass, int]) -> bool:
    source, target, port = flow
    if source is target and len(source.pods) == 1:
        return False  # A pod always reaches itself
    decided = context.decided(source, target, port)
    return decided.decision is Decision.DENY and decided.ruling.layer in NETWORK_LAYERS


def _found(entry: _Closed, denied: list[tuple[PodClass, PodClass, int]], flows: int, context: Context) -> Found:
    ref, direction = entry.policy.meta.ref, entry.direction.value
    places = ", ".join(f"{direction}[{index}]" for index in entry.rules)
    why = _why(context, denied, flows)
    value = {"protocol": "TCP", "port": HBONE_PORT}
    operations = tuple(Operation("add", ("spec", direction, index, "ports", "-"), value) for index in entry.rules)
    return Found(
        (ref,),
        f"{ref} opens ports for {direction}, but not HBONE ({HBONE_PORT}): {places}",
        why,
        None if flows else Severity.WARNING,
        flows,
        Fix(f"open {HBONE_PORT} in {places}", (Edit(ref, operations),)),
        field=f"spec.{direction}[{entry.rules[0]}]",
    )


def _why(context: Context, denied: list[tuple[PodClass, PodClass, int]], flows: int) -> str:
    why = "between ambient pods every connection runs through that port: those it means to allow time out"
    if denied:
        source, target, port = denied[0]
        names = f"{context.owners_of([source])[0]} → {context.owners_of([target])[0]}:{port}"
        why += f" ({names}{f' and {flows - 1} more' if flows > 1 else ''})"
    return why


RULE = Rule("MT301", "HBONE closed", Severity.ERROR, _look, ("NetworkPolicy",), partial=True, breaks=True)
