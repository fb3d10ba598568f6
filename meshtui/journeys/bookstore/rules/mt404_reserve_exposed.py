"""MT404: the reserve call can be made from outside."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.journeys.bookstore.builds import INVENTORY, RESERVE
from meshtui.model.errors import UsageError
from meshtui.model.finding import Severity
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint, HttpRequest
from meshtui.model.verdict import Decision


def _look(context: Context) -> Iterator[Found]:
    """The verdict on POST /inven/stock/reserve from outside, for each host of each route to inventory."""
    snapshot = context.snapshot
    service = next((s for s in snapshot.services.values() if s.meta.ref == INVENTORY), None)
    if service is None or not service.ports:
        return
    target = FlowEndpoint(EndpointKind.SERVICE, INVENTORY.namespace, INVENTORY.name)
    for route in sorted(snapshot.http_routes.values(), key=lambda r: r.meta.ref):
        backends = {(b.namespace or route.meta.namespace, b.name) for rule in route.rules for b in rule.backends}
        if (INVENTORY.namespace, INVENTORY.name) not in backends:
            continue
        for host in route.hostnames or ("",):
            request = HttpRequest("POST", RESERVE, host.replace("*", "any"))
            try:
                verdict = context.engine.judge(
                    Flow(FlowEndpoint(EndpointKind.EXTERNAL), target, service.ports[0].number, http=request)
                )
            except UsageError:
                continue
            if verdict.decision is Decision.ALLOW:
                yield Found(
                    (route.meta.ref, INVENTORY),
                    f"{route.meta.ref} lets POST {RESERVE} in from outside",
                    "anybody can put books aside without buying them: the shop is meant to be the only caller",
                    flows=1,
                    affected=frozenset({INVENTORY}),
                )
                break


RULE = Rule("MT404", "reserve call exposed", Severity.ERROR, _look, ("HTTPRoute", "Gateway", "Service"), partial=True)
