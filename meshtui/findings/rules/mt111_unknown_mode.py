"""MT111: a label says another data plane mode than there are."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.membership import DATAPLANE_MODE

_MODES = frozenset({"ambient", "none"})


def _look(context: Context) -> Iterator[Found]:
    """istio-cni compares the value as it is written (istio/istio cni/pkg/util, EnablementSelectors)."""
    snapshot = context.snapshot
    for namespace in sorted(snapshot.namespaces.values(), key=lambda each: each.name):
        written = namespace.labels.get(DATAPLANE_MODE)
        if written is not None and written not in _MODES:
            yield _found(namespace.meta.ref, written, "its pods aren't captured by it: their traffic goes past ztunnel")
    for workload, pods in context.workloads:
        values = sorted({pod.labels[DATAPLANE_MODE] for pod in pods if DATAPLANE_MODE in pod.labels} - _MODES)
        if values:
            yield _found(workload.ref, values[0], "to istio-cni it is as if it weren't there: the namespace's label decides")


def _found(ref: ObjectRef, written: str, effect: str) -> Found:
    return Found((ref,), f"{ref} has the label {DATAPLANE_MODE}={written}; its values are ambient and none", effect)


RULE = Rule("MT111", "unknown mode", Severity.WARNING, _look, ("Namespace",), partial=True)
