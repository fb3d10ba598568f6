"""MT304: ingress policy blocks a flow that its source may send, or that is configured."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.netrules import main_policy, opened, particular, written_rules
from meshtui.findings.own import by_own
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decision, Layer


def _look(context: Context) -> Iterator[Found]:
    """Egress rules that name peers by labels, and configured calls. No fix is proposed: the destination's owner decides."""
    closed: dict[tuple[ObjectRef, str, ObjectRef], tuple[str, list[tuple[PodClass, PodClass, int]]]] = {}
    for source, target, port, words in dict.fromkeys(_meant(context)):
        decided = context.decided(source, target, port)
        if decided.decision is not Decision.DENY or decided.ruling.layer is not Layer.INGRESS_POLICY:
            continue
        by = by_own(context, decided.ruling.decider, (source, target, port))
        if by is not None:
            for owner in context.owners(source):
                closed.setdefault((by.ref, by.rule or "", owner), (words, []))[1].append((source, target, port))
            continue
        policy = main_policy(context, target, Direction.INGRESS)
        if policy is None:
            continue
        opens = context.network.permit(Direction.INGRESS, target.endpoint, source.endpoint, port, "TCP", target.endpoint)
        if opens.policy is not None:
            continue  # The app's port is open, and HBONE's isn't: MT301
        for owner in context.owners(source):
            closed.setdefault((policy.meta.ref, "", owner), (words, []))[1].append((source, target, port))
    for (ref, rule, caller), (words, flows) in sorted(closed.items(), key=lambda item: item[0]):
        called = context.owners_of([flows[0][1]])[0]
        yield Found(
            (ref, called, caller),
            f"{ref} {f'{rule} denies' if rule else 'has no ingress rule for'} {caller} on {flows[0][2]}",
            f"{words} means it to call {called}: the connection times out",
            Severity.WARNING if words.startswith("NetworkPolicy ") else None,
            context.count(flows),
            affected=frozenset({caller}),
        )


def _meant(context: Context) -> Iterator[tuple[PodClass, PodClass, int, str]]:
    for call in context.calls:
        source = context.matrix.class_of(call.source.key)
        for pod, port in call.targets:
            target = context.matrix.class_of(pod.key)
            if source is not None and target is not None:
                yield source, target, port, f"{call.said_by} {call.words}"
    for written in written_rules(context):
        named = particular(written.rule.peers)
        if written.direction is not Direction.EGRESS or not named:
            continue
        namespace = written.policy.meta.namespace
        sources = [m for m in context.of(context.selected(namespace, written.policy.pod_selector)) if m.pods]
        for target in context.of(context.peers(named, namespace)) if sources else ():
            for port in opened(context, written.rule, target) if target.pods else ():
                yield from ((source, target, port, f"{written.policy.meta.ref} {written.place}") for source in sources)


RULE = Rule("MT304", "ingress missing", Severity.ERROR, _look, ("NetworkPolicy",), partial=True, breaks=True)
