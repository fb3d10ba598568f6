"""MT302: 15008 is open, so every port is open between ambient pods."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.policy.networkpolicy import Direction, allows_port
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.netrules import peers_of, permitted, through_tunnel, written_rules
from meshtui.findings.pods import declared_ports, guarded, is_ambient
from meshtui.model.constants import HBONE_PORT
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import NetworkPolicyRule

_LAST = 65535


def _look(context: Context) -> Iterator[Found]:
    """A warning if no ALLOW policy covers the destination, so that nothing in the mesh restricts ports at layer 4.

    A rule that opens all TCP ports means that: for its callers it is an info. So it is where policies open every port that the
    destination declares to the same callers.
    """
    found: dict[ObjectRef, tuple[list[PodClass], list[PodClass]]] = {}
    for written in written_rules(context):
        if written.direction is not Direction.INGRESS or not allows_port(written.rule, HBONE_PORT, "TCP", None):
            continue
        every = _means_every_port(written.rule)
        namespace = written.policy.meta.namespace
        callers = [m for m in context.of(peers_of(context, written.rule, namespace)) if m.pods]
        for member in context.of(context.selected(namespace, written.policy.pod_selector)):
            if _is_reached_by(context, member, callers):
                exposed = not every and _opens_more(context, member, callers)
                exposed = exposed and not any(guarded(context, pod) for pod in list(member.pods.values())[:1])
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


def _is_reached_by(context: Context, member: PodClass, callers: list[PodClass]) -> bool:
    """Whether one of some callers reaches pods through the tunnel, and NetworkPolicies alone say which of them may."""
    if not member.pods or not is_ambient(member) or context.by_cni(member.endpoint, Direction.INGRESS):
        return False
    return any(through_tunnel(source, member) for source in callers)


def _opens_more(context: Context, member: PodClass, callers: list[PodClass]) -> bool:
    """Whether callers reach a port through the tunnel that no policy opens to them; unknown ports count."""
    tunnelled = [source for source in callers if through_tunnel(source, member)]
    ports = declared_ports(context, member)
    known = [permitted(context, member, Direction.INGRESS, port) for port in ports]
    return not ports or any(not opened >> source.number & 1 for opened in known for source in tunnelled)


def _means_every_port(rule: NetworkPolicyRule) -> bool:
    """Whether a rule opens all TCP ports, also as a range."""
    tcp = [entry for entry in rule.ports if entry.protocol == "TCP"]
    return not rule.ports or any(entry.port is None or (entry.port == 1 and entry.end_port == _LAST) for entry in tcp)


def _names(context: Context, members: list[PodClass]) -> str:
    owners = context.owners_of(members)
    return ", ".join(str(owner) for owner in owners[:3]) + (" …" if len(owners) > 3 else "")


RULE = Rule("MT302", "HBONE open", Severity.INFO, _look, ("NetworkPolicy", "AuthorizationPolicy"), partial=True)
