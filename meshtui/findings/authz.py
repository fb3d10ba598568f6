"""Queries about AuthorizationPolicies for rules: the pods that they cover, and what ztunnel reads of their rules."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.classes.index import Bits
from meshtui.engine.policy.authorization import L4_CONDITIONS, compile_policy, reaches_ztunnel
from meshtui.findings.context import Context
from meshtui.findings.pods import declared_ports, is_ambient
from meshtui.model.policy import AuthorizationOperation, AuthorizationPolicy, AuthorizationRule, AuthorizationSource


def policies(context: Context) -> list[AuthorizationPolicy]:
    """All AuthorizationPolicies, sorted by namespace and name."""
    return sorted(context.snapshot.authorization_policies.values(), key=lambda p: p.meta.ref)


def at_ztunnel(context: Context) -> Iterator[tuple[AuthorizationPolicy, tuple[PodClass, ...]]]:
    """The policies that ztunnels enforce, each with the classes of ambient pods that it covers."""
    for policy in policies(context):
        if reaches_ztunnel(policy):
            covered = tuple(member for member in context.covered(policy) if is_ambient(member) and member.pods)
            if covered:
                yield policy, covered


def without_l7(rule: AuthorizationRule) -> AuthorizationRule:
    """The rule without the fields that need HTTP."""
    sources = tuple(
        AuthorizationSource(
            principals=s.principals,
            not_principals=s.not_principals,
            namespaces=s.namespaces,
            not_namespaces=s.not_namespaces,
            service_accounts=s.service_accounts,
            not_service_accounts=s.not_service_accounts,
            ip_blocks=s.ip_blocks,
            not_ip_blocks=s.not_ip_blocks,
        )
        for s in rule.sources
    )
    operations = tuple(AuthorizationOperation(ports=o.ports, not_ports=o.not_ports) for o in rule.operations)
    return AuthorizationRule(
        tuple(s for s in sources if s != AuthorizationSource()),
        tuple(o for o in operations if o != AuthorizationOperation()),
        tuple(c for c in rule.conditions if c.key in L4_CONDITIONS),
    )


def meant_sources(context: Context, policy: AuthorizationPolicy, rule: AuthorizationRule) -> Bits:
    """The classes that match the source fields of a rule, at layer 4."""
    one = AuthorizationPolicy(policy.meta, rules=(rule,))
    bits = context.index.all
    for _, clauses in compile_policy(one).rules:
        for clause in clauses:
            if clause and any(m.principals or m.namespaces or m.service_accounts or m.source_ips for m in clause):
                found = 0
                for match in clause:
                    found |= context.index.sources(match)
                bits &= found
    return bits


def meant_ports(context: Context, rule: AuthorizationRule, target: PodClass) -> tuple[int, ...]:
    """The declared ports of a class that a rule's operations name; all of them if the rule names none."""
    named = {int(text) for o in rule.operations for text in o.ports if text.isdecimal()}
    declared = declared_ports(context, target)
    return tuple(p for p in declared if p in named) if named else declared


def has_source(rule: AuthorizationRule) -> bool:
    """Whether a rule restricts sources."""
    return any(s != AuthorizationSource() for s in rule.sources) or any(c.key.startswith("source.") for c in rule.conditions)
