"""MT219: a label names a waypoint that doesn't exist."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.path.gateway_address import find_gateway
from meshtui.engine.path.waypoint import services_with_waypoint
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.given import in_view
from meshtui.findings.waypoints import waypoint_of
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef


def _look(context: Context) -> Iterator[Found]:
    """Also a Gateway that isn't a waypoint, and, in a live cluster, one without an address, which Istio bypasses."""
    told: set[ObjectRef] = set()
    for service in services_with_waypoint(context.snapshot):
        ref = waypoint_of(context, service)
        if ref is None or ref in told:
            continue
        gateway = find_gateway(context.snapshot, ref.namespace, ref.name)
        if gateway is None and not in_view(context, ref.namespace):
            continue
        if gateway is None:
            problem = f"{ref} isn't there"
        elif not gateway.is_waypoint:
            problem = f"{ref} is of class {gateway.class_name}, no waypoint"
        elif context.snapshot.live and not gateway.addresses:
            problem = f"{ref} has no address yet"
        else:
            continue
        told.add(ref)
        why = "the policies that the waypoint should enforce are enforced by nobody"
        yield Found((service.meta.ref, ref), f"{service.meta.ref} uses a waypoint, and {problem}", why)


RULE = Rule("MT219", "waypoint that isn't there", Severity.WARNING, _look, ("Service", "Gateway"))
