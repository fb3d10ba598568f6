"""The differences between two snapshots that may change the verdict on a pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import TypeVar

from meshtui.engine.policy.switches import switches_of
from meshtui.engine.policy.unmodelled import ADMIN_KINDS, NAMED_BY_POLICIES
from meshtui.kinds.foreign import CNI_KINDS
from meshtui.kinds.kind import Pairs
from meshtui.kinds.registry import fields_of
from meshtui.model.ids import Uid
from meshtui.model.policy import AuthorizationPolicy, NetworkPolicy, PeerAuthentication
from meshtui.model.snapshot import GATEWAY_LABELS, Snapshot
from meshtui.model.workload import Pod

Policy = TypeVar("Policy", NetworkPolicy, AuthorizationPolicy, PeerAuthentication)


@dataclass(slots=True)
class Rules:
    """Policies by UID. A policy that was written again without a change keeps its old object."""

    network: dict[Uid, NetworkPolicy] = field(default_factory=dict)
    authorization: dict[Uid, AuthorizationPolicy] = field(default_factory=dict)
    peer: dict[Uid, PeerAuthentication] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot) -> Rules:
        """The policies of a snapshot."""
        return cls(dict(snapshot.network_policies), dict(snapshot.authorization_policies), dict(snapshot.peer_authentications))


@dataclass(slots=True)
class Delta:
    """The changes from one snapshot to the next. ``everything`` means that all verdicts must be recomputed."""

    rules: Rules
    written: Rules
    """The policies that are new or changed."""
    everything: bool = False
    relabelled: set[str] = field(default_factory=set)
    """Namespaces that were added, removed, or relabelled."""
    network: set[str] = field(default_factory=set)
    """Namespaces in which a NetworkPolicy changed; likewise for the two below."""
    authorization: set[str] = field(default_factory=set)
    peer: set[str] = field(default_factory=set)
    proxies: bool = False
    """Whether something changed that only proxies read, or a pod of a gateway or waypoint."""
    gone: list[Pod] = field(default_factory=list)
    """Pods that were removed or changed, in their old version."""
    come: list[Pod] = field(default_factory=list)
    """Pods that were added or changed, in their new version."""


def delta(old: Snapshot, rules: Rules, new: Snapshot, *, same_own: bool) -> Delta:
    """Compare two snapshots; ``rules`` are the policies of the old one, with old objects for unchanged policies.

    ``same_own``: whether the policies of the CNI's own kinds mean the same in both.
    """
    if not same_own or _shape(old) != _shape(new):
        return Delta(Rules.of(new), Rules(), everything=True)
    written = Rules()
    network, in_network = _compare(rules.network, new.network_policies, written.network)
    authorization, in_authorization = _compare(rules.authorization, new.authorization_policies, written.authorization)
    peer, in_peer = _compare(rules.peer, new.peer_authentications, written.peer)
    found = Delta(Rules(network, authorization, peer), written)
    found.relabelled, found.network, found.authorization, found.peer = (
        _relabelled(old, new),
        in_network,
        in_authorization,
        in_peer,
    )
    _pods(old, new, found)
    found.proxies = bool(found.relabelled) or _proxies(old, new) or any(map(_is_gateways, (*found.gone, *found.come)))
    return found


_DECIDING = (
    "Namespace",
    "NetworkPolicy",
    *ADMIN_KINDS,
    *CNI_KINDS,
    *NAMED_BY_POLICIES,
    "AuthorizationPolicy",
    "PeerAuthentication",
    "Sidecar",
)
"""The kinds without which verdicts on pairs aren't certain."""
_EVERYBODYS = fields_of(Pairs.EVERYBODY)


def _shape(snapshot: Snapshot) -> tuple[object, ...]:
    """The parts of a snapshot that change rarely and affect every pair: a change of them recomputes everything."""
    states = [(bool(state.blind), state.scope) for state in map(snapshot.kind_state, _DECIDING)]
    return (
        snapshot.live,
        snapshot.mesh,
        snapshot.cni,
        snapshot.pod_cidrs,
        snapshot.installation,
        snapshot.uncaptured,
        snapshot.carried_all_the_same,
        snapshot.unlabelled and (snapshot.unlabelled, snapshot.has_istio),
        switches_of(snapshot),
        *(dict(getattr(snapshot, name)) for name in _EVERYBODYS),
        {node.meta.name: node.meta.labels for node in snapshot.nodes.values()} if snapshot.admin_policies else None,
        states,
    )


_READ_BY_PROXIES = ("services", "authorization_policies", "peer_authentications", "request_authentications", "http_routes")
"""The mappings of a Snapshot, beside those that affect everybody, from which proxies decide."""


def _proxies(old: Snapshot, new: Snapshot) -> bool:
    pairs = ((getattr(old, name), getattr(new, name)) for name in _READ_BY_PROXIES)
    if any(before is not after and dict(before) != dict(after) for before, after in pairs):
        return True
    states = ({kind: bool(state.blind) for kind, state in snapshot.kinds.items()} for snapshot in (old, new))
    before, after = states
    return before != after


def _is_gateways(pod: Pod) -> bool:
    return bool(pod.labels.keys() & GATEWAY_LABELS)


def _compare(
    old: Mapping[Uid, Policy], new: Mapping[Uid, Policy], written: dict[Uid, Policy]
) -> tuple[dict[Uid, Policy], set[str]]:
    """The new policies, with the old object for unchanged ones, and the namespaces of the changed ones."""
    kept: dict[Uid, Policy] = {}
    changed: set[str] = set()
    for uid, policy in new.items():
        known = old.get(uid)
        if known is not None and (known is policy or _same(known, policy)):
            kept[uid] = known
            continue
        kept[uid] = written[uid] = policy
        changed.add(policy.meta.namespace)
        if known is not None:
            changed.add(known.meta.namespace)
    changed.update(old[uid].meta.namespace for uid in old.keys() - new.keys())
    return kept, changed


def _same(old: Policy, new: Policy) -> bool:
    """Whether two versions of a policy are equal, apart from versions, managers and annotations that aren't read."""
    before, after = old.meta, new.meta
    if (before.ref, before.created) != (after.ref, after.created):
        return False
    if isinstance(old, AuthorizationPolicy) and isinstance(new, AuthorizationPolicy) and old.dry_run != new.dry_run:
        return False
    return all(getattr(old, f.name) == getattr(new, f.name) for f in fields(old) if f.name != "meta")


def _relabelled(old: Snapshot, new: Snapshot) -> set[str]:
    if old.namespaces is new.namespaces:
        return set()
    before = {n.name: n.labels for n in old.namespaces.values()}
    after = {n.name: n.labels for n in new.namespaces.values()}
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def _pods(old: Snapshot, new: Snapshot, found: Delta) -> None:
    if old.pods is not new.pods:
        before, after = old.pods, new.pods
        found.come = [pod for uid, pod in after.items() if before.get(uid) is not pod]
        found.gone = [pod for uid, pod in before.items() if after.get(uid) is not pod]
    if found.relabelled:
        found.come = _with_members(found.come, new, found.relabelled)
        found.gone = _with_members(found.gone, old, found.relabelled)


def _with_members(pods: Iterable[Pod], snapshot: Snapshot, namespaces: set[str]) -> list[Pod]:
    """The pods outside some namespaces, and all pods inside them."""
    members = [pod for pod in snapshot.pods.values() if pod.meta.namespace in namespaces]
    return [*(pod for pod in pods if pod.meta.namespace not in namespaces), *members]
