"""MT622: a Service's selector selects no pod."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.backing import is_open, not_seen
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity


def _look(context: Context) -> Iterator[Found]:
    """Pods that a controller will make, WorkloadEntries and the pods of automatic gateways count."""
    for service in sorted(context.snapshot.services.values(), key=lambda service: service.meta.ref):
        if not service.selector or context.resolver.backends(service) or is_open(context, service):
            continue
        ref = service.meta.ref
        labels = ", ".join(f"{key}={value}" for key, value in service.selector)
        near = _near(context, service.meta.namespace, dict(service.selector))
        doubt = not_seen(context, service)
        yield Found(
            (ref,),
            f"{ref} selects no pod: {labels}{near}{doubt}",
            "it has no endpoint: connections to it fail, and policies for it protect nothing",
            Severity.INFO if doubt else None,
        )


def _near(context: Context, namespace: str, selector: dict[str, str]) -> str:
    """A workload that has some of the labels, as a hint at what is meant."""
    for pod in context.snapshot.pods_by_namespace.get(namespace, ()):
        missing = [key for key, value in selector.items() if pod.labels.get(key) != value]
        if not pod.completed and len(missing) < len(selector):
            return f" ({context.snapshot.owner_of(pod)} differs in {', '.join(missing)})"
    return ""


RULE = Rule("MT622", "Service without pods", Severity.WARNING, _look, ("Service", "Pod"))
