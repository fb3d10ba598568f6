"""What holds for every snapshot: laws of the judgement, and that no mutilated manifest breaks it."""

import copy
import json
from dataclasses import replace

import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.model.errors import ManifestError, UsageError
from meshtui.model.verdict import Decision
from meshtui.sandbox.scenarios import load
from meshtui.sources.manifests import load_manifests
from tests.fakes.snapshots import namespace, pod, policy, snapshot_of

AMBIENT = {"istio.io/dataplane-mode": "ambient"}
SPACES = ["a", "b", "c"]
BASE = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": AMBIENT | {"team": "x"}}},
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b", "labels": AMBIENT}},
    namespace("c", team="x"),
    *(
        pod(f"{space}/{name}", f"10.0.{i}.{j}", [("http", 8080), 15008 if j else 5432], {"app": name, "n": str(j)}, account=name)
        for i, space in enumerate(SPACES)
        for j, name in enumerate(("p", "q"))
    ),
]
PODS = [f"{space}/{name}" for space in SPACES for name in ("p", "q")]
FLOWS = st.builds(
    lambda source, destination, port: f"{source} > {destination}:{port}",
    st.sampled_from([*PODS, "8.8.8.8"]),
    st.sampled_from(PODS),
    st.sampled_from([8080, 5432, 15008, 1]),
)
LABEL_SELECTORS = st.sampled_from(
    [
        {},
        {"matchLabels": {"app": "p"}},
        {"matchLabels": {"app": "q", "n": "1"}},
        {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["p"]}]},
        {"matchExpressions": [{"key": "team", "operator": "Exists"}]},
    ]
)
BLOCKS = st.sampled_from([{"cidr": "10.0.0.0/16", "except": ["10.0.1.0/24"]}, {"cidr": "8.8.8.8/32"}])
PEERS = st.one_of(
    st.fixed_dictionaries({"podSelector": LABEL_SELECTORS}),
    st.fixed_dictionaries({"namespaceSelector": LABEL_SELECTORS}),
    st.fixed_dictionaries({"namespaceSelector": LABEL_SELECTORS, "podSelector": LABEL_SELECTORS}),
    st.fixed_dictionaries({"ipBlock": BLOCKS}),
)
PORTS = st.sampled_from([{"port": 8080}, {"port": "http"}, {"port": 15008}, {"port": 1, "endPort": 9000}, {"protocol": "UDP"}])
INGRESS = st.fixed_dictionaries({}, optional={"from": st.lists(PEERS, max_size=2), "ports": st.lists(PORTS, max_size=2)})
EGRESS = st.fixed_dictionaries({}, optional={"to": st.lists(PEERS, max_size=2), "ports": st.lists(PORTS, max_size=2)})
NETWORK_SPECS = st.fixed_dictionaries(
    {"podSelector": LABEL_SELECTORS},
    optional={
        "ingress": st.lists(INGRESS, max_size=2),
        "egress": st.lists(EGRESS, max_size=2),
        "policyTypes": st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]),
    },
)
SOURCES = st.sampled_from(
    [
        {"principals": ["cluster.local/ns/a/sa/p"]},
        {"principals": ["*"]},
        {"notNamespaces": ["a"]},
        {"serviceAccounts": ["q"]},
        {"ipBlocks": ["10.0.0.0/24"]},
        {"requestPrincipals": ["*"]},
        {},
    ]
)
OPERATIONS = st.sampled_from([{"ports": ["8080"]}, {"notPorts": ["8080"]}, {"methods": ["GET"]}, {"ports": ["x"]}, {}])
RULES = st.fixed_dictionaries(
    {},
    optional={
        "from": st.lists(st.fixed_dictionaries({"source": SOURCES}), max_size=2),
        "to": st.lists(st.fixed_dictionaries({"operation": OPERATIONS}), max_size=2),
    },
)
AUTHORIZATION_SPECS = st.fixed_dictionaries(
    {"action": st.sampled_from(["ALLOW", "DENY"]), "rules": st.lists(RULES, max_size=3)},
    optional={"selector": st.sampled_from([{"matchLabels": {"app": "p"}}, {"matchLabels": {"app": "q"}}])},
)
POLICIES = st.lists(
    st.one_of(
        st.tuples(st.just("NetworkPolicy"), st.sampled_from(SPACES), NETWORK_SPECS),
        st.tuples(st.just("AuthorizationPolicy"), st.sampled_from([*SPACES, "istio-system"]), AUTHORIZATION_SPECS),
    ),
    max_size=4,
)
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def world(written, *more):
    made = [policy(f"{space}/p{i}", spec, kind) for i, (kind, space, spec) in enumerate(written)]
    return snapshot_of(BASE, made, list(more))


