"""MT219: a label names a waypoint that doesn't exist."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.path.gateway_address import find_gateway
from meshtui.engine.path.waypoint import USE_WAYPOINT_NAMESPACE
from meshtui.engine.policy.unmodelled import USE_WAYPOINT
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.given import in_view, not_given
from meshtui.findings.waypoints import denies, destinations, guards, waypoint_of
from meshtui.findings.words import few
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.reason import Code
from meshtui.model.workload import Service


def _look(context: Context) -> Iterator[Found]:
    """Also a Gateway that isn't a waypoint, and, in a live cluster, one without an address, which Istio bypasses."""
    yield from _namespace_alone(context)
    users: dict[ObjectRef, list[tuple[ObjectRef, Service | None]]] = {}
    for ref, user, service in _labelled(context):
        users.setdefault(ref, []).append((user, service))
    for ref, several in users.items():
        gateway = find_gateway(context.snapshot, ref.namespace, ref.name)
        doubt = ""
        if gateway is None and not in_view(context, ref.namespace):
            continue  # it may be elsewhere
        if gateway is None:
            problem, doubt = f"{ref} isn't there", not_given(context.snapshot, ref)
        elif not gateway.is_waypoint:
            if "waypoint" in gateway.class_name:
                continue  # Another controller's waypoint, which isn't modelled
            problem = f"{ref} is of class {gateway.class_name}, no waypoint"
        elif context.snapshot.live and not gateway.addresses:
            problem = f"{ref} has no address yet"
        else:
            continue
        user = several[0][0]
        lost = sorted({p.meta.ref for _, service in several for p in guards(context, ref, service) if denies(p)})
        yield Found(
            (user, ref, *lost),
            f"{user} uses a waypoint, and {problem}{doubt}",
            f"nobody enforces {few(lost)}: whom it denies gets in"
            if lost
            else "the policies that the waypoint should enforce are enforced by nobody",
            Severity.INFO if doubt else Severity.ERROR if lost else None,
            affected=frozenset(lost),
        )


def _namespace_alone(context: Context) -> Iterator[Found]:
    """Labels that say where a waypoint is, and none that says which."""
    metas = [space.meta for space in context.snapshot.namespaces.values()]
    metas += [service.meta for service in context.once(destinations)]
    for meta in sorted(metas, key=lambda meta: meta.ref):
        if meta.labels.get(USE_WAYPOINT_NAMESPACE) and USE_WAYPOINT not in meta.labels:
            yield Found(
                (meta.ref,),
                f"{meta.ref} is labelled {USE_WAYPOINT_NAMESPACE}, and not {USE_WAYPOINT}",
                "the namespace of a waypoint counts only beside the name of one: this label has no effect",
            )


def _labelled(context: Context) -> Iterator[tuple[ObjectRef, ObjectRef, Service | None]]:
    """Each waypoint that a label names, with whom it is for: Services, ServiceEntries and workloads, or a namespace with pods."""
    for service in context.once(destinations):
        ref = waypoint_of(context, service)
        if ref is not None:
            yield ref, service.meta.ref, service
    for member in context.classes:
        pod = next(iter(member.pods.values()), None)
        attached = context.engine.binding(None, context.endpoint(pod)) if pod is not None else None
        if attached is not None and attached.doubt is not None and attached.doubt.code is Code.WAYPOINT_MISSING:
            namespace, _, name = attached.name.partition("/")
            yield from ((ObjectRef("Gateway", namespace, name), owner, None) for owner in sorted(context.owners(member)))
    for space in sorted(context.snapshot.namespaces.values(), key=lambda space: space.name):
        name = space.labels.get(USE_WAYPOINT, "none")
        if name != "none" and space.name in context.namespaces_with_pods:
            yield ObjectRef("Gateway", space.labels.get(USE_WAYPOINT_NAMESPACE, space.name), name), space.meta.ref, None


RULE = Rule("MT219", "waypoint that isn't there", Severity.WARNING, _look, ("Service", "Gateway"))
