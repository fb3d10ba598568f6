"""The policies that istiod sends to every ztunnel, and those that it attaches to a workload.

Source: istio/istio pilot/pkg/serviceregistry/ambient/authorization.go (convertAuthorizationPolicy, convertPeerAuthentication,
convertedSelectorPeerAuthentications), policies.go (PolicyCollections, implicitWaypointPolicy), workloads.go
(buildWorkloadPolicies, fetchPeerAuthentications, implicitWaypointPolicies). The rules of AuthorizationPolicies are those that the
engine evaluates.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from meshtui.engine.matching.addresses import Network
from meshtui.engine.policy import ztunnel
from meshtui.engine.policy.authorization import compile_policy
from meshtui.engine.policy.peer_authentication import LENIENT, STRICT, UNSET
from meshtui.engine.policy.switches import switches_of
from meshtui.mesh.by_labels import ByLabels
from meshtui.mesh.desired_waypoints import Binding, Waypoints
from meshtui.mesh.discovery import Seen, of_revision
from meshtui.model.constants import GATEWAY_NAME
from meshtui.model.gateway import Gateway
from meshtui.model.ids import ObjectRef, principal
from meshtui.model.meta import Meta
from meshtui.model.policy import AuthorizationPolicy, PeerAuthentication
from meshtui.model.workload import Pod
from meshtui.ztunnel.dump import Policy

STATIC_STRICT = "istio_converted_static_strict"
CONVERTED = "converted_peer_authentication_"
IMPLICIT = "istio_allow_waypoint_"
_ACTIONS = {"ALLOW": "Allow", "DENY": "Deny"}
_NOT_SENT = frozenset({"AUDIT", "CUSTOM"})
_BY_SELECTOR = "WorkloadSelector"
_Match = dict[str, Any]
_Clause = tuple[_Match, ...]
_Rule = tuple[_Clause, ...]


@dataclass(frozen=True, slots=True)
class WantedPolicy:
    """A policy that every ztunnel should have. ``ref`` is the object that it is made from, ``objects`` all that it depends on."""

    policy: Policy
    ref: ObjectRef | None = None
    objects: tuple[Meta, ...] = ()

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.policy.namespace}/{self.policy.name}"


@dataclass(frozen=True, slots=True)
class Attached:
    """The keys of the policies that a workload should have, and of those of which that can't be told."""

    keys: frozenset[str] = frozenset()
    undetermined: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Levels:
    """The PeerAuthentication that counts on one level; ``ties`` is whether another one may count as well, being as old."""

    wide: PeerAuthentication | None = None
    ties: bool = False


