"""The connections that a journey makes if all goes well: of its requests behind the gateway, and of its calls. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.journeys.hops import Entrance, Hop, gateway_hop, hop_of
from meshtui.journeys.model import Call, Journey, Request, Scalar
from meshtui.journeys.variables import UnsetError, Variables, in_path
from meshtui.model.errors import UsageError

BEFORE, AFTER = "before", "after"
_UNKNOWN = "x"
"""A placeholder for unknown values when only the route matters."""


def requests_of(journey: Journey) -> dict[str, Request]:
    """The requests by the names of the steps that send them."""
    found = {f"{gauge.name}_{when}": gauge.request for gauge in journey.gauge for when in (BEFORE, AFTER)}
    return found | {step.name: step.request for step in journey.step if step.request is not None}


def planned(journey: Journey, values: Mapping[str, Scalar]) -> Variables:
    """The variables at the start, with placeholders for those that only an answer gives."""
    taken = {name for step in journey.step for name in step.take} - set(journey.variables)
    return Variables({**dict.fromkeys(taken, _UNKNOWN), **values})


def request_hop(engine: Engine, entrance: Entrance, request: Request, variables: Variables) -> Hop | None:
    """The hop from the gateway to the backend of a request; None when it isn't known."""
    try:
        path = variables.text(request.path, in_path).partition("?")[0]
    except UnsetError:
        return None
    return gateway_hop(engine, entrance, request.method, path)


def call_hop(engine: Engine, call: Call, variables: Variables) -> Hop:
    """The hop of a call. Raises UsageError for a variable without a value, and for an end that isn't a reference."""
    try:
        return hop_of(engine, parse_flow(variables.text(call.source), variables.text(call.to)))
    except UnsetError as error:
        raise UsageError(f"call {call.name}: variable {str(error)!r} has no value") from error


def hops_of(engine: Engine, journey: Journey, values: Mapping[str, Scalar], entrance: Entrance) -> dict[str, Hop]:
    """The hops by the names of their steps and calls, without those that aren't known."""
    variables = planned(journey, values)
    found: dict[str, Hop] = {}
    for name, request in requests_of(journey).items():
        hop = request_hop(engine, entrance, request, variables)
        if hop is not None:
            found[name] = hop
    for call in (call for step in journey.step for call in step.call):
        try:
            found[call.name] = call_hop(engine, call, variables)
        except UsageError:
            continue
    return found
