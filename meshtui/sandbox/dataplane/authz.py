"""AuthorizationPolicy and PeerAuthentication, as ztunnel takes them: L4 only.

The rules are those of istio/istio ``pilot/pkg/serviceregistry/ambient/authorization.go`` and istio/ztunnel ``src/rbac.rs``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from meshtui.sandbox.dataplane.selectors import equals_all
from meshtui.sandbox.dataplane.world import Pod, World
from meshtui.sandbox.ports import Obj

Network = IPv4Network | IPv6Network


class How(Enum):
    """The ways in which ztunnel compares a string."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    PRESENT = "present"


@dataclass(frozen=True, slots=True)
class Text:
    """One value to compare with."""

    how: How
    value: str


@dataclass(frozen=True, slots=True)
class Match:
    """Fields are ANDed, the values of a field are ORed, ``not_*`` means none of them."""

    principals: tuple[Text, ...] = ()
    not_principals: tuple[Text, ...] = ()
    namespaces: tuple[Text, ...] = ()
    not_namespaces: tuple[Text, ...] = ()
    accounts: tuple[str, ...] = ()
    not_accounts: tuple[str, ...] = ()
    source_ips: tuple[Network, ...] = ()
    not_source_ips: tuple[Network, ...] = ()
    destination_ips: tuple[Network, ...] = ()
    not_destination_ips: tuple[Network, ...] = ()
    ports: tuple[int, ...] = ()
    not_ports: tuple[int, ...] = ()

    @property
    def empty(self) -> bool:
        """A match with nothing left never matches."""
        return not any(getattr(self, each.name) for each in fields(self))


Clause = tuple[Match, ...]
"""Matches of one clause (from, to or a condition) are ORed."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy as it reaches ztunnel. Rules are ORed, the clauses of a rule are ANDed."""

    name: str
    """``NAMESPACE/NAME``, as the logs say it."""
    deny: bool
    rules: tuple[tuple[Clause, ...], ...]


def policies_for(world: World, pod: Pod) -> list[Policy]:
    """Return what the ztunnel of this pod enforces, in a stable order."""
    found = [
        convert(each)
        for each in world.objects.get("authorizationpolicies", ())
        if reaches_ztunnel(each) and _covers(world, each, pod)
    ]
    found += peer_authentication_policies(world, pod)
    return sorted(found, key=lambda policy: policy.name)


def reaches_ztunnel(policy: Obj) -> bool:
    """Whether istiod hands the policy to ztunnel at all."""
    spec = policy.get("spec") or {}
    if spec.get("targetRefs") or spec.get("targetRef"):
        return False
    if spec.get("action", "ALLOW") not in {"ALLOW", "DENY"}:
        return False
    # Go's ParseBool; a value that can't be parsed enforces.
    dry_run = (policy["metadata"].get("annotations") or {}).get("istio.io/dry-run", "")
    return dry_run not in {"1", "t", "T", "TRUE", "true", "True"}


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
        source_ips=_networks(source.get("ipBlocks")),
        not_source_ips=_networks(source.get("notIpBlocks")),
    )


def _operation(operation: Obj) -> Match:
    return Match(ports=_ports(operation.get("ports")), not_ports=_ports(operation.get("notPorts")))


def _condition(condition: Obj) -> Match:
    values, others = condition.get("values"), condition.get("notValues")
    match condition.get("key"):
        case "source.ip":
            return Match(source_ips=_networks(values), not_source_ips=_networks(others))
        case "source.namespace":
            return Match(namespaces=_texts(values), not_namespaces=_texts(others))
        case "source.principal":
            return Match(principals=_texts(values), not_principals=_texts(others))
        case "destination.ip":
            return Match(destination_ips=_networks(values), not_destination_ips=_networks(others))
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


def _networks(values: Iterable[str] | None) -> tuple[Network, ...]:
    found = []
    for value in values or ():
        try:
            found.append(ip_network(value, strict=False))
        except ValueError:  # dropped value by value
            continue
    return tuple(found)


def _ports(values: Iterable[str] | None) -> tuple[int, ...]:
    numbers = [int(value) for value in map(str, values or ()) if re.fullmatch(r"[0-9]+", value)]
    return tuple(number for number in numbers if number <= 65535)


# --- PeerAuthentication: STRICT is a DENY policy for peers without an identity -----------------------------------------

_NO_IDENTITY = Match(not_principals=(Text(How.PRESENT, ""),))


def peer_authentication_policies(world: World, pod: Pod) -> list[Policy]:
    """Return the DENY policies that istiod derives from the PeerAuthentications over a pod.

    Written as the real conversion behaves, its three known slips included.
    """
    root = world.root_namespace
    mesh = _oldest(world, lambda each: _namespace(each) == root and not _labels(each))
    namespace = (
        _oldest(world, lambda each: _namespace(each) == pod.namespace and not _labels(each)) if pod.namespace != root else None
    )
    workload = _oldest(
        world,
        lambda each: _namespace(each) == pod.namespace != root and bool(_labels(each)) and equals_all(_labels(each), pod.labels),
    )
    parent_strict = _mode(mesh) == "STRICT" if _mode(namespace) == "UNSET" else _mode(namespace) == "STRICT"
    own, ports = _mode(workload), _port_modes(workload)
    strict = parent_strict if own == "UNSET" else own == "STRICT"
    if workload is None or not ports:
        return [_static_strict(root)] if strict else []

    modes = set(ports.values())
    excepts = modes & ({"PERMISSIVE"} if own == "UNSET" else {"PERMISSIVE", "DISABLE"})
    if strict and not excepts:
        return [_static_strict(root)]
    if not strict and "STRICT" not in modes:
        return []
    converted = _convert_ports(workload, mesh, namespace)
    return [converted] if converted else []


