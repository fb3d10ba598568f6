"""MT308: a NetworkPolicy that selects no pod."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.matching.selectors import describe, matches
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.unseen import unseen
from meshtui.model.finding import Severity


def _look(context: Context) -> Iterator[Found]:
    """Pods that a controller will create count; a namespace without any pod isn't evaluated."""
    for policy in sorted(context.snapshot.network_policies.values(), key=lambda p: p.meta.ref):
        ref, selector = policy.meta.ref, policy.pod_selector
        if ref.namespace not in context.namespaces_with_pods or context.selected(ref.namespace, selector):
            continue
        coming = (c for c in context.makers if c.meta.namespace == ref.namespace)
        if not any(matches(selector, c.template.labels) for c in coming):
            missing = unseen(context.snapshot, [ref.namespace])
            why = "whom it should isolate isn't, and is open to all"
            yield Found((ref,), f"{ref} selects no pod: {describe(selector)}{missing}", why, Severity.INFO if missing else None)


RULE = Rule("MT308", "NetworkPolicy that selects nothing", Severity.WARNING, _look, ("Pod", "NetworkPolicy"))