class WantedPolicies:
    """The policies that istiod makes of a Snapshot."""

    def __init__(self, seen: Seen, waypoints: Waypoints) -> None:
        self._seen = seen
        self._snapshot = seen.snapshot
        self._root = self._snapshot.mesh.root_namespace
        self._switches = switches_of(self._snapshot)
        self._waypoints = waypoints
        self.undetermined: dict[str, str] = {}
        """Policies that can't be predicted, with the reason."""
        self.by_key: dict[str, WantedPolicy] = {}
        self._odd_spaces: set[str] = set()
        self._peers: dict[str, list[PeerAuthentication]] = defaultdict(list)
        self._selecting: list[tuple[str, tuple[tuple[str, str], ...], AuthorizationPolicy]] = []
        if self.why_not:
            return
        if not self.why_no_authorization:
            for policy in sorted(self._snapshot.authorization_policies.values(), key=lambda p: p.meta.ref):
                self._add_authorization(policy)
        if not self.why_no_peers:
            self._add_peers()
        self._add_implicit()

    # ---- what can't be told

    @cached_property
    def why_not(self) -> str:
        """Why no policy can be predicted, or an empty string."""
        return self._seen.config_doubt

    @cached_property
    def why_no_authorization(self) -> str:
        """Why AuthorizationPolicies can't be predicted, or an empty string."""
        return self.why_not or self._seen.why_unread("AuthorizationPolicy")

    @cached_property
    def why_no_peers(self) -> str:
        """Why what PeerAuthentications are converted to can't be predicted, or an empty string."""
        return self.why_not or self._seen.why_unread("PeerAuthentication")

    def excludes(self, namespace: str, name: str) -> bool:
        """Whether a policy that a ztunnel has surely isn't one that istiod sends now."""
        if f"{namespace}/{name}" in self.by_key or f"{namespace}/{name}" in self.undetermined:
            return False
        if self.why_not or self._seen.namespace(namespace) is None:
            return False
        if name == STATIC_STRICT or name.startswith(CONVERTED):
            odd = bool(self._odd_spaces) if name == STATIC_STRICT else bool({namespace, self._root} & self._odd_spaces)
            return self._seen.reads_all("PeerAuthentication") and not odd
        if name.startswith(IMPLICIT):
            return self._tells_implicit and self._seen.reads_all("Gateway") and self._seen.reads_all("Pod")
        return "_" not in name and self._seen.reads_all("AuthorizationPolicy")

    @cached_property
    def _tells_implicit(self) -> bool:
        """Whether it is known which policies for waypoints istiod adds."""
        return self._seen.has_istiod and self._seen.reads("Gateway") and self._snapshot.live

    # ---- AuthorizationPolicies

    def _add_authorization(self, policy: AuthorizationPolicy) -> None:
        meta = policy.meta
        seen = self._seen.namespace(meta.namespace)
        if seen is False or policy.target_refs or policy.action in _NOT_SENT:
            return
        key = f"{meta.namespace}/{meta.name}"
        why = self._why_undetermined(policy)
        if seen is None:
            why = why or "it isn't known whether istiod looks into its namespace"
        if why:
            self.undetermined[key] = why
            return
        if policy.dry_run and not self._switches.sends_dry_runs:
            return
        self.by_key[key] = WantedPolicy(_converted_authorization(policy, self._root), meta.ref, (meta,))
        if policy.selector is not None and not policy.selector.is_empty:
            self._selecting.append((meta.namespace, policy.selector.labels, policy))

    def _why_undetermined(self, policy: AuthorizationPolicy) -> str:
        if policy.unmodelled:
            return f"it has fields that aren't modelled: {', '.join(policy.unmodelled)}"
        if policy.action not in _ACTIONS:
            return f"its action isn't known: {policy.action}"
        if of_revision(policy.meta):
            return "only the control planes of one revision read it"
        if policy.twice:
            return "it has targetRef and targetRefs"
        if policy.dry_run and not self._seen.has_istiod:
            return "it isn't known whether istiod sends dry runs"
        return ""

    # ---- PeerAuthentications

    def _add_peers(self) -> None:
        for policy in sorted(self._snapshot.peer_authentications.values(), key=lambda p: p.meta.ref):
            seen = self._seen.namespace(policy.meta.namespace)
            if seen is None or (seen and (policy.unmodelled or of_revision(policy.meta))):
                self._odd_spaces.add(policy.meta.namespace)
            if seen is not False:
                self._peers[policy.meta.namespace].append(policy)
        every = [policy for several in self._peers.values() for policy in several]
        if every:
            static = Policy(STATIC_STRICT, self._root, _BY_SELECTOR, "Deny", (((_plaintext(),),),))
            wanted = WantedPolicy(static, None, tuple(policy.meta for policy in every))
            if {policy.meta.namespace for policy in every} <= self._odd_spaces:
                self.undetermined[wanted.key] = "it isn't known whether istiod reads any PeerAuthentication"
            else:
                self.by_key[wanted.key] = wanted
        for policy in every:
            self._add_converted(policy)

    def _add_converted(self, policy: PeerAuthentication) -> None:
        meta = policy.meta
        if meta.namespace == self._root or policy.selector is None or not policy.port_modes:
            return
        space, mesh = self._oldest_without_selector(meta.namespace), self._oldest_without_selector(self._root)
        key = f"{meta.namespace}/{CONVERTED}{meta.name}"
        if {meta.namespace, self._root} & self._odd_spaces or space.ties or mesh.ties:
            self.undetermined[key] = "a PeerAuthentication that it depends on can't be read, or isn't the only one of its age"
            return
        rules = _converted_peer(policy, space.wide, mesh.wide)
        if rules is not None:
            above = tuple(each.meta for each in (space.wide, mesh.wide) if each is not None)
            name = f"{CONVERTED}{meta.name}"
            made = Policy(name, meta.namespace, _BY_SELECTOR, "Deny", rules)
            self.by_key[key] = WantedPolicy(made, meta.ref, (meta, *above))

    def _oldest_without_selector(self, namespace: str) -> _Levels:
        return _oldest(p for p in self._peers.get(namespace, ()) if p.selector is None)

    # ---- policies for waypoints

    def _add_implicit(self) -> None:
        if not self._switches.allows_waypoints or not self._tells_implicit:
            return
        for gateway in self._snapshot.gateways.values():
            key = implicit_key(gateway)
            there = self._waypoints.exists(gateway.meta.namespace, gateway.meta.name)
            if there is None or not self._seen.reads("Pod"):
                self.undetermined[key] = "the pods of the waypoint aren't known"
            elif there and (accounts := self._accounts_of(gateway)):
                domain, home = self._snapshot.mesh.trust_domain, gateway.meta.namespace
                match = {"principals": [{"Exact": str(principal(domain, home, account))} for account in accounts]}
                made = Policy(key.partition("/")[2], home, _BY_SELECTOR, "Allow", (((match,),),))
                self.by_key[key] = WantedPolicy(made, gateway.meta.ref, (gateway.meta,))

    def _accounts_of(self, gateway: Gateway) -> list[str]:
        pods = self._snapshot.pods_by_namespace.get(gateway.meta.namespace, ())
        return sorted({pod.service_account for pod in pods if pod.labels.get(GATEWAY_NAME) == gateway.meta.name})

    # ---- what is attached to a workload

    def attached(self, pod: Pod, bindings: Iterable[Binding]) -> Attached:
        """The policies of a pod. ``bindings`` are the waypoints of the pod and of the Services that select it."""
        found = self._of_labels(pod)
        if not self._switches.allows_waypoints:
            return found
        implicit = {implicit_key(each.gateway) for each in bindings if each.gateway is not None}
        return Attached(found.keys | (implicit & self.by_key.keys()), found.undetermined)

    def why_not_attached(self, namespace: str) -> str:
        """Why the policies of a namespace's workloads can't be predicted, or an empty string."""
        for kind in ("AuthorizationPolicy", "PeerAuthentication"):
            if why := self._seen.why_unread(kind):
                return f"{kind}: {why}"
            if not self._seen.reads_all(kind):
                scope = self._snapshot.kind_state(kind).scope
                return f"{kind}: only {scope} may be read" if scope else f"{kind}: files needn't hold all of them"
        if self._seen.namespace(namespace) is None or self._seen.namespace(self._root) is None:
            return "it isn't known into which namespaces istiod looks"
        return self.why_not

    def tells_attached(self, key: str, namespace: str) -> bool:
        """Whether it is known if a policy is attached to workloads of a namespace, as far as its key shows."""
        name = key.partition("/")[2]
        if name == STATIC_STRICT or name.startswith(CONVERTED):
            return not {namespace, self._root} & self._odd_spaces
        return self._tells_implicit if name.startswith(IMPLICIT) else key not in self._with_empty_selector

    @cached_property
    def _with_empty_selector(self) -> frozenset[str]:
        """Policies with an empty selector: whether istiod attaches them depends on how the emptiness is written."""
        policies = self._snapshot.authorization_policies.values()
        empty = (p.meta for p in policies if p.selector is not None and p.selector.is_empty)
        return frozenset(f"{meta.namespace}/{meta.name}" for meta in empty)

    @cached_property
    def _by_labels(self) -> ByLabels[AuthorizationPolicy]:
        return ByLabels(self._selecting)

    @cached_property
    def _peers_by_labels(self) -> ByLabels[PeerAuthentication]:
        every = (policy for several in self._peers.values() for policy in several)
        return ByLabels((p.meta.namespace, p.selector.labels if p.selector else (), p) for p in every)

    @cached_property
    def _attached(self) -> dict[tuple[str, tuple[int, ...]], Attached]:
        return {}

    def _of_labels(self, pod: Pod) -> Attached:
        spaces = dict.fromkeys((pod.namespace, self._root))
        selecting = [p for space in spaces for p in self._by_labels.selecting(space, pod.labels)]
        peers = self._peers_by_labels.selecting(pod.namespace, pod.labels)
        memo = (pod.namespace, tuple(map(id, (*selecting, *peers))))
        found = self._attached.get(memo)
        if found is None:
            found = self._attached[memo] = self._joined(pod.namespace, selecting, peers)
        return found

    def _joined(
        self, namespace: str, selecting: Iterable[AuthorizationPolicy], peers: tuple[PeerAuthentication, ...]
    ) -> Attached:
        keys = {f"{policy.meta.namespace}/{policy.meta.name}" for policy in selecting}
        above = [] if namespace == self._root else [p for p in self._peers.get(self._root, ()) if p.selector is None]
        mesh, own, workload = (
            _oldest(p for p in (*peers, *above) if _level(p, self._root) == level) for level in ("mesh", "namespace", "workload")
        )
        keys |= set(_keys_of_peers(self._root, mesh.wide, own.wide, workload.wide))
        undetermined = set(self.undetermined)
        if any(level.ties for level in (mesh, own, workload)):
            converted = (f"{p.meta.namespace}/{CONVERTED}{p.meta.name}" for p in peers)
            undetermined |= {f"{self._root}/{STATIC_STRICT}", *converted}
        return Attached(frozenset(keys), frozenset(undetermined))


