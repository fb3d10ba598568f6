"""MT302: 15008 is open, so every port is open between ambient pods."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.netrules import peers_of, through_tunnel, written_rules
from meshtui.findings.pods import guarded, is_ambient
from meshtui.model.constants import HBONE_PORT
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef


def _look(context: Context) -> Iterator[Found]:
    """A warning if no ALLOW policy covers the destination, so that nothing in the mesh restricts ports at layer 4."""
    found: dict[ObjectRef, tuple[list[PodClass], list[PodClass]]] = {}
    for written in written_rules(context):
        opens = any(e.protocol == "TCP" and e.port == HBONE_PORT for e in written.rule.ports)
        if written.direction is not Direction.INGRESS or not opens:
            continue
        namespace = written.policy.meta.namespace
        callers = [m for m in context.of(peers_of(context, written.rule, namespace)) if m.pods]
        for member in context.of(context.selected(namespace, written.policy.pod_selector)):
            if context.by_cni(member.endpoint, Direction.INGRESS):
                continue
            if member.pods and is_ambient(member) and any(through_tunnel(source, member) for source in callers):
                exposed = not any(guarded(context, pod) for pod in list(member.pods.values())[:1])
                found.setdefault(written.policy.meta.ref, ([], []))[exposed].append(member)
    for ref, (_, bare) in found.items():
        if bare:
            names = _names(context, bare)
            why = f"NetworkPolicy can't tell ports apart in the tunnel, and no ALLOW policy covers {names}: all ports are open"
            yield Found((ref,), f"{ref} opens HBONE ({HBONE_PORT}): {_MEANS}", why, Severity.WARNING)
    for namespace in sorted({ref.namespace for ref in found}):
        refs = tuple(sorted(ref for ref, (_, bare) in found.items() if ref.namespace == namespace and not bare))
        if refs:
            names = _names(context, [member for ref in refs for member in found[ref][0]])
            head = (
                f"{len(refs)} NetworkPolic{'y' if len(refs) == 1 else 'ies'} of {namespace} open HBONE ({HBONE_PORT}): {_MEANS}"
            )
            yield Found(refs, head, f"which ports are meant, only the AuthorizationPolicies of {names} can say")


_MEANS = "to the callers that it names, every port is open at layer 3 and 4"


def _names(context: Context, members: list[PodClass]) -> str:
    owners = context.owners_of(members)
    return ", ".join(str(owner) for owner in owners[:3]) + (" …" if len(owners) > 3 else "")


RULE = Rule("MT302", "HBONE open", Severity.INFO, _look, ("NetworkPolicy", "AuthorizationPolicy"), partial=True)
