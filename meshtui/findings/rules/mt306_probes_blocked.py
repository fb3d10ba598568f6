"""MT306: the kubelet's probes of ambient pods are blocked."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.addresses import parse_address
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.fixes import KUBELET, rule_edits
from meshtui.findings.netrules import main_policy
from meshtui.findings.pods import is_ambient
from meshtui.model.finding import Fix, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import NetworkPolicy
from meshtui.model.workload import Pod


def _look(context: Context) -> Iterator[Found]:
    """In ambient, probes come from 169.254.7.127, which the exception for a pod's own node doesn't cover (istio.io: ambient)."""
    kubelet = Endpoint("the kubelet", address=parse_address(KUBELET))
    blocked: dict[ObjectRef, list[PodClass]] = {}
    policies: dict[ObjectRef, NetworkPolicy] = {}
    for member in context.classes:
        if not is_ambient(member) or not member.pods or context.by_cni(member.endpoint, Direction.INGRESS):
            continue
        ports = {port for pod in member.pods.values() if not _is_v6(pod) for port in _probed(pod)}
        denied = [
            port
            for port in ports
            if context.network.selecting(member.endpoint, Direction.INGRESS)
            and context.network.permit(Direction.INGRESS, member.endpoint, kubelet, port, "TCP", member.endpoint).policy is None
        ]
        policy = main_policy(context, member, Direction.INGRESS)
        if denied and policy is not None:
            blocked.setdefault(policy.meta.ref, []).append(member)
            policies[policy.meta.ref] = policy
    for ref, members in sorted(blocked.items()):
        owners = context.owners_of(members)
        failing = context.snapshot.live and any(not pod.ready for m in members for pod in m.pods.values())
        rule = {"from": [{"ipBlock": {"cidr": f"{KUBELET}/32"}}]}
        edits = rule_edits(context, policies[ref], "ingress", rule, owners, "probes")
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
