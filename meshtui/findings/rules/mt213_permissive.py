"""MT213: PERMISSIVE although every known caller is in the mesh."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.callers import meant
from meshtui.findings.context import Context
from meshtui.findings.pods import is_ambient
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef


def _look(context: Context) -> Iterator[Found]:
    """Known callers are those that configuration, routes and NetworkPolicies name; workloads without any are skipped."""
    callers: dict[ObjectRef, list[bool]] = defaultdict(list)
    lenient: set[ObjectRef] = set()
    for flow in meant(context):
        pod = flow.target.endpoint.pod
        if pod is None or not is_ambient(flow.target):
            continue
        for ref in context.owners(flow.target):
            callers[ref].append(flow.source.endpoint.principal is not None)
            if not context.peer_authentication.effective(pod, flow.port).strict:
                lenient.add(ref)
    ready: dict[str, list[ObjectRef]] = defaultdict(list)
    for ref, meshed in callers.items():
        if ref in lenient and all(meshed):
            ready[ref.namespace].append(ref)
    for namespace, refs in sorted(ready.items()):
        names = ", ".join(ref.name for ref in sorted(refs)[:4]) + (" …" if len(refs) > 4 else "")
        yield Found(
            tuple(sorted(refs)),
            f"plaintext is accepted in {namespace} where every known caller has an identity: {names}",
            "a PeerAuthentication with STRICT would close the way for callers without one, and break none that is known",
        )


RULE = Rule("MT213", "PERMISSIVE without need", Severity.INFO, _look, ("PeerAuthentication", "NetworkPolicy"))
