"""What differs between two snapshots, as far as verdicts on pairs can depend on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import TypeVar

from meshtui.engine.policy.unmodelled import ADMIN_KINDS, BLIND, CNI_KINDS
from meshtui.model.ids import Uid
from meshtui.model.policy import AuthorizationPolicy, NetworkPolicy, PeerAuthentication
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod

Policy = TypeVar("Policy", NetworkPolicy, AuthorizationPolicy, PeerAuthentication)


@dataclass(slots=True)
class Rules:
    """Policies by UID. One that was only written anew, with nothing changed, stays the object that it was."""

    network: dict[Uid, NetworkPolicy] = field(default_factory=dict)
    authorization: dict[Uid, AuthorizationPolicy] = field(default_factory=dict)
    peer: dict[Uid, PeerAuthentication] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot) -> Rules:
        """A snapshot's policies as they are."""
        return cls(dict(snapshot.network_policies), dict(snapshot.authorization_policies), dict(snapshot.peer_authentications))


@dataclass(slots=True)
class Changes:
    """What happened from one snapshot to the next. ``everything`` means that it is not worth looking closer."""

    rules: Rules
    written: Rules
    """Those of them that are new, or say something new."""
    everything: bool = False
    relabelled: set[str] = field(default_factory=set)
    """Namespaces that came, went, or changed their labels."""
    network: set[str] = field(default_factory=set)
    """Namespaces in which a NetworkPolicy changed; the same below."""
    authorization: set[str] = field(default_factory=set)
    peer: set[str] = field(default_factory=set)
    gone: list[Pod] = field(default_factory=list)
    """Pods that are no longer there, or no longer as they were."""
    come: list[Pod] = field(default_factory=list)
    """Pods that are new, or new as they are now."""


def changes(old: Snapshot, rules: Rules, new: Snapshot) -> Changes:
    """Compare two snapshots; ``rules`` are the old one's policies, as far back as they are unchanged."""
    if _shape(old) != _shape(new):
        return Changes(Rules.of(new), Rules(), everything=True)
    written = Rules()
    network, in_network = _compare(rules.network, new.network_policies, written.network)
    authorization, in_authorization = _compare(rules.authorization, new.authorization_policies, written.authorization)
    peer, in_peer = _compare(rules.peer, new.peer_authentications, written.peer)
    found = Changes(Rules(network, authorization, peer), written)
    found.relabelled, found.network, found.authorization, found.peer = (
        _relabelled(old, new),
        in_network,
        in_authorization,
        in_peer,
    )
    _pods(old, new, found)
    return found


_DECIDING = ("Namespace", "NetworkPolicy", *ADMIN_KINDS, *CNI_KINDS, "AuthorizationPolicy", "PeerAuthentication")
"""Kinds without which pairs can't be judged for sure."""


def _shape(snapshot: Snapshot) -> tuple[object, ...]:
    """What changes seldom and concerns everybody: when it does, all is judged anew."""
    states = [(state.status in BLIND, state.scope) for state in map(snapshot.kind_state, _DECIDING)]
    return (
        snapshot.live,
        snapshot.mesh,
        dict(snapshot.admin_policies),
        dict(snapshot.foreign),
        dict(snapshot.gateways),
        dict(snapshot.gateway_classes),
        {node.meta.name: node.meta.labels for node in snapshot.nodes.values()} if snapshot.admin_policies else None,
        states,
    )


def _compare(
    old: Mapping[Uid, Policy], new: Mapping[Uid, Policy], written: dict[Uid, Policy]
) -> tuple[dict[Uid, Policy], set[str]]:
    """The new policies, with the old object where nothing changed; and the namespaces of those that did."""
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
    """Whether two versions of a policy say the same: all but versions, managers and unread annotations."""
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


def _pods(old: Snapshot, new: Snapshot, found: Changes) -> None:
    if old.pods is not new.pods:
        before, after = old.pods, new.pods
        found.come = [pod for uid, pod in after.items() if before.get(uid) is not pod]
        found.gone = [pod for uid, pod in before.items() if after.get(uid) is not pod]
    if found.relabelled:
        found.come = _with_members(found.come, new, found.relabelled)
        found.gone = _with_members(found.gone, old, found.relabelled)


def _with_members(pods: Iterable[Pod], snapshot: Snapshot, namespaces: set[str]) -> list[Pod]:
    """The pods, and all pods of some namespaces."""
    members = [pod for pod in snapshot.pods.values() if pod.meta.namespace in namespaces]
    return [*(pod for pod in pods if pod.meta.namespace not in namespaces), *members]
