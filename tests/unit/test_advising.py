"""Advice on a screen is computed again when what it depends on changed, and not at every tick."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.ui import advising
from tests.fakes.snapshots import ambient, pod, policy, snapshot_of

CLOSED = policy("a/np", "podSelector: {}\npolicyTypes: [Ingress]")
SNAPSHOT = snapshot_of([ambient("a"), pod("a/web", "10.0.0.1"), pod("a/db", "10.0.0.2", [5432]), CLOSED])
FLOW = parse_flow("a/web", "a/db:5432")


@pytest.fixture
def adviser(monkeypatch):
    made = []

    def counted(*args):
        made.append(args)
        return f"advice {len(made)}"

    monkeypatch.setattr(advising, "advise", counted)
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    adviser = advising.Adviser(lambda: now[0])

    def ask(snapshot, flow=FLOW, later=0):
        now[0] += timedelta(seconds=later)
        engine = Engine(snapshot)
        return adviser.of(engine, flow, engine.judge(flow))

    return ask


def test_the_same_verdict_on_the_same_policies_keeps_its_advice(adviser):
    assert adviser(SNAPSHOT) == "advice 1"
    assert adviser(replace(SNAPSHOT, pods=dict(SNAPSHOT.pods)), later=5) == "advice 1"


def test_another_policy_flow_or_time_asks_again(adviser):
    assert adviser(SNAPSHOT) == "advice 1"
    assert adviser(replace(SNAPSHOT, network_policies=dict(SNAPSHOT.network_policies))) == "advice 2"
    assert adviser(SNAPSHOT, parse_flow("a/web", "a/db:80")) == "advice 3"
    assert adviser(SNAPSHOT, parse_flow("a/web", "a/db:80"), later=60) == "advice 4"
