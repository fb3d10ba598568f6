"""MT306: the kubelet's probes of ambient pods are blocked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.explain.own_manifests import Opening
from meshtui.engine.matching.addresses import parse_address
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.tiers import Action, decide
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.fixes import KUBELET, rule_edits
from meshtui.findings.netrules import main_policy
from meshtui.findings.own_fixes import opening_edits
from meshtui.findings.pods import is_ambient
from meshtui.model.finding import Edit, Fix, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decider
from meshtui.model.workload import Pod


@dataclass(slots=True)
class _Blocked:
    """The classes whose probes a policy blocks, and their ports. ``denied``: by a rule, which no other policy can change."""

    members: list[PodClass] = field(default_factory=list)
    ports: set[int] = field(default_factory=set)
    denied: bool = False


def _look(context: Context) -> Iterator[Found]:
    """In ambient, probes come from 169.254.7.127, which the exception for a pod's own node doesn't cover (istio.io: ambient)."""
    blocked: dict[ObjectRef, _Blocked] = defaultdict(_Blocked)
    for member in context.classes:
        if not is_ambient(member) or not member.pods:
            continue
        ports = {port for pod in member.pods.values() if not _is_v6(pod) for port in _probed(pod)}
        by_own = context.by_cni(member.endpoint, Direction.INGRESS)
        for by, port in (_by_own if by_own else _by_kubernetes)(context, member, sorted(ports)):
            found = blocked[by.ref]
            found.ports.add(port)
            found.denied |= by.rule is not None
            if member not in found.members:
                found.members.append(member)
    for ref, found in sorted(blocked.items()):
        owners = context.owners_of(found.members)
        failing = context.snapshot.live and any(not pod.ready for m in found.members for pod in m.pods.values())
        edits = _edits(context, ref, found, owners)
        places = ", ".join(dict.fromkeys(str(edit.ref) for edit in edits))
        names = ", ".join(map(str, owners[:3])) + (" …" if len(owners) > 3 else "")
        yield Found(
            (ref, *owners),
            f"{ref} blocks the kubelet's probes of {names} ({KUBELET})",
            "its pods aren't ready: no Service sends them anything" if failing else "a pod that starts never becomes ready",
            Severity.ERROR if failing else None,
            len(owners) if failing else 0,
            Fix(f"an ingress rule in {places} for {KUBELET}", edits) if edits else None,
        )


_KUBELET = Endpoint("the kubelet", address=parse_address(KUBELET))


def _by_kubernetes(context: Context, member: PodClass, ports: Iterable[int]) -> Iterator[tuple[Decider, int]]:
    """The NetworkPolicy to change for each port on which none lets the kubelet in."""
    policy = main_policy(context, member, Direction.INGRESS)
    for port in ports if policy is not None else ():
        permit = context.network.permit(Direction.INGRESS, member.endpoint, _KUBELET, port, "TCP", member.endpoint)
        if permit.policy is None and policy is not None:
            yield Decider(policy.meta.ref), port


def _by_own(context: Context, member: PodClass, ports: Iterable[int]) -> Iterator[tuple[Decider, int]]:
    """What denies each port where policies of the CNI's own kinds select the pods."""
    tiers = context.own.tiers(Direction.INGRESS, member.endpoint) if context.own is not None else ()
    for port in ports:
        found = decide(tiers, _KUBELET, port, "TCP", member.endpoint.pod)
        if found is None or found.action is not Action.DENY:
            continue
        by = found.tier.by if found.rule is None else found.rule.decider
        if by is not None:
            yield by if found.rule is not None else Decider(by.ref), port


def _edits(context: Context, ref: ObjectRef, found: _Blocked, owners: tuple[ObjectRef, ...]) -> tuple[Edit, ...]:
    policy = next((p for p in context.snapshot.network_policies.values() if p.meta.ref == ref), None)
    if policy is not None:
        rule = {"from": [{"ipBlock": {"cidr": f"{KUBELET}/32"}}]}
        return rule_edits(context, policy, "ingress", rule, owners, "probes")
    if found.denied:
        return ()
    ports = tuple(("TCP", port) for port in sorted(found.ports))
    return opening_edits(context, ref, owners, Opening("ingress", None, "", KUBELET, ports), "probes")


def _probed(pod: Pod) -> Iterator[int]:
    """The TCP ports of the probes of a pod's containers."""
    for port in pod.probe_ports:
        if isinstance(port, int):
            yield port
        else:
            yield from (p.number for p in pod.ports if p.name == port)


def _is_v6(pod: Pod) -> bool:
    return bool(pod.ips) and ":" in pod.ips[0]


RULE = Rule("MT306", "probes blocked", Severity.WARNING, _look, ("NetworkPolicy",), partial=True)
