"""MT216: port-level mTLS modes that ambient doesn't enforce as written."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.explain.wording import in_words
from meshtui.engine.matching.selectors import matches
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.pods import declared_ports, is_ambient
from meshtui.model.finding import Severity
from meshtui.model.reason import Reason


def _look(context: Context) -> Iterator[Found]:
    """Errors of istiod's conversion, and port modes without labels to select by, which istiod refuses and ambient ignores.

    A PeerAuthentication of the root namespace with a selector counts nowhere (MT225).
    """
    for policy in sorted(context.snapshot.peer_authentications.values(), key=lambda p: p.meta.ref):
        ref = policy.meta.ref
        if not policy.port_modes:
            continue
        if policy.selector is None or policy.selector.is_empty:
            how = "without a selector" if policy.selector is None else "with an empty selector"
            why = "port modes count for selected workloads only: istiod's validation refuses them for a namespace or the mesh"
            yield Found((ref,), f"{ref} sets modes of ports {how}", why)
            continue
        if ref.namespace == context.snapshot.mesh.root_namespace:
            continue
        said: dict[Reason, None] = {}
        for member in context.classes_in(ref.namespace):
            pod = member.endpoint.pod
            if pod is None or not is_ambient(member) or not matches(policy.selector, pod.labels):
                continue
            for port in sorted({*policy.port_modes, *declared_ports(context, member)}):
                assumption = context.peer_authentication.effective(pod, port).assumption
                if assumption:
                    said.setdefault(assumption)
        for reason in said:
            yield Found((ref,), f"{ref}: {in_words(reason)}", "its modes aren't enforced as they are written")


RULE = Rule("MT216", "port modes that don't hold", Severity.WARNING, _look, ("PeerAuthentication",), partial=True)
