"""MT202: an ALLOW policy without rules denies everything that no other policy allows."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.authz import at_ztunnel
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity


def _look(context: Context) -> Iterator[Found]:
    """A warning if no other policy allows anything to a covered pod; a namespace's default (no selector) is an info."""
    for policy, covered in at_ztunnel(context):
        if policy.action != "ALLOW" or policy.rules:
            continue
        others = [
            [c for c in context.authorization.covering(m.endpoint.pod) if not c.denies and c.policy is not policy and c.rules]
            for m in covered
            if m.endpoint.pod is not None
        ]
        closed = context.owners_of(m for m, other in zip(covered, others, strict=True) if not other)
        if closed:
            names = ", ".join(map(str, closed[:3])) + (" …" if len(closed) > 3 else "")
            severity = Severity.INFO if policy.selector is None else Severity.WARNING
            why = f"nothing else allows anything to {names}: every connection is denied"
        else:
            severity, why = Severity.INFO, "the other policies of its pods allow what they allow, and this one denies the rest"
        yield Found((policy.meta.ref,), f"{policy.meta.ref} allows nothing: it has no rules", why, severity)


RULE = Rule("MT202", "ALLOW without rules", Severity.WARNING, _look, ("AuthorizationPolicy",), partial=True, breaks=True)
