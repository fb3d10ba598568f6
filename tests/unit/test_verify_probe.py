"""What expectations ask of probes: tokens that nobody has, requests that no route takes, answers of a proxy on the way."""

from dataclasses import replace

import pytest

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.model.flow import HttpRequest, Jwt
from meshtui.model.observation import ProbePod
from meshtui.model.reason import Code, because
from meshtui.model.verdict import Decision, Layer, Step, StepResult, Verdict
from meshtui.probe.launch import _observed
from meshtui.probe.plan import Target, make_plan
from meshtui.probe.protocols import Attempt
from meshtui.settings import Probe
from tests.fakes.frozen import bookstore

FLOW = parse_flow("a/web", "a/svc/api:80", http=HttpRequest())


def planned(flow):
    return make_plan(Engine(bookstore()), [flow], Probe(), any_method=True)


def outside(to, path=None):
    return parse_flow("external", to, http=HttpRequest(path=path) if path else None)


def test_a_token_is_never_left_out_silently():
    flow = replace(outside("ecom/svc/ecom-service:8080", "/ecom/cart"), jwt=Jwt(subject="x"))
    plan = planned(flow)
    assert (plan.flows, len(plan.refused)) == (0, 1)
    assert "no token" in plan.refused[0].reason
    carried = replace(flow, http=HttpRequest(path="/ecom/cart", headers=(("authorization", "Bearer x"),)))
    assert planned(carried).flows == 1


@pytest.mark.parametrize(
    ("flow", "sent"),
    [
        (outside("ecom/svc/ecom-db:5432"), False),  # a GET / would reach the page, and say nothing of the database
        (outside("ecom/svc/ecom-service:8080"), False),
        (outside("ecom/svc/ecom-service:8080", "/ecom/books"), True),
        (outside("inventory/svc/inventory-service:8000", "/inven/other"), True),  # 404 is what is asked about
        (outside("ecom/svc/ecom-service:8080", "/inven/health"), False),
    ],
    ids=lambda value: f"{value.destination} {value.http and value.http.path}" if hasattr(value, "http") else "",
)
def test_from_outside_only_what_answers_the_question_is_sent(flow, sent):
    plan = planned(flow)
    assert (plan.flows, len(plan.refused)) == ((1, 0) if sent else (0, 1))


@pytest.mark.parametrize(
    ("layer", "server", "upstream", "reached"),
    [
        (Layer.WAYPOINT, "istio-envoy", "", False),
        (Layer.SIDECAR, "istio-envoy", "", False),
        (Layer.WAYPOINT, "istio-envoy", "12", True),  # an application behind it said so
        (Layer.WAYPOINT, "uvicorn", "", True),
        (Layer.ZTUNNEL, "envoy", "", True),  # no proxy on the way: the destination itself is an Envoy
    ],
)
def test_a_403_of_a_proxy_on_the_way_reached_nobody(layer, server, upstream, reached):
    verdict = Verdict(
        Decision.DENY, "http_403", layer, steps=(Step(layer, "somewhere", StepResult.BLOCK, because(Code.OWN_NODE)),)
    )
    attempts = [Attempt("1", n, 0, "403", server=server, upstream=upstream) for n in (1, 2)]
    target = Target("1", FLOW, verdict, "http", "10.0.0.1", 80)
    seen = _observed(target, attempts, ProbePod("a", "p", "sa"), [], captured=True)
    assert (seen.outcome, seen.reached) == ("http_403", reached)
    assert seen.agrees is not reached
