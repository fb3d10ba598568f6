"""Fixes in the kinds of the CNI's own that a namespace uses: a port in a rule, or a new policy for one workload."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from meshtui.engine.explain import manifests
from meshtui.engine.explain.own_manifests import Opening, example_in, like
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.whatif.narrow import free_name
from meshtui.findings.context import Context
from meshtui.findings.fixes import labels_of, own_labels
from meshtui.kinds.calico import CRD_GROUP
from meshtui.model.calico import CalicoPolicy
from meshtui.model.constants import HBONE_PORT
from meshtui.model.finding import Edit, Fix, Operation
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decider
from meshtui.model.workload import Pod

_DNS, _DNS_NAMESPACE = 53, "kube-system"
_PLACE = re.compile(r"(?:specs\[(\d+)\]\.)?(ingress|egress)\[(\d+)\]\Z")


def tunnel_fix(context: Context, deciders: Iterable[Decider]) -> Fix | None:
    """The fix that adds HBONE's port to rules of one policy; None for policies of the whole cluster: their owners decide."""
    several = list(dict.fromkeys(deciders))
    ref = several[0].ref
    policy = context.foreign.get(ref)
    if policy is None or not ref.namespace or policy.api_version.startswith(CRD_GROUP):
        return None
    operations = []
    for decider in several:
        place = _PLACE.match(decider.rule or "")
        if place is None:
            return None
        spec: tuple[str | int, ...] = ("specs", int(place[1])) if place[1] else ("spec",)
        at = (*spec, place[2], int(place[3]))
        if isinstance(policy.own, CalicoPolicy):
            operations.append(Operation("add", (*at, "destination", "ports", "-"), HBONE_PORT))
        else:  # an entry of its own: http rules of another one would be asked of the tunnel
            entry = {"ports": [{"port": str(HBONE_PORT), "protocol": "TCP"}]}
            operations.append(Operation("add", (*at, "toPorts", "-"), entry))
    places = ", ".join(decider.rule or "" for decider in several)
    return Fix(f"open {HBONE_PORT} in {places}", (Edit(ref, tuple(operations)),))


def to_pod(context: Context, pod: Pod, port: int, *, tunnel: bool) -> Opening:
    """The opening for egress to a pod's workload, with HBONE's port if the flow is tunnelled."""
    ports = (("TCP", port), ("TCP", HBONE_PORT)) if tunnel else (("TCP", port),)
    return Opening(Direction.EGRESS.value, labels_of(context, pod), pod.namespace, "", ports)


TO_DNS = Opening(Direction.EGRESS.value, {}, _DNS_NAMESPACE, "", (("UDP", _DNS), ("TCP", _DNS)))
"""The opening for asking for names."""


def opening_edits(
    context: Context, closing: ObjectRef, owners: Iterable[ObjectRef], opening: Opening, purpose: str
) -> tuple[Edit, ...]:
    """The edits that let workloads through, and no other workload: a new policy for each, named for its ``purpose``.

    Empty where a rule denies, or the end of another tier than that of NetworkPolicies, and for workloads without labels of their
    own. ``closing`` is the policy that closes the direction.
    """
    own = context.own
    if own is None or _is_in_another_tier(context, closing):
        return ()
    evaluated = [policy.ref for policy in own.policies.values()]
    taken = {(p.meta.kind, p.meta.namespace, p.meta.name) for p in context.foreign.values()}
    taken |= {(p.meta.kind, p.meta.namespace, p.meta.name) for p in context.snapshot.network_policies.values()}
    edits = []
    for owner in sorted(set(owners)):
        labels = own_labels(context, owner)
        if labels is None:
            return ()
        example = example_in(evaluated, context.foreign, owner.namespace, labels, opening)
        kind = example.meta.kind if example is not None else "NetworkPolicy"
        names = [name for each, space, name in taken if (each, space) == (kind, owner.namespace)]
        ref = ObjectRef(kind, owner.namespace, free_name(f"allow-{owner.name}-{purpose}-{opening.direction}", names))
        taken.add((kind, owner.namespace, ref.name))
        if example is not None:
            edits.append(Edit(ref, create=like(example, ref, labels, opening)))
        else:
            rule = _of_kubernetes(opening, owner.namespace)
            edits.append(Edit(ref, create=manifests.new_network_policy(ref, labels, opening.direction, rule)))
    return tuple(edits)


def own_policy_edit(context: Context, owner: ObjectRef, name: str, openings: Sequence[Opening]) -> Edit | None:
    """The edit that lets some in to a workload and nobody else, in the kind that its namespace uses; None if it uses none."""
    labels = own_labels(context, owner)
    if context.own is None or labels is None:
        return None
    evaluated = [policy.ref for policy in context.own.policies.values()]
    example = example_in(evaluated, context.foreign, owner.namespace, labels, *openings)
    if example is None:
        return None
    ref = ObjectRef(example.meta.kind, owner.namespace, name)
    return Edit(ref, create=like(example, ref, labels, *openings))


def _of_kubernetes(opening: Opening, home: str) -> dict[str, object]:
    """An opening as a rule of a NetworkPolicy."""
    side = "from" if opening.direction == Direction.INGRESS.value else "to"
    peer = manifests.address_peer(opening.address)
    if opening.labels is not None:
        peer = manifests.pods_peer(opening.labels, opening.namespace, home)
    ports = [{"protocol": protocol, "port": port} for protocol, port in opening.ports]
    return {side: [peer], "ports": ports}


def _is_in_another_tier(context: Context, closing: ObjectRef) -> bool:
    own = context.own
    if own is None:
        return False
    shared = {place.name for place in own.places if place.networkpolicies is not None}
    tier = next((policy.tier for policy in own.policies.values() if policy.ref == closing), "")
    return bool(tier) and tier not in shared
