"""MT108: a workload's own labels put it into ambient and ask for a sidecar."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.members import asks_for_both, namespace_labels, outcome
from meshtui.model.finding import Severity
from meshtui.model.membership import DATAPLANE_MODE, INJECT, REVISION, injection_label, was_captured
from meshtui.model.workload import Pod


def _look(context: Context) -> Iterator[Found]:
    """Where both are labels of the namespace, MT107 says it."""
    for workload, pods in context.workloads:
        torn = [pod for pod in pods if asks_for_both(context, pod) and not _by_namespace(context, pod)]
        if torn:
            ambient, sidecar = _ambient(context, torn[0]), _sidecar(context, torn[0])
            yield Found(
                (workload.ref,),
                f"{workload.ref} is meant for ambient ({ambient}) and for a sidecar ({sidecar})",
                outcome(context, torn),
            )


def _by_namespace(context: Context, pod: Pod) -> bool:
    labels = namespace_labels(context, pod)
    return labels.get(DATAPLANE_MODE) == "ambient" and bool(injection_label(labels))


def _ambient(context: Context, pod: Pod) -> str:
    if pod.labels.get(DATAPLANE_MODE) == "ambient":
        return f"its label {DATAPLANE_MODE}=ambient"
    if namespace_labels(context, pod).get(DATAPLANE_MODE) == "ambient":
        return f"its namespace's label {DATAPLANE_MODE}=ambient"
    return "the annotation of istio-cni" if was_captured(pod) else ""


def _sidecar(context: Context, pod: Pod) -> str:
    label = injection_label(namespace_labels(context, pod))
    if label:
        return f"its namespace's label {label}"
    return f"its label {INJECT}=true" if pod.labels.get(INJECT) == "true" else f"its label {REVISION}={pod.labels.get(REVISION)}"


RULE = Rule("MT108", "workload in both modes", Severity.WARNING, _look, ("Namespace",), partial=True)
