"""MT601: a route's parent isn't there: a Gateway, a Service, or one of its ports."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.given import not_given
from meshtui.findings.routing import Parent, gateways, parents, services
from meshtui.model.finding import Edit, Fix, Operation, Severity
from meshtui.model.workload import Service


def _look(context: Context) -> Iterator[Found]:
    """A Gateway's listeners are looked at by MT602."""
    by_name = services(context)
    there = by_name.keys() | gateways(context).keys()
    for parent in context.once(parents):
        if parent.has_no_kind:
            yield _found(parent, f'is a Service of group {parent.written.group}, which has none: write group: ""', sure=True)
        elif parent.ref not in there:
            doubt = not_given(context.snapshot, parent.ref)
            yield _found(parent, f"names {parent.ref}, which isn't there{doubt}", sure=not doubt)
        elif not parent.is_gateway and not _has_port(by_name[parent.ref], parent):
            yield _found(parent, f"names port {parent.written.port} of {parent.ref}, which has no such port", sure=True)


def _has_port(service: Service, parent: Parent) -> bool:
    return parent.written.port is None or any(port.number == parent.written.port for port in service.ports)


def _found(parent: Parent, problem: str, *, sure: bool) -> Found:
    where = "no gateway has its rules" if parent.is_gateway else "no waypoint has its rules"
    place = ("spec", "parentRefs", parent.index, "group")
    edit = Edit(parent.route.meta.ref, (Operation("add", place, ""),))
    return Found(
        (parent.route.meta.ref, parent.ref),
        f"{parent.place} {problem}",
        f"{where} for this parent: requests that it is for are answered without them, or with 404",
        None if sure else Severity.INFO,
        fix=Fix(f"set the group of parentRefs[{parent.index}]", (edit,)) if parent.has_no_kind else None,
        affected=frozenset({parent.ref}),
        field=f"spec.parentRefs[{parent.index}]",
    )


RULE = Rule("MT601", "route without its parent", Severity.ERROR, _look, ("HTTPRoute", "Gateway", "Service"))
