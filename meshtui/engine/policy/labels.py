"""The pod labels that policies read. Only this module lists where policies have pod selectors."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.policy.own import own_policies
from meshtui.model.ids import ObjectRef
from meshtui.model.membership import DATAPLANE_MODE
from meshtui.model.policy import AdminPeer, AdminPolicy, NetworkPolicy
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import Snapshot

MESH_LABELS = frozenset(
    {DATAPLANE_MODE, "istio.io/use-waypoint", "istio.io/use-waypoint-namespace", "istio.io/rev", "sidecar.istio.io/inject"}
)


def labels_that_matter(snapshot: Snapshot) -> frozenset[str]:
    """The keys of pod labels that the selector or a peer of a policy reads, and those that the mesh reads."""
    keys = frozenset(key for _, selector in label_selectors(snapshot) for key in selector.keys)
    return keys | labels_of_own_policies(snapshot) | MESH_LABELS


def labels_of_own_policies(snapshot: Snapshot) -> frozenset[str]:
    """The keys of pod labels that policies of the CNI's own kinds read, if they are evaluated."""
    own = own_policies(snapshot)
    return frozenset() if own is None else frozenset({*own.reads().labels, *own.reads().whole})


def label_selectors(snapshot: Snapshot) -> Iterator[tuple[ObjectRef, LabelSelector]]:
    """Every pod selector of every policy, with its policy."""
    for policy in snapshot.network_policies.values():
        yield from ((policy.meta.ref, selector) for selector in network_selectors(policy))
    for admin in snapshot.admin_policies.values():
        yield from ((admin.meta.ref, selector) for selector in admin_selectors(admin))
    kinds = (snapshot.authorization_policies, snapshot.peer_authentications, snapshot.request_authentications, snapshot.foreign)
    for kind in kinds:
        yield from ((obj.meta.ref, obj.selector) for obj in kind.values() if obj.selector is not None)


def network_selectors(policy: NetworkPolicy) -> Iterator[LabelSelector]:
    """The pod selectors of a NetworkPolicy: its own and those of its peers."""
    yield policy.pod_selector
    for rule in (*(policy.ingress or ()), *(policy.egress or ())):
        yield from (peer.pod_selector for peer in rule.peers if peer.pod_selector is not None)


def admin_selectors(policy: AdminPolicy) -> Iterator[LabelSelector]:
    """The pod selectors of an admin policy: of its subject and of its peers."""
    peers: list[AdminPeer] = [policy.subject]
    peers += [peer for rule in (*policy.ingress, *policy.egress) for peer in rule.peers]
    yield from (peer.pods[1] for peer in peers if peer.pods is not None)
