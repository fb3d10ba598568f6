"""MT211: a rule without effect because of another policy: a DENY over an ALLOW, or an identical rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.findings.authz import at_ztunnel
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationPolicy, AuthorizationRule


def _look(context: Context) -> Iterator[Found]:
    """DENY precedes ALLOW. Only certain cases: an equal rule, or a rule for everybody, on all pods of the other policy."""
    scopes = {policy.meta.ref: (policy, frozenset(m.number for m in covered)) for policy, covered in at_ztunnel(context)}
    by_class: dict[int, list[AuthorizationPolicy]] = defaultdict(list)
    for policy, numbers in scopes.values():
        for number in numbers:
            by_class[number].append(policy)
    for ref, (policy, numbers) in scopes.items():
        others = [p for p in by_class[min(numbers)] if p is not policy and numbers <= scopes[p.meta.ref][1]]
        for index, rule in enumerate(policy.rules):
            yield from _on(ref, policy, index, rule, others, scopes[ref][1], scopes)


def _on(
    ref: ObjectRef,
    policy: AuthorizationPolicy,
    index: int,
    rule: AuthorizationRule,
    others: list[AuthorizationPolicy],
    own: frozenset[int],
    scopes: dict[ObjectRef, tuple[AuthorizationPolicy, frozenset[int]]],
) -> Iterator[Found]:
    everybody = AuthorizationRule()
    for other in others:
        same = rule in other.rules
        if policy.action == "ALLOW" and other.action == "DENY" and (same or everybody in other.rules):
            yield Found(
                (ref, other.meta.ref),
                f"{ref} rules[{index}] allows what {other.meta.ref} denies",
                "DENY goes before ALLOW: the rule never allows anybody",
                Severity.WARNING,
                field=f"spec.rules[{index}]",
            )
            return
        if policy.action == other.action and same and rule != everybody:
            twins = scopes[other.meta.ref][1] == own
            if not twins or other.meta.ref < ref:  # Of two equal rules, only one is reported
                yield Found(
                    (ref, other.meta.ref),
                    f"{ref} rules[{index}] says what {other.meta.ref} says for the same pods already",
                    "it changes nothing; whoever takes the access away in one place still leaves it in the other",
                    field=f"spec.rules[{index}]",
                )
                return


RULE = Rule("MT211", "shadowed rule", Severity.INFO, _look, ("AuthorizationPolicy",), partial=True)