def implicit_key(gateway: Gateway) -> str:
    """The key of the policy that allows a waypoint."""
    ref = gateway.meta.ref
    return f"{ref.namespace}/{IMPLICIT}{ref.namespace}_{ref.name}"


def _converted_authorization(policy: AuthorizationPolicy, root: str) -> Policy:
    meta = policy.meta
    wide = "Global" if meta.namespace == root else "Namespace"
    scope = wide if policy.selector is None else _BY_SELECTOR
    rules = tuple(tuple(tuple(map(_match, clause)) for clause in rule) for _, rule in compile_policy(policy).rules)
    return Policy(meta.name, meta.namespace, scope, _ACTIONS[policy.action], rules, policy.dry_run)


def _match(match: ztunnel.Match) -> _Match:
    """A match as a ztunnel writes it: without what is empty."""
    found: dict[str, list[Any]] = {
        "namespaces": [_string(text) for text in match.namespaces],
        "notNamespaces": [_string(text) for text in match.not_namespaces],
        "serviceAccounts": [_account(pair) for pair in match.service_accounts],
        "notServiceAccounts": [_account(pair) for pair in match.not_service_accounts],
        "principals": [_string(text) for text in match.principals],
        "notPrincipals": [_string(text) for text in match.not_principals],
        "sourceIps": [_cidr(network) for network in match.source_ips],
        "notSourceIps": [_cidr(network) for network in match.not_source_ips],
        "destinationIps": [_cidr(network) for network in match.destination_ips],
        "notDestinationIps": [_cidr(network) for network in match.not_destination_ips],
        "destinationPorts": list(match.ports),
        "notDestinationPorts": list(match.not_ports),
    }
    return {name: values for name, values in found.items() if values}


