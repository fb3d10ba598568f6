"""MT107: a namespace is labelled for ambient and for sidecars."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.members import asks_for_both, may_join, outcome
from meshtui.model.finding import Severity
from meshtui.model.membership import DATAPLANE_MODE, injection_label


def _look(context: Context) -> Iterator[Found]:
    """Namespaces in which every pod says itself which of them it wants are left out; those without pods aren't."""
    snapshot = context.snapshot
    for namespace in sorted(snapshot.namespaces.values(), key=lambda each: each.name):
        label = injection_label(namespace.labels)
        if namespace.labels.get(DATAPLANE_MODE) != "ambient" or not label:
            continue
        pods = [pod for pod in snapshot.pods_by_namespace.get(namespace.name, ()) if not pod.completed and may_join(context, pod)]
        torn = [pod for pod in pods if asks_for_both(context, pod)]
        if torn or not pods:
            yield Found(
                (namespace.meta.ref,),
                f"{namespace.meta.ref} is labelled for ambient ({DATAPLANE_MODE}=ambient) and for sidecars ({label})",
                outcome(context, torn) or "a pod that is made there gets a sidecar, and istio-cni leaves it out of ambient",
            )


RULE = Rule("MT107", "namespace in both modes", Severity.WARNING, _look, ("Namespace",), partial=True)
