"""MT603: a route sends to a Service that isn't there, or to a port that the Service hasn't."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.given import not_given
from meshtui.findings.routing import Backend, backends, services
from meshtui.model.finding import Severity
from meshtui.model.gateway import OtherRoute
from meshtui.model.workload import Service


def _look(context: Context) -> Iterator[Found]:
    """A backend of weight 0 gets no requests: an info. TCP ports count, since requests are sent by TCP."""
    by_name = services(context)
    for backend in context.once(backends):
        problem, doubt = _problem(context, backend, by_name.get(backend.ref))
        if problem:
            used = backend.to.weight > 0
            yield Found(
                (backend.route.meta.ref, backend.ref),
                f"{backend.place}: {problem}{doubt}",
                _effect(backend) if used else "its weight is 0: it gets no requests now",
                Severity.INFO if doubt or not used else None,
                affected=frozenset({backend.ref}),
                field=backend.field,
            )


def _effect(backend: Backend) -> str:
    if isinstance(backend.route, OtherRoute):
        return "connections that it gets are closed"
    return "requests that it gets are answered with 500"


def _problem(context: Context, backend: Backend, service: Service | None) -> tuple[str, str]:
    """The problem with a backend, and why it may be none; empty if there is none."""
    port = backend.to.port
    if service is None:
        return f"there is no {backend.ref}", not_given(context.snapshot, backend.ref)
    if port is None:
        return f"it names no port of {backend.ref}", ""
    if any(each.number == port and each.protocol == "TCP" for each in service.ports):
        return "", ""
    known = ", ".join(str(each.number) for each in service.ports) or "none"
    return f"{backend.ref} has no port {port} (its ports: {known})", ""


RULE = Rule("MT603", "backend that isn't there", Severity.ERROR, _look, ("HTTPRoute", "Service"))
