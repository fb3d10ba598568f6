"""MT225: a PeerAuthentication of the root namespace with a selector counts for no pod."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.matching.selectors import describe, matches
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.pods import declared_ports, is_ambient
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.membership import DATAPLANE_MODE
from meshtui.model.policy import PeerAuthentication


def _look(context: Context) -> Iterator[Found]:
    """istiod takes those without a selector for the mesh, and leaves the others out (ambient/workloads.go; istio/api#3604).

    Sidecars read an empty selector as none. An error where pods accept the plaintext that it forbids.
    """
    root = context.snapshot.mesh.root_namespace
    ambient = any(map(is_ambient, context.classes))
    ambient = ambient or any(n.labels.get(DATAPLANE_MODE) == "ambient" for n in context.snapshot.namespaces.values())
    for policy in sorted(context.snapshot.peer_authentications.values(), key=lambda p: p.meta.ref):
        selector, ref = policy.selector, policy.meta.ref
        if ref.namespace != root or selector is None or (selector.is_empty and not ambient):
            continue
        what = "an empty selector" if selector.is_empty else f"a selector ({describe(selector)})"
        who = "ambient pods" if selector.is_empty else "any pod"
        accepting = _accepting(context, policy)
        lost = f"{accepting} accepts the plaintext that it forbids" if accepting else "what it says is the mode of none"
        yield Found(
            (ref,),
            f"{ref} is in the root namespace and has {what}: it doesn't count for {who}",
            f"a PeerAuthentication is for the mesh without a selector, and for workloads in their own namespace: {lost}",
            Severity.ERROR if accepting else None,
            field="spec.selector",
        )


def _accepting(context: Context, policy: PeerAuthentication) -> ObjectRef | None:
    """An ambient workload that the policy means to be STRICT, and that accepts plaintext."""
    for member in context.classes:
        pod = member.endpoint.pod
        if pod is None or not member.pods or not is_ambient(member):
            continue
        if policy.selector is not None and not matches(policy.selector, pod.labels):
            continue
        for port in declared_ports(context, member) or (0,):
            strict = policy.port_modes.get(port, policy.mode) == "STRICT"
            if strict and not context.peer_authentication.effective(pod, port).strict:
                return context.snapshot.owner_of(pod)
    return None


RULE = Rule("MT225", "selector in the root namespace", Severity.WARNING, _look, ("PeerAuthentication",), partial=True)
