"""Which labels of pods any policy reads."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.model.policy import AdminPeer, AdminPolicy, NetworkPolicy
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import DATAPLANE_MODE, Snapshot

MESH_LABELS = frozenset(
    {DATAPLANE_MODE, "istio.io/use-waypoint", "istio.io/use-waypoint-namespace", "istio.io/rev", "sidecar.istio.io/inject"}
)


def labels_that_matter(snapshot: Snapshot) -> frozenset[str]:
    """The keys of pod labels that some policy's selector or peer reads, and those that the mesh reads."""
    return frozenset(key for selector in _selectors(snapshot) for key in _keys(selector)) | MESH_LABELS


def _keys(selector: LabelSelector) -> Iterator[str]:
    yield from (key for key, _ in selector.labels)
    yield from (requirement.key for requirement in selector.requirements)


def _selectors(snapshot: Snapshot) -> Iterator[LabelSelector]:
    for policy in snapshot.network_policies.values():
        yield from _of_network_policy(policy)
    for admin in snapshot.admin_policies.values():
        yield from _of_admin_policy(admin)
    for kind in (snapshot.authorization_policies, snapshot.peer_authentications, snapshot.request_authentications):
        for obj in kind.values():
            if obj.selector is not None:
                yield obj.selector
    for foreign in snapshot.foreign.values():
        if foreign.selector is not None:
            yield foreign.selector


def _of_network_policy(policy: NetworkPolicy) -> Iterator[LabelSelector]:
    yield policy.pod_selector
    for rule in (*(policy.ingress or ()), *(policy.egress or ())):
        yield from (peer.pod_selector for peer in rule.peers if peer.pod_selector is not None)


def _of_admin_policy(policy: AdminPolicy) -> Iterator[LabelSelector]:
    peers: list[AdminPeer] = [policy.subject]
    peers += [peer for rule in (*policy.ingress, *policy.egress) for peer in rule.peers]
    yield from (peer.pods[1] for peer in peers if peer.pods is not None)