def ask(snapshot, flow):
    source, _, destination = flow.partition(" > ")
    return Engine(snapshot).judge(parse_flow(source, destination))


@SLOW
@given(POLICIES, RULES, FLOWS, st.data())
def test_one_more_allow_rule_never_denies(written, rule, flow, data):
    index = [i for i, (kind, _, spec) in enumerate(written) if kind != "NetworkPolicy" and spec["action"] == "ALLOW"]
    assume(index)
    before = ask(world(written), flow)
    more = copy.deepcopy(written)
    more[data.draw(st.sampled_from(index))][2]["rules"].append(rule)
    after = ask(world(more), flow)
    assert before.decision is not Decision.ALLOW or after.decision is Decision.ALLOW


@SLOW
@given(POLICIES, AUTHORIZATION_SPECS, FLOWS)
def test_one_more_deny_policy_never_allows(written, spec, flow):
    before = ask(world(written), flow)
    after = ask(world([*written, ("AuthorizationPolicy", "istio-system", spec | {"action": "DENY"})]), flow)
    assert before.decision is not Decision.DENY or after.decision is Decision.DENY


@SLOW
@given(POLICIES, NETWORK_SPECS, st.sampled_from(SPACES), FLOWS)
def test_a_network_policy_that_selects_nothing_changes_nothing(written, spec, space, flow):
    idle = policy(f"{space}/idle", spec | {"podSelector": {"matchLabels": {"nobody": "has"}}})
    assert ask(world(written, idle), flow) == ask(world(written), flow)


@SLOW
@given(POLICIES, NETWORK_SPECS, FLOWS)
def test_a_policy_in_a_namespace_without_pods_changes_nothing(written, spec, flow):
    assert ask(world(written, policy("empty/p", spec)), flow) == ask(world(written), flow)


@SLOW
@given(POLICIES, FLOWS, st.randoms(use_true_random=False))
def test_a_permuted_snapshot_judges_the_same(written, flow, random):
    snapshot = world(written)
    fields = ("pods", "namespaces", "network_policies", "authorization_policies")
    shuffled = {}
    for field in fields:
        items = list(getattr(snapshot, field).items())
        random.shuffle(items)
        shuffled[field] = dict(items)
    assert ask(replace(snapshot, **shuffled), flow) == ask(snapshot, flow)


