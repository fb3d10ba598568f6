"""Which labels of pods any policy reads."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AdminPeer, AdminPolicy, NetworkPolicy
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import DATAPLANE_MODE, Snapshot

MESH_LABELS = frozenset(
    {DATAPLANE_MODE, "istio.io/use-waypoint", "istio.io/use-waypoint-namespace", "istio.io/rev", "sidecar.istio.io/inject"}
)


def labels_that_matter(snapshot: Snapshot) -> frozenset[str]:
    """The keys of pod labels that some policy's selector or peer reads, and those that the mesh reads."""
    return frozenset(key for _, selector in label_selectors(snapshot) for key in selector.keys) | MESH_LABELS


def label_selectors(snapshot: Snapshot) -> Iterator[tuple[ObjectRef, LabelSelector]]:
    """Every selector by which a policy tells pods apart, with the policy."""
    for policy in snapshot.network_policies.values():
        yield from ((policy.meta.ref, selector) for selector in _of_network_policy(policy))
    for admin in snapshot.admin_policies.values():
        yield from ((admin.meta.ref, selector) for selector in _of_admin_policy(admin))
    kinds = (snapshot.authorization_policies, snapshot.peer_authentications, snapshot.request_authentications, snapshot.foreign)
    for kind in kinds:
        yield from ((obj.meta.ref, obj.selector) for obj in kind.values() if obj.selector is not None)


def _of_network_policy(policy: NetworkPolicy) -> Iterator[LabelSelector]:
    yield policy.pod_selector
    for rule in (*(policy.ingress or ()), *(policy.egress or ())):
        yield from (peer.pod_selector for peer in rule.peers if peer.pod_selector is not None)


def _of_admin_policy(policy: AdminPolicy) -> Iterator[LabelSelector]:
    peers: list[AdminPeer] = [policy.subject]
    peers += [peer for rule in (*policy.ingress, *policy.egress) for peer in rule.peers]
    yield from (peer.pods[1] for peer in peers if peer.pods is not None)