def _string(text: str) -> dict[str, Any]:
    if text == "*":
        return {"Presence": []}
    if text.startswith("*"):
        return {"Suffix": text[1:]}
    return {"Prefix": text[:-1]} if text.endswith("*") else {"Exact": text}


def _account(pair: tuple[str, str]) -> dict[str, str]:
    return {"namespace": pair[0], "serviceAccount": pair[1]}


def _cidr(network: Network) -> str:
    base = ipaddress.IPv4Address(network.base) if network.version == 4 else ipaddress.IPv6Address(network.base)
    return f"{base}/{network.mask.bit_count()}"


def _plaintext() -> _Match:
    """What matches whoever has no identity."""
    return {"notPrincipals": [{"Presence": []}]}


def _converted_peer(
    policy: PeerAuthentication, space: PeerAuthentication | None, mesh: PeerAuthentication | None
) -> tuple[_Rule, ...] | None:
    """The rules of a workload's policy with port-level modes, strict ports first; None where istiod makes none."""
    mode = policy.mode
    of_space, of_mesh = space.mode if space else None, mesh.mode if mesh else None
    inherits_strict = of_space in {None, UNSET} and of_mesh == STRICT
    covered = mode == STRICT or (mode == UNSET and of_space == STRICT) or inherits_strict
    lenient_above = mode == UNSET and (of_mesh if of_space is None else of_space) != STRICT
    rules: list[_Rule] = []
    clauses: list[_Clause] = [(_plaintext(),)] if mode == STRICT else []
    exempts = False
    for port, said in sorted(policy.port_modes.items()):
        if said == STRICT and not covered:
            rules.append((({**_plaintext(), "destinationPorts": [port]},),))
        elif said in LENIENT and mode not in LENIENT and not lenient_above:
            exempts = True
            clauses.append(({"notDestinationPorts": [port]},))
    if (mode == STRICT and not exempts) or not (rules or clauses):
        return None
    if exempts and (inherits_strict or of_space == STRICT):
        clauses.append((_plaintext(),))
    return (*rules, tuple(clauses)) if clauses else tuple(rules)


