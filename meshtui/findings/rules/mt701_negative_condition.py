"""MT701: a controller reports in an object's status that it doesn't do what the object says."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.status import is_stale, reported
from meshtui.findings.waypoints import denies, destinations, guards, waypoint_of
from meshtui.model.condition import Condition
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.meta import Meta

_GATEWAY_KINDS = frozenset({"Gateway", "GatewayClass", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"})
_BROKEN = frozenset({"Accepted", "Programmed", "ResolvedRefs", "Conflicted", "Detached"})
_PASSES = frozenset({"AddressNotAssigned", "AddressNotUsable", "Pending"})
"""Reasons that a Gateway without an address of a load balancer has, which serves inside the cluster nevertheless."""
_MINOR = frozenset({"Reconciled", "PassedAnalysis", "Ready", "Scheduled"})
_EFFECTS = {
    "Programmed": "its configuration isn't in the proxies, so requests for it aren't served",
    "Conflicted": "the listener serves nothing: another one has its port and host",
    "istio.io/WaypointBound": "traffic goes past the waypoint, and nobody enforces its policies",
    "istio.io/WaypointMissing": "it has no effect in ambient until a waypoint is attached",
    "ZtunnelAccepted": "the ztunnels don't enforce what it says, or not all of it",
    "WaypointAccepted": "the waypoint doesn't enforce it for this target",
    "OverlappingTLSConfig": "a client may reuse a connection for a host of another listener",
    "PartiallyInvalid": "some of its rules are left out",
    "Reconciled": "what the proxies have may be older than the object",
}


def _look(context: Context) -> Iterator[Found]:
    """One finding for each negative condition; one about an earlier version of the object may be out of date."""
    for meta, condition in reported(context):
        if not condition.is_negative:
            continue
        of = f" for {condition.of}" if condition.of else ""
        said = f" ({condition.reason})" if condition.reason else ""
        late = ", of an earlier version of it" if is_stale(meta, condition) else ""
        words = f": {_one_line(condition.message)}" if condition.message else ""
        severity = _severity(context, meta, condition)
        yield Found(
            (meta.ref,),
            f"{meta.ref} reports {condition.type} {condition.status}{of}{said}{late}",
            f"{_effect(meta, condition)}{words}",
            Severity.WARNING if late and severity is Severity.ERROR else severity,
        )


def _severity(context: Context, meta: Meta, condition: Condition) -> Severity:
    if condition.type in _BROKEN and meta.kind in _GATEWAY_KINDS:
        return Severity.WARNING if condition.reason in _PASSES else Severity.ERROR
    if condition.type == "istio.io/WaypointBound":
        return Severity.ERROR if _guarded(context, meta.ref) else Severity.WARNING
    if condition.type in {"ZtunnelAccepted", "WaypointAccepted"}:
        if condition.status == "True":
            return Severity.WARNING
        policy = context.snapshot.authorization_policies.get(meta.uid)
        return Severity.ERROR if policy is not None and denies(policy) else Severity.WARNING
    return Severity.INFO if condition.type in _MINOR else Severity.WARNING


def _guarded(context: Context, ref: ObjectRef) -> bool:
    """Whether policies should be enforced for a Service or ServiceEntry at its waypoint."""
    service = next((each for each in context.once(destinations) if each.meta.ref == ref), None)
    waypoint = waypoint_of(context, service) if service is not None else None
    return waypoint is not None and bool(guards(context, waypoint, service))


def _effect(meta: Meta, condition: Condition) -> str:
    if condition.reason in _PASSES and meta.kind == "Gateway":
        return "it has no address for clients outside, or not the one that it asks for"
    if condition.type == "WaypointAccepted" and condition.status == "True":
        return "no waypoint enforces it for some of its targets"
    if condition.type in _EFFECTS:
        return _EFFECTS[condition.type]
    if condition.type == "Accepted":
        return "the controller ignores it there" if "Route" in meta.kind else "the controller doesn't serve it"
    if condition.type == "ResolvedRefs":
        return "requests to what can't be resolved are answered with an error" if "Route" in meta.kind else "it isn't served"
    return "the controller doesn't do what it says"


def _one_line(text: str) -> str:
    return " ".join(text.split())


RULE = Rule("MT701", "negative condition", Severity.WARNING, _look, partial=True)
