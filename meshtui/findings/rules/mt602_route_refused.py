"""MT602: a Gateway doesn't take a route: by its listeners' allowedRoutes, names, ports, protocols or hostnames."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.path.routes import Refusal, refusal
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.routing import Parent, gateways, parents
from meshtui.model.finding import Severity
from meshtui.model.gateway import Gateway


def _look(context: Context) -> Iterator[Found]:
    """Parents that aren't there are reported by MT601."""
    by_name = gateways(context)
    for parent in context.once(parents):
        gateway = by_name.get(parent.ref)
        refused = refusal(context.snapshot, parent.route, parent.written, gateway) if gateway is not None else None
        if gateway is None or refused is None:
            continue
        yield Found(
            (parent.route.meta.ref, gateway.meta.ref),
            f"{parent.place}: {gateway.meta.ref} doesn't take the route: {refused.value}{_details(refused, parent, gateway)}",
            "the gateway has none of its rules: requests for them get 404",
            field=f"spec.parentRefs[{parent.index}]",
        )


def _details(refused: Refusal, parent: Parent, gateway: Gateway) -> str:
    if refused is Refusal.LISTENER:
        wanted = [f"sectionName {parent.written.section}"] if parent.written.section else []
        wanted += [f"port {parent.written.port}"] if parent.written.port is not None else []
        known = ", ".join(f"{item.name}:{item.port}" for item in gateway.listeners) or "none"
        return f" ({', '.join(wanted)}; it has {known})" if wanted else ""
    if refused is Refusal.NAMESPACE:
        chosen = ", ".join(dict.fromkeys(item.allowed for item in gateway.listeners))
        return f" (allowedRoutes: {chosen}; the route is in {parent.route.meta.namespace})"
    if refused is Refusal.HOST:
        offered = ", ".join(dict.fromkeys(item.hostname or "*" for item in gateway.listeners))
        return f" ({', '.join(parent.route.hostnames)}; listeners are for {offered})"
    return f" ({', '.join(dict.fromkeys(item.protocol for item in gateway.listeners))})"


RULE = Rule("MT602", "route that its Gateway refuses", Severity.ERROR, _look, ("HTTPRoute", "Gateway", "Namespace"), partial=True)
