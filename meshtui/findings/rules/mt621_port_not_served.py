"""MT621: a Service's targetPort is no port of the pods behind it."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.words import few
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.workload import Pod, Service, ServicePort


def _look(context: Context) -> Iterator[Found]:
    """A name that no container has leads nowhere. A number needn't be declared: it is a hint, unless somebody calls the port."""
    wanted = {(want.service.meta.ref, want.number): want.said_by for want in context.wants}
    for service in sorted(context.snapshot.services.values(), key=lambda service: service.meta.ref):
        pods = context.resolver.backends(service) if service.selector else []
        for port in service.ports if pods else ():
            served = context.resolver.behind.targets(service, port) and any(_declares(pod, port) for pod in pods)
            if not served:
                yield _found(context, service, port, pods, wanted.get((service.meta.ref, port.number)))


def _declares(pod: Pod, port: ServicePort) -> bool:
    """Whether a pod declares the number of a targetPort; one that declares no port of the protocol may have any."""
    declared = [each.number for each in pod.ports if each.protocol == port.protocol]
    return isinstance(port.target, str) or not declared or port.target in declared


def _found(context: Context, service: Service, port: ServicePort, pods: list[Pod], caller: ObjectRef | None) -> Found:
    named = isinstance(port.target, str)
    owners = tuple(dict.fromkeys(context.snapshot.owner_of(pod) for pod in pods))
    declared = sorted({(each.number, each.name) for pod in pods for each in pod.ports if each.protocol == port.protocol})
    known = ", ".join(f"{number}{f' ({name})' if name else ''}" for number, name in declared) or "none"
    calls = f"; {caller} calls it" if caller is not None else ""
    return Found(
        (service.meta.ref, *owners),
        f"{service.meta.ref} port {port.number} leads to {'the port named ' if named else 'port '}{port.target}, "
        f"which {few(owners)} {'has' if len(owners) == 1 else 'have'} not: {known}",
        f"the port has no endpoint, so connections to it fail{calls}"
        if named
        else f"unless a container listens there without declaring it, connections to it are refused{calls}",
        (Severity.ERROR if caller is not None else None) if named else None if caller is not None else Severity.INFO,
        affected=frozenset(owners),
    )


RULE = Rule("MT621", "Service port that nobody serves", Severity.WARNING, _look, ("Service", "Pod"))
