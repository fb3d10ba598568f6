"""MT622: a Service's selector selects no pod."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.backing import is_open, not_seen
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.words import few
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef

_WHY = "without pods it has no endpoint: connections to it fail, and policies for it protect nothing"


def _look(context: Context) -> Iterator[Found]:
    """Pods that a controller will make, WorkloadEntries and the pods of automatic gateways count.

    Services whose pods may be elsewhere are one finding for each namespace.
    """
    elsewhere: dict[tuple[str, str], list[ObjectRef]] = {}
    for service in sorted(context.snapshot.services.values(), key=lambda service: service.meta.ref):
        if not service.selector or context.resolver.backends(service) or is_open(context, service):
            continue
        ref, doubt = service.meta.ref, not_seen(context, service)
        if doubt:
            elsewhere.setdefault((ref.namespace, doubt), []).append(ref)
            continue
        labels = ", ".join(f"{key}={value}" for key, value in service.selector)
        near = _near(context, ref.namespace, dict(service.selector))
        yield Found((ref,), f"{ref} selects no pod: {labels}{near}", _WHY)
    for (_, doubt), refs in elsewhere.items():
        words = f"{few(refs)} {'selects' if len(refs) == 1 else 'select'} no pod{doubt}"
        yield Found(tuple(refs), words, _WHY, Severity.INFO)


def _near(context: Context, namespace: str, selector: dict[str, str]) -> str:
    """A workload that has some of the labels, as a hint at what is meant."""
    for pod in context.snapshot.pods_by_namespace.get(namespace, ()):
        missing = [key for key, value in selector.items() if pod.labels.get(key) != value]
        if not pod.completed and len(missing) < len(selector):
            return f" ({context.snapshot.owner_of(pod)} differs in {', '.join(missing)})"
    return ""


RULE = Rule("MT622", "Service without pods", Severity.WARNING, _look, ("Service", "Pod"))
