"""MT308: a NetworkPolicy, or another policy of the network, that selects no pod."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.explain.own_rules import selected_in_words
from meshtui.engine.matching.selectors import describe, matches
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.unseen import made_by_operator, made_for_gateway, unseen
from meshtui.model.finding import Severity
from meshtui.model.policy import AdminPolicy, ForeignPolicy


def _look(context: Context) -> Iterator[Found]:
    """Pods that a controller will create count; a namespace without any pod isn't evaluated."""
    for policy in sorted(context.snapshot.network_policies.values(), key=lambda p: p.meta.ref):
        ref, selector = policy.meta.ref, policy.pod_selector
        if ref.namespace not in context.namespaces_with_pods or context.selected(ref.namespace, selector):
            continue
        coming = (c for c in context.makers if c.meta.namespace == ref.namespace)
        if made_by_operator(context.snapshot, [ref.namespace], selector):
            continue
        if made_for_gateway(context.snapshot, [ref.namespace], selector):
            continue
        if not any(matches(selector, c.template.labels) for c in coming):
            missing = unseen(context.snapshot, [ref.namespace])
            why = "whom it should isolate isn't, and is open to all"
            what, severity = f"{ref} selects no pod: {describe(selector)}{missing}", Severity.INFO if missing else None
            yield Found((ref,), what, why, severity, field="" if selector.is_empty else "spec.podSelector")
    yield from _of_other_kinds(context)


def _of_other_kinds(context: Context) -> Iterator[Found]:
    """Admin policies, and evaluated policies of the CNI's own kinds; those of the cluster select among all pods."""
    own = context.own.policies if context.own is not None else {}
    others: list[AdminPolicy | ForeignPolicy] = [*context.snapshot.admin_policies.values()]
    others += [policy for uid, policy in context.snapshot.foreign.items() if uid in own]
    for policy in sorted(others, key=lambda p: p.meta.ref):
        ref = policy.meta.ref
        spaces = {ref.namespace} if ref.namespace else context.namespaces_with_pods
        if not spaces & context.namespaces_with_pods or context.selected_by.pods(policy)[0]:
            continue
        coming = (c for c in context.makers if c.meta.namespace in spaces)
        if any(context.selected_by.would(policy, c.meta.namespace, c.template) for c in coming):
            continue
        missing = unseen(context.snapshot, spaces)
        what = selected_in_words(policy.own) if isinstance(policy, ForeignPolicy) and policy.own else "its subject"
        why = "what it should deny, allow or isolate is left to the other policies"
        yield Found((ref,), f"{ref} selects no pod: {what}{missing}", why, Severity.INFO if missing else None)


RULE = Rule("MT308", "NetworkPolicy that selects nothing", Severity.WARNING, _look, ("Pod", "NetworkPolicy"))
