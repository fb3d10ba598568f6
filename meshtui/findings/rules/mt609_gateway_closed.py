"""MT609: a gateway has routes, and a policy denies every request on its way through it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.engine.endpoints import Endpoints
from meshtui.engine.explain.wording import in_words
from meshtui.engine.path.gateway import is_istios
from meshtui.engine.path.routes import SERVED, entries
from meshtui.engine.path.waypoint import instances
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.words import few
from meshtui.model.constants import POD_NETWORK_LAYERS
from meshtui.model.finding import Severity
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.gateway import Gateway
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decision, Verdict

_OUTSIDE = FlowEndpoint(EndpointKind.EXTERNAL)


def _look(context: Context) -> Iterator[Found]:
    """The verdict on a client outside, whatever it asks for, and for an automatic gateway the one on its way to the backends."""
    closed: set[ObjectRef] = set()
    for gateway in sorted(context.snapshot.gateways.values(), key=lambda g: g.meta.ref):
        if not gateway.is_waypoint and is_istios(context.snapshot, gateway):
            for found in _closed(context, gateway):
                closed.add(gateway.meta.ref)
                yield found
    yield from _behind(context, closed)


def _closed(context: Context, gateway: Gateway) -> Iterator[Found]:
    if not instances(context.snapshot, Endpoints(context.snapshot), gateway):
        return
    ref = gateway.meta.ref
    for port in dict.fromkeys(item.port for item in gateway.listeners if item.protocol in SERVED):
        routes = tuple(dict.fromkeys(entry.route.meta.ref for entry in entries(context.snapshot, gateway, port)))
        end = FlowEndpoint(EndpointKind.WORKLOAD, ref.namespace, ref.name, "Gateway")
        verdict = context.engine.judge(Flow(_OUTSIDE, end, port)) if routes else None
        if verdict is None or verdict.decision is not Decision.DENY or verdict.decided_by is None:
            continue
        by = verdict.decided_by.ref
        yield Found(
            (by, ref, *routes),
            f"{by} denies every request to {ref} on port {port}",
            f"{in_words(verdict.reason)}; nothing gets to {few(routes)}",
            None,
            len(routes),
            affected=frozenset((ref, *routes)),
        )


def _behind(context: Context, closed: set[ObjectRef]) -> Iterator[Found]:
    """Backends that the network doesn't let a gateway reach whose pods aren't in the manifests: MT303 and MT304 look at pods."""
    denied: dict[tuple[ObjectRef, ObjectRef], list[tuple[str, Verdict]]] = defaultdict(list)
    for call, verdict in context.denied_calls:
        by, gateway = verdict.decided_by, call.gateway
        absent = call.source.key not in context.snapshot.pod_by_key
        if gateway is not None and gateway not in closed and absent and by is not None and verdict.layer in POD_NETWORK_LAYERS:
            denied[by.ref, gateway].append((call.goes_to, verdict))
    for (policy, gateway), several in denied.items():
        ends = list(dict.fromkeys(end for end, _ in several))
        yield Found(
            (policy, gateway),
            f"{policy} denies what {gateway} sends to {', '.join(ends[:3])}{' …' if len(ends) > 3 else ''}",
            f"{in_words(several[0][1].reason)}; requests for these backends get 503",
            None,
            len(ends),
            affected=frozenset({gateway}),
        )


RULE = Rule(
    "MT609",
    "closed gateway",
    Severity.ERROR,
    _look,
    ("AuthorizationPolicy", "Gateway", "NetworkPolicy", "HTTPRoute"),
    partial=True,
)
