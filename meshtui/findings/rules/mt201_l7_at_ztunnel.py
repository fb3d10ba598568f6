"""MT201: a policy that ztunnel enforces requires HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.policy.authorization import compile_policy, l7_fields_of
from meshtui.engine.policy.l7 import unknown_keys
from meshtui.engine.policy.ztunnel import NOTHING
from meshtui.findings.authz import at_ztunnel, has_source, meant_ports, meant_sources, without_l7
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Edit, Fix, Operation, Severity
from meshtui.model.policy import AuthorizationPolicy
from meshtui.model.verdict import Decision, Layer

_FIELDS = ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")
_NEED_A_WAYPOINT = "ztunnel knows no HTTP: only a waypoint can check it"
_KNOWN_TO_NOBODY = "no proxy knows that key"


def _look(context: Context) -> Iterator[Found]:
    """ALLOW rules with such a field are dropped; from DENY rules the field is dropped (istio/istio ambient/authorization.go)."""
    for policy, covered in at_ztunnel(context):
        asked = {index: fields for index, rule in enumerate(policy.rules) if (fields := l7_fields_of(rule))}
        if not asked:
            continue
        words = ", ".join(dict.fromkeys(field for several in asked.values() for field in several))
        places = ", ".join(f"rules[{index}]" for index in asked)
        head = f"{policy.meta.ref} {places} asks ztunnel for {words}"
        if policy.action == "ALLOW":
            flows = context.count(_denied(context, policy, list(asked), covered))
            rest = len(policy.rules) - len(asked)
            effect = "nothing is left to allow: everything is denied" if not rest else "these rules are left out"
            severity = Severity.ERROR if flows or not rest else Severity.WARNING
            why, fix = f"{_cause(policy, asked)}; {effect}", _fix(policy, asked)
            yield Found((policy.meta.ref,), head, why, severity, flows, fix, field=_first(asked))
        else:
            yield replace(_of_deny(policy, head, _cause(policy, asked)), field=_first(asked))


def _first(asked: Mapping[int, object]) -> str:
    return f"spec.rules[{min(asked)}]"


def _cause(policy: AuthorizationPolicy, asked: dict[int, tuple[str, ...]]) -> str:
    """Who could check the fields: a waypoint, or for keys that aren't any, nobody."""
    known = any(set(fields) - set(unknown_keys(policy.rules[index])) for index, fields in asked.items())
    return _NEED_A_WAYPOINT if known else _KNOWN_TO_NOBODY


def _denied(
    context: Context, policy: AuthorizationPolicy, asked: list[int], covered: tuple[PodClass, ...]
) -> Iterator[tuple[PodClass, PodClass, int]]:
    """The flows that the rules are meant to allow, and that are denied because the rules are dropped."""
    for index in asked:
        rule = without_l7(policy.rules[index])
        if not has_source(rule):
            continue
        for source in context.of(meant_sources(context, policy, rule)):
            for target in covered:
                cell = context.matrix.cell(source, target)
                for port in meant_ports(context, rule, target):
                    decided = cell.at(port)
                    if decided.decision is Decision.DENY and decided.ruling.layer is Layer.ZTUNNEL:
                        yield source, target, port


def _of_deny(policy: AuthorizationPolicy, head: str, cause: str) -> Found:
    """The effect on a DENY rule: the rest is empty and never matches, or it denies more than was written."""
    nothing = all(any(NOTHING in clause for clause in clauses) for _, clauses in compile_policy(policy).rules)
    if nothing:
        why = f"{cause}; without these fields the rule never matches: nothing is denied"
        return Found((policy.meta.ref,), head, why, Severity.ERROR)
    why = f"{cause}; without these fields the rule denies more than it says: every request of whom it names"
    return Found((policy.meta.ref,), head, why, Severity.WARNING)


def _fix(policy: AuthorizationPolicy, asked: dict[int, tuple[str, ...]]) -> Fix | None:
    """Remove the HTTP fields if the rest still names sources; ``to`` is removed entirely if it has no ports."""
    operations: list[Operation] = []
    for index, fields in asked.items():
        rule = policy.rules[index]
        if not set(fields) <= set(_FIELDS) or not has_source(rule):
            return None
        if all(not o.ports and not o.not_ports for o in rule.operations):
            operations.append(Operation("remove", ("spec", "rules", index, "to")))
            continue
        for place, operation in enumerate(rule.operations):
            if not operation.ports and not operation.not_ports:
                return None  # An empty operation never matches, and without it the other operations would narrow the rule
            written = [f for f in _FIELDS if getattr(operation, "".join(f"_{c.lower()}" if c.isupper() else c for c in f))]
            operations += [Operation("remove", ("spec", "rules", index, "to", place, "operation", f)) for f in written]
    summary = "ask for identities and ports only: then every method and path is allowed to whom the rules name"
    return Fix(summary, (Edit(policy.meta.ref, tuple(operations)),))


RULE = Rule("MT201", "L7 at ztunnel", Severity.ERROR, _look, ("AuthorizationPolicy",), partial=True, breaks=True)
