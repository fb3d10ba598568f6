"""Conversion of AuthorizationPolicies to ztunnel's form (istio/istio pilot/pkg/serviceregistry/ambient/authorization.go)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.addresses import networks_of, parse_port
from meshtui.engine.matching.selectors import matches
from meshtui.engine.policy.switches import switches_of
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
    """One policy in ztunnel's form: its rules, each with its original index, and the L7 fields that were dropped."""

    policy: AuthorizationPolicy
    rules: tuple[tuple[int, Rule], ...]
    l7_fields: tuple[str, ...] = ()

    @property
    def denies(self) -> bool:
        """Whether its action is DENY."""
        return self.policy.action == "DENY"

    def matching_rule(self, connection: Connection) -> tuple[int | None, int | None]:
        """The index of the first rule that matches, or None, and the index of the first rule that may match. Rules OR."""
        may: int | None = None
        for index, rule in self.rules:
            matching = rule_matches(rule, connection)
            if matching:
                return index, may
            if matching is None and may is None:
                may = index
        return None, may


class Authorization:
    """The AuthorizationPolicies of a snapshot that ztunnel receives, by namespace."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._root = snapshot.mesh.root_namespace
        dry_runs = bool(switches_of(snapshot).dry_runs_enforced)
        self._by_namespace: dict[str, list[Compiled]] = defaultdict(list)
        for policy in sorted(snapshot.authorization_policies.values(), key=lambda p: (p.meta.name, p.meta.namespace)):
            if reaches_ztunnel(policy, dry_runs=dry_runs):
                self._by_namespace[policy.meta.namespace].append(compile_policy(policy))

    def covering(self, pod: Pod) -> tuple[Compiled, ...]:
        """The policies that ztunnel applies to a pod, sorted by name."""
        namespaces = dict.fromkeys((pod.namespace, self._root))
        found = [c for name in namespaces for c in self._by_namespace.get(name, ()) if covers(c.policy, pod)]
        return tuple(sorted(found, key=lambda c: (c.policy.meta.name, c.policy.meta.namespace)))


def reaches_ztunnel(policy: AuthorizationPolicy, *, dry_runs: bool = False) -> bool:
    """Whether ztunnel enforces a policy: it has no targetRefs, its action is ALLOW or DENY, and it isn't a dry run.

    ``dry_runs``: whether dry runs are enforced as well (policy.switches).
    """
    return not policy.target_refs and policy.action in {"ALLOW", "DENY"} and (dry_runs or not policy.dry_run)


def covers(policy: AuthorizationPolicy, pod: Pod) -> bool:
    """Whether a policy of the pod's namespace or the root namespace applies to the pod.

    A policy without a selector applies to all pods of its scope. ``selector: {}`` selects nothing (istiod skips an empty label
    list when it attaches policies to workloads).
    """
    if policy.selector is None:
        return True
    return not policy.selector.is_empty and matches(policy.selector, pod.labels)


def compile_policy(policy: AuthorizationPolicy) -> Compiled:
    """Convert one policy. An ALLOW rule with an L7 field is dropped whole; from a DENY rule only the field is dropped."""
    compiled, left_behind = [], dict[str, None]()
    for index, rule in enumerate(policy.rules):
        l7_fields = l7_fields_of(rule)
        left_behind.update(dict.fromkeys(l7_fields))
        if not (l7_fields and policy.action == "ALLOW"):
            compiled.append((index, _compile_rule(rule, policy.meta.namespace)))
    return Compiled(policy, tuple(compiled), tuple(left_behind))


def l7_fields_of(rule: AuthorizationRule) -> tuple[str, ...]:
    """The fields of a rule that need HTTP, and the conditions that ztunnel doesn't support, as written in a manifest."""
    found = [field_name(name) for source in rule.sources for name in _L7_SOURCE if getattr(source, name)]
    found += [field_name(name) for operation in rule.operations for name in _L7_OPERATION if getattr(operation, name)]
    found += [condition.key for condition in rule.conditions if condition.key not in L4_CONDITIONS]
    return tuple(dict.fromkeys(found))


def field_name(name: str) -> str:
    """The manifest name of a field of the model: ``not_principals`` is ``notPrincipals``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _compile_rule(rule: AuthorizationRule, namespace: str) -> Rule:
    """Convert ``from``, ``to`` and each ``when`` to clauses, which AND."""
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
        source_ips=networks_of(source.ip_blocks),
        not_source_ips=networks_of(source.not_ip_blocks),
    )


def _condition(condition: AuthorizationCondition) -> Match:
    values, not_values = condition.values, condition.not_values
    match condition.key:
        case "source.ip":
            return Match(source_ips=networks_of(values), not_source_ips=networks_of(not_values))
        case "source.namespace":
            return Match(namespaces=values, not_namespaces=not_values)
        case "source.principal":
            return Match(principals=values, not_principals=not_values)
        case "destination.ip":
            return Match(destination_ips=networks_of(values), not_destination_ips=networks_of(not_values))
        case "destination.port":
            return Match(ports=_ports(values), not_ports=_ports(not_values))
        case _:
            return Match()


def _ports(texts: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(port for text in texts if (port := parse_port(text)) is not None)


def _accounts(texts: tuple[str, ...], namespace: str) -> tuple[tuple[str, str], ...]:
    """Parse ``NAMESPACE/NAME``; a bare name is in the policy's own namespace; globs aren't supported."""
    split = (text.partition("/") for text in texts)
    return tuple((first, rest) if slash else (namespace, first) for first, slash, rest in split)


@dataclass(frozen=True, slots=True)
class Answer:
    """ztunnel's decision with its policy and rule. ``allowed`` is None when it depends on an unknown address."""

    allowed: bool | None
    policy: Compiled | None = None
    rule: int | None = None


def evaluate(covering: tuple[Compiled, ...], connection: Connection) -> Answer:
    """ztunnel's decision about a connection.

    ANY matching DENY policy denies. Without ALLOW policies everything else is allowed; otherwise ANY ALLOW policy must match. A
    denial because no ALLOW policy matched has no rule.
    """
    may_deny: Answer | None = None
    for compiled in covering:
        if compiled.denies:
            index, may = compiled.matching_rule(connection)
            if index is not None:
                return Answer(False, compiled, index)
            if may is not None and may_deny is None:
                may_deny = Answer(None, compiled, may)
    allowing = [compiled for compiled in covering if not compiled.denies]
    if not allowing:
        return may_deny or Answer(True)
    may_allow: Answer | None = None
    for compiled in allowing:
        index, may = compiled.matching_rule(connection)
        if index is not None:
            return may_deny or Answer(True, compiled, index)
        if may is not None and may_allow is None:
            may_allow = Answer(None, compiled, may)
    return may_allow or Answer(False, allowing[0])


def account_of(endpoint: Endpoint) -> str:
    """The ServiceAccount of an endpoint with an identity; empty without one."""
    return endpoint.pod.service_account if endpoint.pod is not None and endpoint.principal is not None else ""
