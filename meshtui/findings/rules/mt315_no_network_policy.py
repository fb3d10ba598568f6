"""MT315: a namespace that no policy of the network is about."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.netscope import SYSTEM, applications, selected
from meshtui.findings.pods import guarded
from meshtui.model.finding import Severity


def _look(context: Context) -> Iterator[Found]:
    """Policies of all kinds count, in each direction; so do those that may select a pod, and kinds that aren't evaluated."""
    for namespace, workloads in sorted(applications(context).items()):
        pods = [pod for _, several in workloads for pod in several]
        if namespace in SYSTEM or any(selected(context, pod, direction) for pod in pods for direction in Direction):
            continue
        number = len(workloads)
        safe = all(guarded(context, pod) for pod in pods)
        what = (
            "the mesh says who may call them, and nothing restricts whom they call"
            if safe
            else "the network restricts neither who calls them nor whom they call"
        )
        yield Found(
            (context.namespace_ref(namespace),),
            f"no policy of the network is about namespace {namespace}, with {number} workload{'' if number == 1 else 's'}",
            f"{what}: a pod that is taken over reaches other namespaces, the nodes and addresses outside the cluster",
        )


RULE = Rule("MT315", "namespace without NetworkPolicy", Severity.INFO, _look, ("NetworkPolicy", "Pod"))
