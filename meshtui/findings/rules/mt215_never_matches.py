"""MT215: a rule with an entry that never matches: no field of it is read, or its values can't be parsed."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.matching.addresses import parse_network, parse_port
from meshtui.engine.policy.authorization import compile_policy
from meshtui.engine.policy.ztunnel import NOTHING
from meshtui.findings.authz import at_ztunnel
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity
from meshtui.model.policy import AuthorizationPolicy, AuthorizationRule


def _look(context: Context) -> Iterator[Found]:
    """Unparsable ports and addresses are dropped one by one; an entry with nothing left never matches (src/rbac.rs)."""
    for policy, _ in at_ztunnel(context):
        compiled = dict(compile_policy(policy).rules)
        for index, rule in enumerate(policy.rules):
            odd = _odd(rule)
            empty = index in compiled and any(clause and all(m == NOTHING for m in clause) for clause in compiled[index])
            if not odd and not (empty and not _asks_http(policy, rule)):
                continue
            what = f"{', '.join(odd)}" if odd else "an entry in which nothing is set"
            effect = "the rule never matches" if empty else "what can't be read is dropped, and the rest counts"
            yield Found((policy.meta.ref,), f"{policy.meta.ref} rules[{index}]: {what}", f"{effect}, and nothing says so")


def _asks_http(policy: AuthorizationPolicy, rule: AuthorizationRule) -> bool:
    """Whether the entry is empty because its fields need HTTP, which MT201 reports."""
    from meshtui.engine.policy.authorization import l7_fields_of

    return policy.action == "DENY" and bool(l7_fields_of(rule))


def _odd(rule: AuthorizationRule) -> list[str]:
    """The values that can't be parsed, and fields that ambient doesn't read."""
    found = [f"port {text!r}" for o in rule.operations for text in (*o.ports, *o.not_ports) if parse_port(text) is None]
    blocks = [text for s in rule.sources for text in (*s.ip_blocks, *s.not_ip_blocks)]
    for condition in rule.conditions:
        values = (*condition.values, *condition.not_values)
        if condition.key == "destination.port":
            found += [f"port {text!r}" for text in values if parse_port(text) is None]
        elif condition.key in {"source.ip", "destination.ip"}:
            blocks += values
    found += [f"address {text!r}" for text in blocks if parse_network(text) is None]
    if any(s.trust_domains or s.not_trust_domains for s in rule.sources):
        found.append("trustDomains, which ztunnel doesn't get")
    return found


RULE = Rule("MT215", "entry that never matches", Severity.WARNING, _look, ("AuthorizationPolicy",), partial=True)
