"""The connections of a checkout, with ends from the settings. Pure."""

from __future__ import annotations

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.journeys import hops
from meshtui.journeys.hops import Entrance, Hop, Seen, hop_of, read_lines
from meshtui.model.flow import FlowEndpoint
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod
from meshtui.settings import Checkout

__all__ = ["Hop", "Seen", "gateway_hop", "gateway_pods", "read_lines", "reserve_hop", "route_backend"]


def _entrance(settings: Checkout) -> Entrance:
    return Entrance(settings.gateway_namespace, settings.gateway_name, settings.host)


def reserve_hop(engine: Engine, settings: Checkout) -> Hop:
    """The hop of the reserve call. Raises UsageError when the client or server of the settings isn't a reference."""
    return hop_of(engine, parse_flow(settings.client, settings.server))


def gateway_hop(engine: Engine, settings: Checkout, method: str, path: str) -> Hop | None:
    """The hop from the gateway to the backend of a request; None when the route or the gateway's pods aren't known."""
    return hops.gateway_hop(engine, _entrance(settings), method, path)


def gateway_pods(snapshot: Snapshot, settings: Checkout) -> list[Pod]:
    """The running pods of the gateway."""
    return hops.gateway_pods(snapshot, _entrance(settings))


def route_backend(snapshot: Snapshot, settings: Checkout, method: str, path: str) -> tuple[FlowEndpoint, int] | None:
    """The Service and port to which the HTTPRoutes send a request, or None."""
    return hops.route_backend(snapshot, _entrance(settings), method, path)