def _level(policy: PeerAuthentication, root: str) -> str:
    if policy.selector is None or policy.selector.is_empty:
        return "mesh" if policy.meta.namespace == root else "namespace"
    return "" if policy.meta.namespace == root else "workload"


def _keys_of_peers(
    root: str, mesh: PeerAuthentication | None, space: PeerAuthentication | None, workload: PeerAuthentication | None
) -> Iterator[str]:
    """The keys of the static strict policy and of a workload's converted one, as far as they are attached."""
    strict = mesh is not None and mesh.mode == STRICT
    if space is not None and space.mode != UNSET:
        strict = space.mode == STRICT
    if workload is not None:
        if workload.mode != UNSET:
            strict = workload.mode == STRICT
        modes = set(workload.port_modes.values())
        # with an inherited strict mode, only PERMISSIVE counts as an exception
        exceptions = ({"PERMISSIVE"} if workload.mode == UNSET else LENIENT) if strict else {STRICT}
        if modes & exceptions:
            strict = False
            yield f"{workload.meta.namespace}/{CONVERTED}{workload.meta.name}"
    if strict:
        yield f"{root}/{STATIC_STRICT}"


def _oldest(policies: Iterable[PeerAuthentication]) -> _Levels:
    """The oldest of some policies; of equally old ones it isn't known which one istiod takes."""
    found = list(policies)
    if len(found) < 2 or any(policy.meta.created is None for policy in found):
        return _Levels(found[0] if found else None, len(found) > 1)
    found.sort(key=lambda policy: (policy.meta.created, policy.meta.name))
    return _Levels(found[0], found[0].meta.created == found[1].meta.created)
