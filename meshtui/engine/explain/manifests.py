"""Manifests of the policies that advice proposes, and rules of the model as they are written in a manifest."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from meshtui.engine.matching.strings import string_matches
from meshtui.engine.policy.authorization import field_name
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationCondition, AuthorizationOperation, AuthorizationRule, AuthorizationSource

CLIENT_CIDR = "CLIENT_CIDR"
"""The placeholder for the addresses of a client outside the cluster: its network isn't known here."""

Manifest = dict[str, Any]


def new_network_policy(ref: ObjectRef, labels: Mapping[str, str], direction: str, rule: Mapping[str, Any]) -> Manifest:
    """A NetworkPolicy with one rule; ``direction`` is ``ingress`` or ``egress``."""
    spec = {"podSelector": {"matchLabels": dict(labels)}, "policyTypes": [direction.capitalize()], direction: [dict(rule)]}
    return _object("networking.k8s.io/v1", ref, spec)


def new_authorization_policy(ref: ObjectRef, place: Mapping[str, Any], rule: Mapping[str, Any]) -> Manifest:
    """An ALLOW AuthorizationPolicy with one rule; ``place`` is its ``selector`` or ``targetRefs``."""
    return _object("security.istio.io/v1", ref, {**place, "action": "ALLOW", "rules": [dict(rule)]})


def _object(version: str, ref: ObjectRef, spec: Mapping[str, Any]) -> Manifest:
    metadata = {"name": ref.name, "namespace": ref.namespace}
    return {"apiVersion": version, "kind": ref.kind, "metadata": metadata, "spec": dict(spec)}


def pods_peer(labels: Mapping[str, str], namespace: str, home: str) -> Manifest:
    """Pods as a peer of a NetworkPolicy in namespace ``home``."""
    peer: Manifest = {"podSelector": {"matchLabels": dict(labels)}}
    return peer if namespace == home else {"namespaceSelector": in_namespace(namespace), **peer}


def in_namespace(name: str) -> Manifest:
    """A namespaceSelector for one namespace."""
    return {"matchLabels": {"kubernetes.io/metadata.name": name}}


def address_peer(name: str) -> Manifest:
    """An address as a peer: a block of one address, or the placeholder when ``name`` is not an address."""
    try:
        return {"ipBlock": {"cidr": str(ipaddress.ip_network(name))}}
    except ValueError:
        return {"ipBlock": {"cidr": CLIENT_CIDR}}


def caller_rule(principal: str, operation: Mapping[str, Sequence[str]]) -> Manifest:
    """A rule for one identity and what it may do; an empty operation means everything."""
    rule: Manifest = {"from": [{"source": {"principals": [principal]}}]}
    if operation:
        rule["to"] = [{"operation": {name: list(values) for name, values in operation.items()}}]
    return rule


def without_caller(rule: AuthorizationRule, principal: str) -> Manifest:
    """A DENY rule as it is written, except that it doesn't match one identity."""
    sources = rule.sources or (AuthorizationSource(),)
    found = [_written(source) for source in sources]
    for source in found:
        source["notPrincipals"] = [*source.get("notPrincipals", ()), principal]
    return _rule(found, [_written(operation) for operation in rule.operations], rule.conditions)


def caller_elsewhere(rule: AuthorizationRule, principal: str, port: int) -> Manifest:
    """A DENY rule for one identity that it matches, on all ports that it matches but one."""
    matching = [s for s in rule.sources if not s.principals or any(string_matches(p, principal) for p in s.principals)]
    sources = [{**_written(source), "principals": [principal]} for source in matching or (AuthorizationSource(),)]
    operations = [_written(operation) for operation in rule.operations or (AuthorizationOperation(),)]
    for operation in operations:
        operation["notPorts"] = [*operation.get("notPorts", ()), str(port)]
    return _rule(sources, operations, rule.conditions)


def _rule(sources: list[Manifest], operations: list[Manifest], conditions: Sequence[AuthorizationCondition]) -> Manifest:
    rule: Manifest = {"from": [{"source": source} for source in sources]}
    if operations:
        rule["to"] = [{"operation": operation} for operation in operations]
    if conditions:
        rule["when"] = [
            {"key": c.key}
            | ({"values": list(c.values)} if c.values else {})
            | ({"notValues": list(c.not_values)} if c.not_values else {})
            for c in conditions
        ]
    return rule


def _written(entry: AuthorizationSource | AuthorizationOperation) -> Manifest:
    return {field_name(f.name): list(getattr(entry, f.name)) for f in fields(entry) if getattr(entry, f.name)}
