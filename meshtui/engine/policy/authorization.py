"""From AuthorizationPolicies to what ztunnel enforces (istio/istio pilot/pkg/serviceregistry/ambient/authorization.go)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.addresses import Network, parse_network, parse_port
from meshtui.engine.matching.selectors import matches
from meshtui.engine.policy.ztunnel import Clause, Connection, Match, Rule, rule_matches
from meshtui.model.policy import (
    AuthorizationCondition,
    AuthorizationOperation,
    AuthorizationPolicy,
    AuthorizationRule,
    AuthorizationSource,
)
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod

L4_CONDITIONS = {"source.ip", "source.namespace", "source.principal", "destination.ip", "destination.port"}
_L7_SOURCE = ("remote_ip_blocks", "not_remote_ip_blocks", "request_principals", "not_request_principals")
_L7_OPERATION = ("hosts", "not_hosts", "methods", "not_methods", "paths", "not_paths")


@dataclass(frozen=True, slots=True)
class Compiled:
    """One policy as ztunnel has it: its rules with the index that each had, and the L7 fields that were left behind."""

    policy: AuthorizationPolicy
    rules: tuple[tuple[int, Rule], ...]
    l7_fields: tuple[str, ...] = ()

    @property
    def denies(self) -> bool:
        """Whether its action is DENY."""
        return self.policy.action == "DENY"

    def matching_rule(self, connection: Connection) -> int | None:
        """The index of the first rule that matches (rules OR), or None."""
        return next((index for index, rule in self.rules if rule_matches(rule, connection)), None)


class Authorization:
    """The AuthorizationPolicies of a snapshot that reach ztunnel, by scope."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._root = snapshot.mesh.root_namespace
        self._by_namespace: dict[str, list[Compiled]] = defaultdict(list)
        for policy in sorted(snapshot.authorization_policies.values(), key=lambda p: (p.meta.name, p.meta.namespace)):
            if reaches_ztunnel(policy):
                self._by_namespace[policy.meta.namespace].append(compile_policy(policy))

    def covering(self, pod: Pod) -> tuple[Compiled, ...]:
        """The policies that ztunnel applies to a pod, by name."""
        namespaces = dict.fromkeys((pod.namespace, self._root))
        found = [c for name in namespaces for c in self._by_namespace.get(name, ()) if covers(c.policy, pod)]
        return tuple(sorted(found, key=lambda c: (c.policy.meta.name, c.policy.meta.namespace)))


def reaches_ztunnel(policy: AuthorizationPolicy) -> bool:
    """Without targetRefs, ALLOW or DENY, and not a dry run."""
    return not policy.target_refs and policy.action in {"ALLOW", "DENY"} and not policy.dry_run


def covers(policy: AuthorizationPolicy, pod: Pod) -> bool:
    """Whether a policy of the pod's or the root namespace applies to the pod.

    No selector: all pods of the policy's scope. ``selector: {}`` selects nothing (an empty label list is skipped when
    policies are attached to workloads).
    """
    if policy.selector is None:
        return True
    return not policy.selector.is_empty and matches(policy.selector, pod.labels)


def compile_policy(policy: AuthorizationPolicy) -> Compiled:
    """Convert one policy. An ALLOW rule with an L7 field is left out whole; from a DENY rule only the field is."""
    compiled, left_behind = [], dict[str, None]()
    for index, rule in enumerate(policy.rules):
        l7_fields = l7_fields_of(rule)
        left_behind.update(dict.fromkeys(l7_fields))
        if not (l7_fields and policy.action == "ALLOW"):
            compiled.append((index, _compile_rule(rule, policy.meta.namespace)))
    return Compiled(policy, tuple(compiled), tuple(left_behind))


def l7_fields_of(rule: AuthorizationRule) -> tuple[str, ...]:
    """The fields of a rule that need HTTP, and the conditions that ztunnel doesn't know, as a manifest writes them."""
    found = [_camel(name) for source in rule.sources for name in _L7_SOURCE if getattr(source, name)]
    found += [_camel(name) for operation in rule.operations for name in _L7_OPERATION if getattr(operation, name)]
    found += [condition.key for condition in rule.conditions if condition.key not in L4_CONDITIONS]
    return tuple(dict.fromkeys(found))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _compile_rule(rule: AuthorizationRule, namespace: str) -> Rule:
    """``from``, ``to`` and each ``when`` become clauses, which AND."""
    clauses: list[Clause] = []
    if rule.operations:
        clauses.append(tuple(_operation(operation) for operation in rule.operations))
    if rule.sources:
        clauses.append(tuple(_source(source, namespace) for source in rule.sources))
    clauses.extend((_condition(condition),) for condition in rule.conditions)
    return tuple(clauses)


