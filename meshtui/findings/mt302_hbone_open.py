"""MT302: 15008 is open, so between ambient pods every port is."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.ambient import HBONE_PORT
from meshtui.engine.classes import PodClass
from meshtui.engine.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.netrules import peers_of, through_tunnel, written_rules
from meshtui.findings.pods import guarded, is_ambient
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef


def _look(context: Context) -> Iterator[Found]:
    """A warning where nothing at layer 4 of the mesh says which ports are meant: no ALLOW policy covers the destination."""
    found: dict[ObjectRef, tuple[list[PodClass], list[PodClass]]] = {}
    for written in written_rules(context):
        opens = any(e.protocol == "TCP" and e.port == HBONE_PORT for e in written.rule.ports)
        if written.direction is not Direction.INGRESS or not opens:
            continue
        namespace = written.policy.meta.namespace
        callers = [m for m in context.of(peers_of(context, written.rule, namespace)) if m.pods]
        for member in context.of(context.selected(namespace, written.policy.pod_selector)):
            if member.pods and is_ambient(member) and any(through_tunnel(source, member) for source in callers):
                bare = not any(guarded(context, pod) for pod in list(member.pods.values())[:1])
                found.setdefault(written.policy.meta.ref, ([], []))[bare].append(member)
    for ref, (safe, bare) in found.items():
        owners = context.owners_of(bare or safe)
        names = ", ".join(str(owner) for owner in owners[:3]) + (" …" if len(owners) > 3 else "")
        if bare:
            why = f"NetworkPolicy can't tell ports apart in the tunnel, and no ALLOW policy covers {names}: all ports are open"
        else:
            why = f"inside the tunnel the AuthorizationPolicies of {names} tell ports apart, if they name any"
        head = f"{ref} opens HBONE ({HBONE_PORT}): to the callers that it names, every port is open at layer 3 and 4"
        yield Found((ref,), head, why, Severity.WARNING if bare else None)


RULE = Rule("MT302", "HBONE open", Severity.INFO, _look, ("NetworkPolicy", "AuthorizationPolicy"), partial=True)
