"""AuthorizationPolicies as ztunnel enforces them: L4 only.

The rules are those of istio/istio ``pilot/pkg/serviceregistry/ambient/authorization.go`` and istio/ztunnel ``src/rbac.rs``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_network

from meshtui.sandbox.dataplane.l4 import Clause, How, Match, Network, Policy, Text
from meshtui.sandbox.dataplane.peerauth import converted_policies, peer_authentication_policies
from meshtui.sandbox.dataplane.selectors import equals_all
from meshtui.sandbox.dataplane.world import Pod, World
from meshtui.sandbox.ports import Obj


def policies_for(world: World, pod: Pod) -> list[Policy]:
    """Return the policies that the ztunnel of this pod enforces, in a stable order."""
    found = [
        convert(each)
        for each in world.objects.get("authorizationpolicies", ())
        if reaches_ztunnel(each) and _covers(world, each, pod)
    ]
    found += peer_authentication_policies(world, pod)
    return sorted(found, key=lambda policy: policy.name)


def enforced(world: World, pod: Pod) -> list[Policy]:
    """Return what the pod's ztunnel enforces, which may have other policies than istiod has sent.

    istiod tells which policies select a workload, by name; a name that ztunnel doesn't know is skipped.
    """
    seen = world.seen_by(pod.node)
    if seen is world:
        return policies_for(world, pod)
    listed = {policy.name for policy in policies_for(world, pod)}
    chosen = [each for each in seen.objects.get("authorizationpolicies", ()) if reaches_ztunnel(each)]
    found = [convert(each) for each in chosen if _covers(seen, each, pod) and not _has_selector(each)]
    found += [made for each in chosen if _has_selector(each) and (made := convert(each)).name in listed]
    found += [policy for policy in converted_policies(seen) if policy.name in listed]
    return sorted(found, key=lambda policy: policy.name)


def unknown(world: World, pod: Pod) -> list[str]:
    """Return the policies that istiod names for a pod, and its ztunnel doesn't have."""
    seen = world.seen_by(pod.node)
    if seen is world:
        return []
    has = {convert(each).name for each in seen.objects.get("authorizationpolicies", ()) if _has_selector(each)}
    has |= {policy.name for policy in converted_policies(seen)}
    own = world.objects.get("authorizationpolicies", ())
    unselected = {convert(each).name for each in own if not _has_selector(each)}
    return [policy.name for policy in policies_for(world, pod) if policy.name not in has | unselected]


def _has_selector(policy: Obj) -> bool:
    return (policy.get("spec") or {}).get("selector") is not None


def reaches_ztunnel(policy: Obj) -> bool:
    """Whether istiod sends the policy to ztunnel."""
    spec = policy.get("spec") or {}
    if spec.get("targetRefs") or spec.get("targetRef"):
        return False
    if spec.get("action", "ALLOW") not in {"ALLOW", "DENY"}:
        return False
    return not is_dry_run(policy)


def is_dry_run(policy: Obj) -> bool:
    """Whether a policy is a dry run: Go's ParseBool; with a value that can't be parsed it is enforced."""
    annotations = policy["metadata"].get("annotations") or {}
    return annotations.get("istio.io/dry-run", "") in {"1", "t", "T", "TRUE", "true", "True"}


def _covers(world: World, policy: Obj, pod: Pod) -> bool:
    namespace = policy["metadata"]["namespace"]
    if namespace not in {world.root_namespace, pod.namespace}:
        return False
    selector = (policy.get("spec") or {}).get("selector")
    if selector is None:
        return True
    # `selector: {}` is a workload selector without labels: it applies to nothing.
    labels = selector.get("matchLabels") or {}
    return bool(labels) and equals_all(labels, pod.labels)


def convert(policy: Obj) -> Policy:
    """Reduce an AuthorizationPolicy to its L4 part."""
    meta, spec = policy["metadata"], policy.get("spec") or {}
    deny = spec.get("action", "ALLOW") == "DENY"
    rules = [_rule(rule or {}, meta["namespace"], deny=deny) for rule in spec.get("rules") or []]
    return Policy(f"{meta['namespace']}/{meta['name']}", deny, tuple(rule for rule in rules if rule is not None))