def _convert_ports(workload: Obj, mesh: Obj | None, namespace: Obj | None) -> Policy | None:
    own, ports = _mode(workload), _port_modes(workload)
    ns_mode, mesh_mode = _mode(namespace), _mode(mesh)
    inherits_mesh = ns_mode == "UNSET" and mesh_mode == "STRICT"
    # Slip: the mesh's STRICT hides a STRICT port even where the workload itself is PERMISSIVE.
    parent_covers = own == "STRICT" or (own == "UNSET" and ns_mode == "STRICT") or inherits_mesh
    rules: list[tuple[Clause, ...]] = []
    together: list[Clause] = [(_NO_IDENTITY,)] if own == "STRICT" else []
    excepted = False
    for port, mode in sorted(ports.items()):
        if mode == "STRICT" and not parent_covers:
            rules.append(((Match(not_principals=_NO_IDENTITY.not_principals, ports=(port,)),),))
        elif mode in {"PERMISSIVE", "DISABLE"} and not _exception_is_moot(own, mesh, namespace):
            excepted = True
            together.append((Match(not_ports=(port,)),))
    if own == "STRICT" and not excepted:
        return None
    if excepted and (inherits_mesh or ns_mode == "STRICT"):
        together.append((_NO_IDENTITY,))
    if together:
        rules.append(tuple(together))
    meta = workload["metadata"]
    name = f"{meta['namespace']}/converted_peer_authentication_{meta['name']}"
    return Policy(name, deny=True, rules=tuple(rules)) if rules else None


def _exception_is_moot(own: str, mesh: Obj | None, namespace: Obj | None) -> bool:
    if own in {"PERMISSIVE", "DISABLE"}:
        return True
    if own != "UNSET":
        return False
    # Slip: a namespace policy that is explicitly UNSET counts as not strict here, though it inherits.
    return _mode(namespace) != "STRICT" if namespace is not None else _mode(mesh) != "STRICT"


def _static_strict(root: str) -> Policy:
    return Policy(f"{root}/istio_converted_static_strict", deny=True, rules=(((_NO_IDENTITY,),),))


def _oldest(world: World, wanted: Callable[[Obj], bool]) -> Obj | None:
    found = [each for each in world.objects.get("peerauthentications", ()) if wanted(each)]
    return min(found, key=lambda each: str(each["metadata"].get("creationTimestamp", "")), default=None)


def _namespace(policy: Obj) -> str:
    return str(policy["metadata"]["namespace"])


def _labels(policy: Obj) -> Mapping[str, str]:
    return ((policy.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}


def _mode(policy: Obj | None) -> str:
    mtls: dict[str, Any] = ((policy or {}).get("spec") or {}).get("mtls") or {}
    return str(mtls.get("mode") or "UNSET")


def _port_modes(policy: Obj | None) -> dict[int, str]:
    ports = ((policy or {}).get("spec") or {}).get("portLevelMtls") or {}
    return {int(port): (value or {}).get("mode", "UNSET") for port, value in ports.items()}


# --- the verdict for a peer without an identity ------------------------------------------------------------------------


def plaintext_denied_by(policies: Iterable[Policy], source: str, destination: str, port: int) -> str | None:
    """Return why a plaintext connection is refused, in ztunnel's words; None when it passes.

    Any DENY match denies; no ALLOW policy allows; any ALLOW match allows; otherwise denied.
    """
    policies = list(policies)
    for policy in policies:
        if policy.deny and _policy_matches(policy, source, destination, port):
            return f"explicitly denied by: {policy.name}"
    allows = [policy for policy in policies if not policy.deny]
    if not allows or any(_policy_matches(policy, source, destination, port) for policy in allows):
        return None
    return "allow policies exist, but none allowed"


def _policy_matches(policy: Policy, source: str, destination: str, port: int) -> bool:
    return any(
        all(any(_plaintext_match(match, source, destination, port) for match in clause) for clause in rule)
        for rule in policy.rules
    )


def _plaintext_match(match: Match, source: str, destination: str, port: int) -> bool:
    # Without an identity positive identity fields fail, and not* fields pass.
    if match.empty or match.principals or match.namespaces or match.accounts:
        return False
    return (
        _ip_passes(match.source_ips, match.not_source_ips, source)
        and _ip_passes(match.destination_ips, match.not_destination_ips, destination)
        and (not match.ports or port in match.ports)
        and port not in match.not_ports
    )


def _ip_passes(wanted: tuple[Network, ...], unwanted: tuple[Network, ...], address: str) -> bool:
    return (not wanted or contains(wanted, address)) and not contains(unwanted, address)


def contains(networks: Iterable[Network], address: str) -> bool:
    """Whether one of the networks has the address; families never mix."""
    parsed = ip_address(address)
    return any(parsed.version == network.version and parsed in network for network in networks)
