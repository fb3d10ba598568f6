"""MT240: a label names a waypoint that doesn't take the traffic: it refuses the namespace, or is for other traffic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.engine.explain.wording import in_words
from meshtui.engine.path.waypoint import Attachment
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.waypoints import Guard, destinations, guards
from meshtui.findings.words import few
from meshtui.model.finding import Severity
from meshtui.model.gateway import Gateway
from meshtui.model.ids import ObjectRef
from meshtui.model.reason import Code, Reason
from meshtui.model.workload import Service

_REFUSED = frozenset({Code.WAYPOINT_NOT_FOR_NAMESPACE, Code.WAYPOINT_NOT_FOR_TRAFFIC})


def _look(context: Context) -> Iterator[Found]:
    """One finding for each waypoint and reason, with the Services and workloads whose traffic goes past it."""
    past: dict[tuple[ObjectRef, Reason], list[tuple[ObjectRef, Service | None, Gateway]]] = defaultdict(list)
    for ref, service, attached in _labelled(context):
        gateway, reason = attached.gateway, attached.past
        if gateway is not None and reason is not None and reason.code in _REFUSED:
            past[gateway.meta.ref, reason].append((ref, service, gateway))
    for (waypoint, reason), users in past.items():
        lost = _lost(context, waypoint, users)
        refs = tuple(dict.fromkeys(ref for ref, _, _ in users))
        named = tuple(policy.meta.ref for policy in lost)
        what = f"nobody enforces {few(named)} there" if lost else "the label has no effect"
        yield Found(
            (*named, *refs, waypoint),
            f"{few(refs)}: {in_words(reason)}",
            f"traffic goes past the waypoint: {what}",
            Severity.ERROR if lost else None,
            affected=frozenset(named),
        )


def _labelled(context: Context) -> Iterator[tuple[ObjectRef, Service | None, Attachment]]:
    """What the engine says about the waypoint of each Service, and of each workload's addresses."""
    for service in context.once(destinations):
        attached = context.engine.binding(service)
        if attached is not None:
            yield service.meta.ref, service, attached
    for member in context.classes:
        pod = next(iter(member.pods.values()), None)
        attached = context.engine.binding(None, context.endpoint(pod)) if pod is not None else None
        if attached is not None:
            yield from ((owner, None, attached) for owner in sorted(context.owners(member)))


def _lost(context: Context, waypoint: ObjectRef, users: list[tuple[ObjectRef, Service | None, Gateway]]) -> list[Guard]:
    """The policies that would be enforced for this traffic, sorted by name."""
    found = {policy.meta.ref: policy for _, service, _ in users for policy in guards(context, waypoint, service)}
    return [found[ref] for ref in sorted(found)]


RULE = Rule(
    "MT240",
    "waypoint that refuses the traffic",
    Severity.WARNING,
    _look,
    ("AuthorizationPolicy", "Service", "Gateway"),
    partial=True,
)
