"""MT109: a pod of an ambient namespace runs a sidecar."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.members import asks_for_both, may_join, namespace_labels
from meshtui.model.finding import Severity
from meshtui.model.membership import INJECTED, asks_for_ambient


def _look(context: Context) -> Iterator[Found]:
    """Pods whose labels ask for the sidecar are MT107's and MT108's; those that opt out of ambient are as they should be."""
    for workload, pods in context.workloads:
        having = [pod for pod in pods if pod.has_sidecar and may_join(context, pod) and not asks_for_both(context, pod)]
        meant = [pod for pod in having if asks_for_ambient(pod, namespace_labels(context, pod))]
        if not meant:
            continue
        unmarked = [pod for pod in meant if INJECTED not in pod.meta.annotations]
        yield Found(
            (workload.ref,),
            f"{len(meant)} of {len(pods)} pods of {workload.ref} with a sidecar, though labels put them into ambient",
            f"istio-cni knows a sidecar by the annotation {INJECTED}, which isn't there: it captures the pod, too, "
            "and two proxies handle each connection"
            if unmarked
            else "istio-cni leaves a pod with a sidecar out of ambient until it is made anew: "
            "policies that a waypoint or ztunnel enforces aren't enforced there",
        )


RULE = Rule("MT109", "sidecar in ambient", Severity.WARNING, _look, ("Namespace",), partial=True)
