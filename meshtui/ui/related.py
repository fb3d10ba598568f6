"""What belongs to the object under the cursor, to mark it in the other panes."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.path.relations import (
    authorization_policies_of,
    network_policies_of,
    pods_of_authorization_policy,
    pods_of_network_policy,
)
from meshtui.model.finding import Finding
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.ui.links import Link

_MOST_PODS = 500
"""The maximum number of a policy's pods that are looked at."""


def related(snapshot: Snapshot, link: Link) -> frozenset[ObjectRef]:
    """What belongs to a link: whom a policy selects, the policies of a workload, all in a namespace, a finding's objects.

    The link itself isn't among them, but its namespace is.
    """
    if isinstance(link, Finding):
        found = set(link.objects)
    elif isinstance(link, ObjectRef):
        found = set(_of_object(snapshot, link)) - {link}
    else:
        return frozenset()
    found |= {ObjectRef("Namespace", "", ref.namespace) for ref in (*found, link) if isinstance(ref, ObjectRef) and ref.namespace}
    return frozenset(found)


def _of_object(snapshot: Snapshot, ref: ObjectRef) -> Iterator[ObjectRef]:
    if ref.kind == "Namespace":
        yield from (each for each in snapshot.workloads if each.namespace == ref.name)
        yield from (p.meta.ref for p in snapshot.authorization_policies.values() if p.meta.namespace == ref.name)
        yield from (p.meta.ref for p in snapshot.network_policies.values() if p.meta.namespace == ref.name)
    elif ref.kind == "Node":
        yield from {snapshot.owner_of(pod) for pod in snapshot.pods.values() if pod.node == ref.name and not pod.completed}
    elif ref.kind == "NetworkPolicy":
        network = next((p for p in snapshot.network_policies.values() if p.meta.ref == ref), None)
        pods = pods_of_network_policy(snapshot, network) if network is not None else []
        yield from {snapshot.owner_of(pod) for pod in pods[:_MOST_PODS]}
    elif ref.kind == "AuthorizationPolicy":
        policy = next((p for p in snapshot.authorization_policies.values() if p.meta.ref == ref), None)
        pods = pods_of_authorization_policy(snapshot, policy) if policy is not None else []
        yield from {snapshot.owner_of(pod) for pod in pods[:_MOST_PODS]}
    else:
        workload = snapshot.workloads.get(ref)
        for pod in workload.pods[:1] if workload is not None else ():
            yield from (p.meta.ref for p in network_policies_of(snapshot, pod))
            yield from (p.meta.ref for p in authorization_policies_of(snapshot, pod))


def uids_of(snapshot: Snapshot, refs: frozenset[ObjectRef]) -> frozenset[str]:
    """The UIDs by which the panes' rows know these objects."""
    found = {snapshot.workloads[ref].uid for ref in refs if ref in snapshot.workloads}
    namespaces = {ref.name for ref in refs if ref.kind == "Namespace"}
    found |= {n.meta.uid for name, n in snapshot.namespace_by_name.items() if name in namespaces}
    for policies in (snapshot.authorization_policies, snapshot.network_policies):
        found |= {policy.meta.uid for policy in policies.values() if policy.meta.ref in refs}
    return frozenset(found)