_L4_SOURCE = {
    "principals",
    "notPrincipals",
    "namespaces",
    "notNamespaces",
    "serviceAccounts",
    "notServiceAccounts",
    "ipBlocks",
    "notIpBlocks",
}
_IGNORED_SOURCE = {"trustDomains", "notTrustDomains"}
_L4_OPERATION = {"ports", "notPorts"}
_L4_CONDITIONS = {"source.ip", "source.namespace", "source.principal", "destination.ip", "destination.port"}


def _rule(rule: Obj, namespace: str, *, deny: bool) -> tuple[Clause, ...] | None:
    """Convert one rule; None when an ALLOW rule has an L7 field: the whole rule is omitted, the policy still counts."""
    sources = [(each or {}).get("source") or {} for each in rule.get("from") or []]
    operations = [(each or {}).get("operation") or {} for each in rule.get("to") or []]
    conditions = rule.get("when") or []
    has_l7 = (
        any(_set_fields(each) - _L4_SOURCE - _IGNORED_SOURCE for each in sources)
        or any(_set_fields(each) - _L4_OPERATION for each in operations)
        or any(each.get("key") not in _L4_CONDITIONS for each in conditions)
    )
    if has_l7 and not deny:
        return None
    clauses: list[Clause] = []
    if sources:
        clauses.append(tuple(_source(each, namespace) for each in sources))
    if operations:
        clauses.append(tuple(_operation(each) for each in operations))
    clauses += [(_condition(each),) for each in conditions]
    return tuple(clauses)


def _set_fields(part: Obj) -> set[str]:
    return {key for key, value in part.items() if value}


def _source(source: Obj, namespace: str) -> Match:
    return Match(
        principals=_texts(source.get("principals")),
        not_principals=_texts(source.get("notPrincipals")),
        namespaces=_texts(source.get("namespaces")),
        not_namespaces=_texts(source.get("notNamespaces")),
        accounts=_accounts(source.get("serviceAccounts"), namespace),
        not_accounts=_accounts(source.get("notServiceAccounts"), namespace),
        source_ips=networks(source.get("ipBlocks")),
        not_source_ips=networks(source.get("notIpBlocks")),
    )


def _operation(operation: Obj) -> Match:
    return Match(ports=_ports(operation.get("ports")), not_ports=_ports(operation.get("notPorts")))


def _condition(condition: Obj) -> Match:
    values, others = condition.get("values"), condition.get("notValues")
    match condition.get("key"):
        case "source.ip":
            return Match(source_ips=networks(values), not_source_ips=networks(others))
        case "source.namespace":
            return Match(namespaces=_texts(values), not_namespaces=_texts(others))
        case "source.principal":
            return Match(principals=_texts(values), not_principals=_texts(others))
        case "destination.ip":
            return Match(destination_ips=networks(values), not_destination_ips=networks(others))
        case "destination.port":
            return Match(ports=_ports(values), not_ports=_ports(others))
        case _:  # an L7 key of a DENY rule: dropped, and what is left never matches
            return Match()


def _texts(values: Iterable[str] | None) -> tuple[Text, ...]:
    return tuple(_text(value) for value in values or ())


def _text(value: str) -> Text:
    if value == "*":
        return Text(How.PRESENT, "")
    if value.startswith("*"):
        return Text(How.SUFFIX, value[1:])
    if value.endswith("*"):
        return Text(How.PREFIX, value[:-1])
    return Text(How.EXACT, value)


def _accounts(values: Iterable[str] | None, namespace: str) -> tuple[str, ...]:
    # A bare name means the policy's own namespace; there are no globs here.
    return tuple(value if "/" in value else f"{namespace}/{value}" for value in values or ())


def networks(values: Iterable[str] | None) -> tuple[Network, ...]:
    """Parse addresses and CIDR blocks. Values that can't be parsed are dropped."""
    found = []
    for value in values or ():
        try:
            found.append(ip_network(value, strict=False))
        except ValueError:
            continue
    return tuple(found)


def _ports(values: Iterable[str] | None) -> tuple[int, ...]:
    numbers = [int(value) for value in map(str, values or ()) if re.fullmatch(r"[0-9]+", value)]
    return tuple(number for number in numbers if number <= 65535)