def _operation(operation: AuthorizationOperation) -> Match:
    return Match(ports=_ports(operation.ports), not_ports=_ports(operation.not_ports))


def _source(source: AuthorizationSource, namespace: str) -> Match:
    return Match(
        principals=source.principals,
        not_principals=source.not_principals,
        namespaces=source.namespaces,
        not_namespaces=source.not_namespaces,
        service_accounts=_accounts(source.service_accounts, namespace),
        not_service_accounts=_accounts(source.not_service_accounts, namespace),
        source_ips=_networks(source.ip_blocks),
        not_source_ips=_networks(source.not_ip_blocks),
    )


def _condition(condition: AuthorizationCondition) -> Match:
    values, not_values = condition.values, condition.not_values
    match condition.key:
        case "source.ip":
            return Match(source_ips=_networks(values), not_source_ips=_networks(not_values))
        case "source.namespace":
            return Match(namespaces=values, not_namespaces=not_values)
        case "source.principal":
            return Match(principals=values, not_principals=not_values)
        case "destination.ip":
            return Match(destination_ips=_networks(values), not_destination_ips=_networks(not_values))
        case "destination.port":
            return Match(ports=_ports(values), not_ports=_ports(not_values))
        case _:
            return Match()


def _ports(texts: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(port for text in texts if (port := parse_port(text)) is not None)


def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(network for text in texts if (network := parse_network(text)) is not None)


def _accounts(texts: tuple[str, ...], namespace: str) -> tuple[tuple[str, str], ...]:
    """``NAMESPACE/NAME``; a bare name is of the policy's own namespace; no globs."""
    split = (text.partition("/") for text in texts)
    return tuple((first, rest) if slash else (namespace, first) for first, slash, rest in split)


def rule_in_words(rule: AuthorizationRule) -> str:
    """A rule as a sentence: who, to what, when."""
    froms = [_fields_in_words(source) for source in rule.sources]
    tos = [_fields_in_words(operation) for operation in rule.operations]
    whens = [
        " ".join(
            [c.key]
            + ([f"in ({', '.join(c.values)})"] if c.values else [])
            + ([f"not in ({', '.join(c.not_values)})"] if c.not_values else [])
        )
        for c in rule.conditions
    ]
    parts = [f"from {' or '.join(froms)}"] if froms else ["from anyone"]
    parts += [f"to {' or '.join(tos)}"] if tos else []
    parts += [f"when {' and '.join(whens)}"] if whens else []
    return " ".join(parts)


def _fields_in_words(entry: AuthorizationSource | AuthorizationOperation) -> str:
    words = [f"{_camel(f.name)} {', '.join(getattr(entry, f.name))}" for f in fields(entry) if getattr(entry, f.name)]
    return " and ".join(words) or "(an empty entry, which never matches)"


def evaluate(covering: tuple[Compiled, ...], connection: Connection) -> tuple[bool, Compiled | None, int | None]:
    """ztunnel's decision: (allowed, deciding policy, its rule's index).

    ANY DENY policy that matches denies; without ALLOW policies everything else is allowed; otherwise ANY ALLOW policy must
    match. A denial because none did has no rule.
    """
    for compiled in covering:
        if compiled.denies and (index := compiled.matching_rule(connection)) is not None:
            return False, compiled, index
    allowing = [compiled for compiled in covering if not compiled.denies]
    for compiled in allowing:
        if (index := compiled.matching_rule(connection)) is not None:
            return True, compiled, index
    return (False, allowing[0], None) if allowing else (True, None, None)


def account_of(endpoint: Endpoint) -> str:
    """The ServiceAccount of a endpoint that has an identity."""
    return endpoint.pod.service_account if endpoint.pod is not None and endpoint.principal is not None else ""
