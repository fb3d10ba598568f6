"""Advice on denied flows of random clusters: what it calls enough is enough, and it names every other flow that it opens."""

import itertools
import random

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from meshtui.engine import Engine
from meshtui.engine.explain.advice import advise
from meshtui.engine.whatif.edits import with_edits
from meshtui.engine.whatif.shifts import What, what_of
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.verdict import Decision
from tests.fakes.snapshots import snapshot_of
from tests.reference.clusters import PORTS, Cluster, thing

SEEDS = st.integers(0, 10**6)
RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))
ROOT = "istio-system"


def crowded(rng, *, strange=False):
    """A random cluster in which most pods have a label of their own, and one or the other policy that closes everything."""
    objects = Cluster(rng, strange=strange).objects
    for one in objects:
        if one["kind"] == "Pod" and rng.random() < 0.8:
            one["metadata"]["labels"] |= {"own": one["metadata"]["name"]}
    if rng.random() < 0.3:
        objects.append(thing("security.istio.io/v1", "AuthorizationPolicy", "nothing", ROOT, spec={}))
    if rng.random() < 0.3:
        spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        objects.append(thing("networking.k8s.io/v1", "NetworkPolicy", "nothing", rng.choice("abc"), spec=spec))
    return objects


def end(key):
    space, _, name = key.partition("/")
    return FlowEndpoint(EndpointKind.POD, space, name)


def denied(rng, engine, keys):
    """A few denied flows between pods."""
    every = [f for f in itertools.product(keys, keys, [8080, 9000, 53], ["TCP", "TCP", "UDP"]) if f[0] != f[1]]
    for source, destination, port, protocol in rng.sample(every, min(60, len(every))):
        flow = Flow(end(source), end(destination), port, protocol)
        verdict = engine.judge(flow)
        if verdict.decision is Decision.DENY:
            yield flow, verdict


def decision(engine, source, destination, port, protocol):
    pods = engine.snapshot.pod_by_key
    return engine.between(engine.endpoint(pods[source]), engine.endpoint(pods[destination]), port, protocol).decision


def opens(before, after):
    what = what_of(before, after)
    if what is What.SETTLED:
        return after in {Decision.ALLOW, Decision.MIXED}
    return what is What.OPENED or (what is What.UNSURE and before is Decision.DENY)


def said_of(shifts):
    """Whether a flow between two pods is in some shifts of workloads, each of which is a single pod."""

    def said(source, destination, port, protocol):
        ends = tuple("{}/Pod/{}".format(*key.split("/")) for key in (source, destination))
        return any(
            (shift.source, shift.destination) == ends and name == protocol and first <= port <= last
            for shift in shifts
            for name, ranges in shift.ports
            for first, last in ranges
        )

    return said


@given(SEEDS)
@settings(RELAXED, max_examples=40)
def test_what_it_proposes_allows_the_flow_and_opens_exactly_what_it_says(seed):
    rng = random.Random(seed)
    snapshot = snapshot_of(crowded(rng, strange=rng.random() < 0.5))
    engine, keys = Engine(snapshot), sorted(snapshot.pod_by_key)
    for flow, verdict in itertools.islice(denied(rng, engine, keys), 2):
        advice = advise(engine, flow, verdict)
        edits = [change.edit for change in advice.changes if change.edit is not None]
        assert (advice.effect is None) == (not edits)
        if advice.effect is None:
            event("no edit")
            continue
        new = Engine(with_edits(snapshot, edits))
        assert new.judge(flow).decision is advice.effect.decision
        if all(change.edit is not None for change in advice.changes):
            event(f"all edits: {advice.effect.decision.value}")
            assert advice.effect.decision in {Decision.ALLOW, Decision.UNKNOWN}
        opened, closed = said_of(advice.effect.opens), said_of(advice.effect.closes)
        asked = (f"{flow.source}", f"{flow.destination}", flow.port, flow.protocol)
        for other in itertools.product(keys, keys, sorted({*PORTS, flow.port}), ["TCP", "UDP"]):
            if other[0] == other[1] or other == asked:
                continue
            before, after = decision(engine, *other), decision(new, *other)
            assert opened(*other) is opens(before, after), other
            assert closed(*other) is (what_of(before, after) is not None and not opens(before, after)), other


@given(SEEDS)
@settings(RELAXED, max_examples=40)
def test_no_edit_is_of_a_policy_for_others(seed):
    """Every edit is of a policy that selects one pod of the hop alone; none is in the root namespace."""
    rng = random.Random(seed)
    snapshot = snapshot_of(crowded(rng, strange=True))
    engine, keys = Engine(snapshot), sorted(snapshot.pod_by_key)
    for flow, verdict in itertools.islice(denied(rng, engine, keys), 3):
        for change in advise(engine, flow, verdict).changes:
            if change.edit is None:
                continue
            assert change.edit.ref.namespace != ROOT
            after = with_edits(snapshot, [change.edit])
            policies = (*after.network_policies.values(), *after.authorization_policies.values())
            policy = next(p for p in policies if p.meta.ref == change.edit.ref)
            selector = policy.pod_selector if policy.meta.kind == "NetworkPolicy" else policy.selector
            if selector is None:
                assert [ref.kind for ref in policy.target_refs] == ["Service"]
                continue
            chosen = [p.key for p in snapshot.pods_by_namespace[policy.meta.namespace] if holds(selector, p.labels)]
            assert chosen == [change.hop.source if change.layer.value == "egress_policy" else change.hop.destination] or (
                not chosen and "gateway-name" in str(selector)  # a waypoint's pod that isn't deployed yet
            )


def holds(selector, labels):
    from meshtui.engine.matching.selectors import matches

    return not selector.is_empty and matches(selector, labels)