@SLOW
@given(POLICIES, st.randoms(use_true_random=False), st.sampled_from(PODS))
def test_a_services_verdict_does_not_depend_on_the_order_of_its_pods(written, random, source):
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "all", "namespace": "b"},
        "spec": {"selector": {}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    service["spec"]["selector"] = {"part": "s"}
    members = [pod(f"b/m{i}", f"10.0.9.{i}", [8080], {"part": "s", "app": app}) for i, app in enumerate("pqr")]
    snapshot = world(written, service, *members)
    pods = list(snapshot.pods.items())
    random.shuffle(pods)
    flow = f"{source} > b/svc/all:80"
    one, other = ask(snapshot, flow), ask(replace(snapshot, pods=dict(pods)), flow)
    assert (one.decision, one.layer, one.outcome, one.decided_by) == (
        other.decision,
        other.layer,
        other.outcome,
        other.decided_by,
    )
    assert {(p.source, p.destination, p.verdict) for p in one.pairs} == {
        (p.source, p.destination, p.verdict) for p in other.pairs
    }


def test_who_decides_a_mixed_verdict_does_not_depend_on_the_order_of_pods():
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "all", "namespace": "b"},
        "spec": {"selector": {"part": "s"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    members = [pod(f"b/m{app}", f"10.0.9.{i}", [8080], {"part": "s", "app": app}) for i, app in enumerate("xyz")]
    closed = [policy(f"b/close-{app}", {"podSelector": {"matchLabels": {"app": app}}}) for app in "xy"]
    snapshot = snapshot_of(BASE, [service], members, closed)
    answers = [
        ask(replace(snapshot, pods=dict(order)), "a/p > b/svc/all:80")
        for order in (list(snapshot.pods.items()), list(snapshot.pods.items())[::-1])
    ]
    assert {a.decision for a in answers} == {Decision.MIXED}
    assert answers[0].decided_by == answers[1].decided_by


@SLOW
@given(POLICIES, FLOWS)
def test_every_verdict_is_complete(written, flow):
    """Rule 1 of the architecture: outcome, who decides, and everything that was considered."""
    verdict = ask(world(written), flow)
    assert verdict.decision in {Decision.ALLOW, Decision.DENY}
    if verdict.decision is Decision.DENY:
        assert verdict.decided_by is not None
        assert verdict.reason
        assert any(s.result.value == "block" and verdict.decided_by in s.objects for s in verdict.steps)


# ---- mutilated manifests

HEALTHY = load("healthy")
POLICY_FILE = yaml.safe_dump_all([o for o in HEALTHY if o["kind"].endswith("Policy")][:4]).encode()
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.lists(st.none(), min_size=1, max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def _places(value, path=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from _places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield (*path, index)
            yield from _places(item, (*path, index))


def _mutilate(obj, path, junk):
    holder = obj
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = junk


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_mutilated_manifest_breaks_anything(tmp_path_factory, data):
    obj = copy.deepcopy(data.draw(st.sampled_from(HEALTHY), label="object"))
    path = data.draw(st.sampled_from(sorted(_places(obj), key=str)), label="path")
    _mutilate(obj, path, data.draw(JUNK, label="junk"))
    others = [o for o in HEALTHY if (o["kind"], o["metadata"]["name"]) != (obj.get("kind"), None) and o["kind"] != "Node"]
    file = tmp_path_factory.getbasetemp() / "mutilated.json"
    file.write_text(json.dumps([*others, obj]))
    judged(str(file))


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=60), st.integers(0, 4000), st.integers(0, 40))
def test_no_mangled_file_breaks_anything(tmp_path_factory, junk, at, cut):
    file = tmp_path_factory.getbasetemp() / "mangled.yaml"
    file.write_bytes(POLICY_FILE[:at] + junk + POLICY_FILE[at + cut :])
    judged(str(file))


def judged(file):
    """Read a file and ask everybody about everybody: nothing but ManifestError and UsageError may come out."""
    try:
        snapshot = load_manifests([file])
    except ManifestError:
        return
    engine = Engine(snapshot)
    for flow in (
        "ecom/deploy/ecom-service > inventory/svc/inventory-service:8000",
        "infra/deploy/gateway > ecom/svc/ecom-db:5432",
    ):
        source, _, destination = flow.partition(" > ")
        try:
            verdict = engine.judge(parse_flow(source, destination))
        except UsageError:
            continue
        assert verdict.decision in Decision
    assert all(workload.ref for workload in snapshot.workloads.values())


def test_a_summary_decides_as_all_pairs_do() -> None:
    """One pod of each class speaks for its class: decision, layer and decider are those of every pair."""
    from meshtui.engine import Engine
    from meshtui.engine.path.relations import flows_from, flows_to
    from tests.fakes.frozen import bookstore

    engine = Engine(bookstore())
    asked = 0
    for workload in engine.snapshot.workloads.values():
        for flow in (*flows_from(engine.snapshot, workload), *flows_to(engine.snapshot, workload)):
            whole, summary = engine.judge(flow), engine.summarize(flow)
            assert (summary.decision, summary.outcome, summary.layer) == (whole.decision, whole.outcome, whole.layer)
            assert summary.decided_by == whole.decided_by
            asked += 1
    assert asked > 150
