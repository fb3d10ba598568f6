"""MT216: port-level mTLS modes that ambient doesn't enforce as written."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.explain.wording import in_words
from meshtui.engine.matching.selectors import matches
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.pods import declared_ports, is_ambient, meant_port
from meshtui.model.finding import Severity
from meshtui.model.policy import PeerAuthentication
from meshtui.model.reason import Reason
from meshtui.model.selectors import LabelSelector


def _look(context: Context) -> Iterator[Found]:
    """Errors of istiod's conversion, and port modes without labels to select by, which istiod refuses and ambient ignores.

    A PeerAuthentication of the root namespace with a selector counts nowhere (MT225).
    """
    for policy in sorted(context.snapshot.peer_authentications.values(), key=lambda p: p.meta.ref):
        ref = policy.meta.ref
        yield from _disabled(context, policy)
        if not policy.port_modes:
            continue
        if policy.selector is None or policy.selector.is_empty:
            how = "without a selector" if policy.selector is None else "with an empty selector"
            why = "port modes count for selected workloads only: istiod's validation refuses them for a namespace or the mesh"
            yield Found((ref,), f"{ref} sets modes of ports {how}", why, None if context.snapshot.live else Severity.ERROR)
            continue
        if ref.namespace == context.snapshot.mesh.root_namespace:
            continue
        pods = [member for member in context.classes_in(ref.namespace) if _is_chosen(member, policy.selector)]
        yield from _of_services(context, policy, pods)
        said: dict[Reason, None] = {}
        for member in pods:
            for port in sorted({*policy.port_modes, *declared_ports(context, member)}):
                pod = member.endpoint.pod
                assumption = context.peer_authentication.effective(pod, port).assumption if pod is not None else None
                if assumption:
                    said.setdefault(assumption)
        for reason in said:
            yield Found((ref,), f"{ref}: {in_words(reason)}", "its modes aren't enforced as they are written")


def _disabled(context: Context, policy: PeerAuthentication) -> Iterator[Found]:
    """DISABLE, which ambient doesn't support: istiod takes it as PERMISSIVE (istio.io, PeerAuthentication)."""
    root, home = context.snapshot.mesh.root_namespace, policy.meta.namespace
    selector = policy.selector if policy.selector is not None and not policy.selector.is_empty else None
    if policy.mode != "DISABLE" or (home == root and selector is not None):
        return
    members = context.classes if home == root else context.classes_in(home)
    if any(is_ambient(m) and (selector is None or _is_chosen(m, selector)) for m in members):
        why = "pods in ambient take plaintext, as with PERMISSIVE, and callers in the mesh use mutual TLS nevertheless"
        yield Found(
            (policy.meta.ref,), f"{policy.meta.ref}: ambient doesn't support DISABLE", why, Severity.INFO, field="spec.mtls"
        )


def _is_chosen(member: PodClass, selector: LabelSelector) -> bool:
    pod = member.endpoint.pod
    return pod is not None and is_ambient(member) and matches(selector, pod.labels)


def _of_services(context: Context, policy: PeerAuthentication, pods: list[PodClass]) -> Iterator[Found]:
    """Modes for ports that are a Service's, and no pod's."""
    ref = policy.meta.ref
    for port in sorted(port for port, mode in policy.port_modes.items() if mode != policy.mode):
        meant = meant_port(context, pods, port)
        if meant is not None:
            service, number = meant
            message = f"{ref}: {port} is a port of {service.meta.ref}, which leads to {number} of the pods"
            yield Found((ref, service.meta.ref), message, "modes are those of the pods' ports, and no pod has this one")


RULE = Rule("MT216", "port modes that don't hold", Severity.WARNING, _look, ("PeerAuthentication",), partial=True)
