"""MT316: policies restrict who calls the workloads of a namespace, and none whom they call."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.netscope import SYSTEM, applications, selected
from meshtui.model.finding import Severity


def _look(context: Context) -> Iterator[Found]:
    """Only where no workload's egress is restricted: a policy with ``egress: [{}]`` says that it is meant to be open."""
    for namespace, workloads in sorted(applications(context).items()):
        pods = [pod for _, several in workloads for pod in several]
        if namespace in SYSTEM or any(selected(context, pod, Direction.EGRESS) for pod in pods):
            continue
        closed = [owner for owner, several in workloads if all(context.isolated(pod, Direction.INGRESS) for pod in several)]
        if closed:
            names = ", ".join(str(ref) for ref in closed[:3]) + (" …" if len(closed) > 3 else "")
            yield Found(
                (context.namespace_ref(namespace), *closed),
                f"policies of the network restrict who calls {names} in {namespace}, and none whom they call",
                "a pod that is taken over reaches other namespaces, the nodes and addresses outside the cluster",
            )


RULE = Rule("MT316", "egress that nothing restricts", Severity.INFO, _look, ("NetworkPolicy", "Pod"))
