"""MT310: a NetworkPolicy names a port that no container has."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.policy.admin import subject_selects
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.netrules import admin_rules, peers_of, written_rules
from meshtui.findings.own import field_of
from meshtui.model.finding import Severity
from meshtui.model.verdict import Decider


def _look(context: Context) -> Iterator[Found]:
    """Port names are those of the destination's containers (NetworkPolicy, reference); rules that match no pod are skipped."""
    for written in written_rules(context):
        names = [entry for entry in written.rule.ports if isinstance(entry.port, str)]
        if not names:
            continue
        policy = written.policy
        if written.direction is Direction.INGRESS:
            targets = context.selected(policy.meta.namespace, policy.pod_selector)
        else:
            targets = peers_of(context, written.rule, policy.meta.namespace)
        ports = [port for member in context.of(targets) for port in member.ports]
        for entry in names:
            if targets and not any((p.name, p.protocol) == (entry.port, entry.protocol) for p in ports):
                yield Found(
                    (policy.meta.ref,),
                    f"{policy.meta.ref} {written.place} names port {entry.port}/{entry.protocol}, which no container has",
                    "the port is open for nobody",
                    field=f"spec.{written.place}",
                )
    yield from _of_admin(context)
    yield from _of_own(context)


def _of_admin(context: Context) -> Iterator[Found]:
    """The same of admin policies, whose named ports have no protocol."""
    for policy, direction, index, rule in admin_rules(context):
        subjects = (policy.subject,) if direction is Direction.INGRESS else rule.peers
        pods = [m for m in context.classes if m.pods and any(subject_selects(s, m.endpoint) is not False for s in subjects)]
        having = {port.name for member in pods for pod in member.pods.values() for port in pod.ports}
        for name in dict.fromkeys(entry.named for entry in rule.ports or () if entry.named):
            if pods and name not in having:
                place, ref = f"{direction.value}[{index}]", policy.meta.ref
                message = f"{ref} {place} names port {name}, which no container has"
                yield Found((ref,), message, "the rule is about nobody's port", field=f"spec.{place}")


def _of_own(context: Context) -> Iterator[Found]:
    """The same of policies of the CNI's own kinds."""
    policies = context.own.policies.values() if context.own is not None else ()
    for policy in sorted(policies, key=lambda policy: policy.ref):
        missing: dict[tuple[str, str], None] = {}
        for direction, rule in ((direction, rule) for direction, several in policy.rules.items() for rule in several):
            entries = [entry for entry in rule.ports.entries or () if entry.name]
            if not entries or rule.decider is None or rule.doubt is not None:
                continue
            surely, may = (policy.subject if direction is Direction.INGRESS else rule.peers).classes(context.index)
            having = {(port.name, port.protocol) for member in context.of(surely | may) for port in member.ports}
            if surely:
                unknown = {entry.name for entry in entries} - {name for name, _ in having}
                missing |= {(rule.decider.rule or "", name): None for name in sorted(unknown)}
        for place, name in missing:
            message = f"{policy.ref} {place} names port {name}, which no container has"
            yield Found((policy.ref,), message, "the port is open for nobody", field=field_of(Decider(policy.ref, place)))


RULE = Rule("MT310", "unknown port name", Severity.WARNING, _look, ("Pod", "NetworkPolicy"))
