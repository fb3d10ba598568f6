"""Policies of CNIs' own kinds on random clusters: all pairs = one flow at a time, kept up to date = from scratch, and laws."""

import itertools
import random
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from meshtui.cni import named
from meshtui.engine import Engine
from meshtui.engine.explain.selected import Selected
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.policy.own import own_policies
from meshtui.findings.context import Context
from meshtui.findings.own import never_asked, tunnel_closed
from meshtui.model.cni import Cni, HostPods
from meshtui.model.flow import HttpRequest
from meshtui.model.snapshot import KindState, KindStatus
from meshtui.model.verdict import Decision
from tests.property.test_matrix import answer, answers, compared, flows, snapshot_of, told, verdict
from tests.reference.calico import Calico, as_calico
from tests.reference.calico_matcher import World as CalicoWorld
from tests.reference.calico_matcher import addresses
from tests.reference.cilium import Cilium, as_cilium
from tests.reference.cilium_matcher import World as CiliumWorld
from tests.reference.clusters import Cluster, pod_keys

RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 2**40)
LABELS = [{}, {"team": "x"}, {"team": "y"}, {"trust": "high"}, {"trust": "low", "team": "y"}]


@dataclass(frozen=True)
class Kinds:
    """A CNI, what makes its policies, a NetworkPolicy as one of them, the kinds that they read, and a slow reading of them."""

    cni: Cni
    maker: type
    rewritten: object
    reads: tuple[str, ...]
    slow: type


CALICO = Kinds(
    named("calico"), Calico, as_calico, ("ServiceAccount", "EndpointSlice", "NetworkSet.projectcalico.org"), CalicoWorld
)
CILIUM = Kinds(named("cilium"), Cilium, as_cilium, ("Service", "EndpointSlice", "CiliumCIDRGroup", "Pod"), CiliumWorld)
EACH = pytest.mark.parametrize("kinds", [CALICO, CILIUM], ids=["calico", "cilium"])


def world(kinds, seed, **how):
    rng = random.Random(seed)
    cluster = Cluster(rng, **how)
    maker = kinds.maker(cluster)
    return rng, maker, [*cluster.objects, *maker.objects()]


def perhaps_unread(kinds, rng, snapshot):
    """The snapshot, in some cases of a live cluster, or without a kind that the policies read."""
    snapshot = replace(snapshot, live=rng.random() < 0.4)
    if rng.random() < 0.3:
        state = rng.choice([KindState(KindStatus.FORBIDDEN), KindState(KindStatus.SYNCED, scope="a")])
        snapshot = replace(snapshot, kinds={rng.choice(kinds.reads): state})
    return snapshot


@EACH
@given(SEEDS)
@settings(RELAXED, max_examples=80)
def test_the_matrix_agrees_with_the_engine_down_to_the_deciding_rule(kinds, seed):
    rng, _, objects = world(kinds, seed, strange=random.Random(seed).random() < 0.5)
    snapshot = perhaps_unread(kinds, rng, snapshot_of(objects, kinds.cni))
    assert own_policies(snapshot) is not None
    matrix, engine = Matrix(snapshot), Engine(snapshot)
    for flow in flows(rng, pod_keys(objects), 300):
        cell = None if flow[0] == flow[1] else matrix.cell(matrix.class_of(flow[0]), matrix.class_of(flow[1]))
        left = cell is not None and cell.open is not None and flow[3] in cell.open.left.protocols
        said, wanted = answer(matrix, *flow), verdict(engine, *flow)
        if on_a_host(engine.endpoint(snapshot.pod_by_key[flow[0]])):
            assert left or said[0] in {wanted[0], Decision.UNKNOWN}, flow
        else:
            assert left or said == wanted, flow


def on_a_host(end):
    """Whether a pod may be seen as its node: all pairs don't know whether that is the destination's."""
    return end.host_pods is not HostPods.POD


@EACH
@given(SEEDS)
@settings(RELAXED, max_examples=15)
def test_pairs_behind_proxies_have_the_engines_word_too(kinds, seed):
    rng, _, objects = world(kinds, seed, strange=True, proxies=True)
    for flow, source, found, said in compared(Matrix(perhaps_unread(kinds, rng, snapshot_of(objects, kinds.cni))), rng):
        if on_a_host(source):
            assert found.decision in {said.decision, Decision.UNKNOWN}, flow
        else:
            assert found == said, flow


@EACH
@given(SEEDS)
@settings(RELAXED, max_examples=40)
def test_kept_up_to_date_equals_from_scratch(kinds, seed):
    rng, maker, objects = world(kinds, seed)
    matrix = Matrix(snapshot_of(objects, kinds.cni))
    for _ in range(8):
        objects = changed(rng, maker, objects)
        newer = (
            perhaps_unread(kinds, rng, snapshot_of(objects, kinds.cni)) if rng.random() < 0.2 else snapshot_of(objects, kinds.cni)
        )
        before = answers(matrix)
        touched = matrix.update(newer)
        assert answers(matrix) == answers(Matrix(newer))
        assert told(matrix, touched, before)


def changed(rng, maker, objects):
    """The objects after one random change."""
    makers = [maker.cluster.pod, maker.cluster.network_policy, maker.policy]
    makers += [maker.network_set] if isinstance(maker, Calico) else []
    match rng.randint(0, 3):
        case 0:
            return [*objects, rng.choice(makers)()]
        case 1:
            gone = rng.choice([o for o in objects if o["kind"] != "Namespace"])
            return [o for o in objects if o is not gone]
        case 2:
            place = rng.choice([i for i, o in enumerate(objects) if o["kind"] in {"Namespace", "ServiceAccount"}])
            fields = {"metadata": {**objects[place]["metadata"], "labels": rng.choice(LABELS)}}
        case _:
            place = rng.choice([i for i, o in enumerate(objects) if o["kind"] == "Pod"])
            fields = {"metadata": {**objects[place]["metadata"], "labels": maker.cluster.pod()["metadata"]["labels"]}}
    return [*objects[:place], {**objects[place], **fields}, *objects[place + 1 :]]


@EACH
@given(SEEDS)
@settings(RELAXED, max_examples=30)
def test_the_order_of_objects_changes_nothing(kinds, seed):
    rng, _, objects = world(kinds, seed)
    one, other = (Matrix(snapshot_of(each, kinds.cni)) for each in (objects, rng.sample(objects, len(objects))))
    for flow in flows(rng, pod_keys(objects), 200):
        assert answer(one, *flow) == answer(other, *flow), flow


def as_written(kinds, seed):
    """Pairs of answers of one flow: by NetworkPolicies, and by some of them written as the CNI's own."""
    rng = random.Random(seed)
    objects = [o for o in Cluster(rng).objects if not o["kind"].endswith("AdminNetworkPolicy")]
    written = [kinds.rewritten(o) if o["kind"] == "NetworkPolicy" and rng.random() < 0.6 else o for o in objects]
    one, other = Matrix(snapshot_of(objects, kinds.cni)), Matrix(snapshot_of(written, kinds.cni))
    for flow in flows(rng, pod_keys(objects), 200):
        yield flow, answer(one, *flow)[0], answer(other, *flow)[0]


@given(SEEDS)
@settings(RELAXED, max_examples=80)
def test_a_networkpolicy_written_as_calicos_decides_the_same(seed):
    for flow, before, after in as_written(CALICO, seed):
        assert before is after, flow


@given(SEEDS)
@settings(RELAXED, max_examples=80)
def test_a_networkpolicy_written_as_ciliums_decides_the_same_as_far_as_is_known(seed):
    for flow, before, after in as_written(CILIUM, seed):
        assert before is after or Decision.UNKNOWN in {before, after}, flow


# ---- Calico puts NetworkPolicies and admin policies into tiers

IDLE = {  # a GlobalNetworkPolicy might select nodes, and so decide for pods on the host network
    "apiVersion": "projectcalico.org/v3",
    "kind": "NetworkPolicy",
    "metadata": {"name": "default.idle", "namespace": "a"},
    "spec": {"tier": "default", "selector": "has(nobody)", "types": ["Ingress", "Egress"], "order": 5},
}


@given(SEEDS)
@settings(RELAXED, max_examples=80)
def test_without_policies_of_its_own_calico_reads_the_others_as_before(seed):
    """NetworkPolicies and the admin tiers as tiers of Calico's = as they are without; a Pass that may be is no doubt there."""
    rng = random.Random(seed)
    objects = Cluster(rng).objects
    plain, tiered = (Engine(snapshot_of([*objects, *more], CALICO.cni)) for more in ([], [IDLE]))
    for flow in flows(rng, pod_keys(objects), 200):
        before = verdict(plain, *flow)
        assert before[0] is Decision.UNKNOWN or before[:2] == verdict(tiered, *flow)[:2], flow


@given(SEEDS)
@settings(RELAXED, max_examples=60)
def test_a_policy_that_selects_nothing_changes_nothing(seed):
    rng, _, objects = world(CALICO, seed)
    one, other = (Matrix(snapshot_of([*more, *objects], CALICO.cni)) for more in ([], [IDLE]))
    for flow in flows(rng, pod_keys(objects), 200):
        assert answer(one, *flow) == answer(other, *flow), flow


# ---- what findings claim


@EACH
@given(SEEDS)
@settings(RELAXED, max_examples=40)
def test_what_is_never_asked_decides_nothing(kinds, seed):
    rng, _, objects = world(kinds, seed)
    snapshot = snapshot_of(objects, kinds.cni)
    never, engine = never_asked(Context(snapshot)), Engine(snapshot)
    for flow in flows(rng, pod_keys(objects), 200) if never else ():
        source, destination = (engine.endpoint(snapshot.pod_by_key[key]) for key in flow[:2])
        said = engine.between(source, destination, *flow[2:])
        assert said.decided_by not in never, flow


@EACH
@given(SEEDS)
@settings(RELAXED, max_examples=40)
def test_what_the_closed_tunnel_is_said_to_stop_is_never_allowed(kinds, seed):
    _, _, objects = world(kinds, seed, strange=True)
    context = Context(snapshot_of(objects, kinds.cni))
    for closed in tunnel_closed(context):
        source, target, port = closed.flow
        ends = next(iter(source.pods.values())), next(reversed(target.pods.values()))
        if ends[0] is not ends[1]:
            said = context.engine.between(*map(context.endpoint, ends), port, "TCP")
            assert said.decision is not Decision.ALLOW, (ends[0].key, ends[1].key, port)


# ---- a slow reading that shares no code with the engine


def plain_world(kinds, seed):
    """Pods with one address, and nothing but the CNI's own policies between them."""
    _, _, objects = world(kinds, seed)
    taken = {"Namespace", "Pod", "ServiceAccount", *OWN_KINDS}
    kept = [o for o in objects if o["kind"] in taken and not o["apiVersion"].startswith("networking.k8s.io")]
    kept = [o for o in kept if o["kind"] != "Pod" or (len(addresses(o)) == 1 and not o["spec"].get("hostNetwork"))]
    return [without_mesh(o) for o in kept]


OWN_KINDS = {
    *("NetworkPolicy", "GlobalNetworkPolicy", "Tier", "NetworkSet", "GlobalNetworkSet"),
    *("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy", "CiliumCIDRGroup"),
}


def without_mesh(obj):
    labels = {key: value for key, value in (obj["metadata"].get("labels") or {}).items() if "istio" not in key}
    return {**obj, "metadata": {**obj["metadata"], "labels": labels}}


@EACH
@given(SEEDS)
@settings(RELAXED, max_examples=60)
def test_policies_as_a_slow_reading_has_them(kinds, seed):
    rng, objects = random.Random(seed), plain_world(kinds, seed)
    engine, slow = Engine(snapshot_of(objects, kinds.cni)), kinds.slow(objects)
    for flow in flows(rng, pod_keys(objects), 150):
        said = verdict(engine, *flow)[0]
        versions = {address.version for key in flow[:2] for address in addresses(slow.pods[key])}
        if flow[0] != flow[1] and len(versions) == 1 and said is not Decision.UNKNOWN:
            assert (said is Decision.ALLOW) == slow.allows(*flow), flow


REQUESTS = st.builds(
    HttpRequest,
    st.sampled_from(["GET", "POST", "PUT"]),
    st.sampled_from(["/", "/v1", "/v1/books", "/v1?x=1", "/admin"]),
    st.sampled_from(["shop", "shop:80"]),
    st.sampled_from([(), (("X-Token", "a"),), (("X-Token", "b"), ("X-More", ""))]),
)


def to_http(objects):
    """Flows on the ports that http rules are about."""
    rules = [r for o in objects if "spec" in o for side in ("ingress", "egress") for r in o["spec"].get(side) or ()]
    entries = [entry for rule in rules for entry in rule.get("toPorts") or () if "rules" in entry]
    ports = {int(port["port"]) for entry in entries for port in entry["ports"]}
    return [(*pair, port, "TCP") for pair in itertools.permutations(pod_keys(objects), 2) for port in sorted(ports)]


@given(SEEDS, REQUESTS)
@example(208, HttpRequest("GET", "/", "shop", ()))
@settings(RELAXED, max_examples=60)
def test_requests_pass_ciliums_http_rules_as_a_slow_reading_has_them(seed, request):
    rng, objects = random.Random(seed), plain_world(CILIUM, seed)
    engine, slow = Engine(snapshot_of(objects, CILIUM.cni)), CILIUM.slow(objects)
    http = {"method": request.method, "path": request.path, "host": request.host, "headers": dict(request.headers)}
    for flow in (*to_http(objects), *flows(rng, pod_keys(objects), 50)):
        without, said = verdict(engine, *flow), verdict(engine, *flow, request)
        if without[0] is not Decision.UNKNOWN:
            assert said[0] is without[0], "what is known without a request holds for each"
            # a proxy at the source may refuse the request itself before the destination drops the connection
            assert said[1] == without[1] or (said[0] is Decision.DENY and said[1] == "http_403"), flow
        if flow[0] != flow[1] and said[0] is not Decision.UNKNOWN:
            assert (said[0] is Decision.ALLOW) == slow.allows(*flow, http), flow


def test_a_request_settles_what_is_said_to_depend_on_it():
    settled = closed = 0
    for seed in range(150):
        objects = plain_world(CILIUM, seed)
        engine = Engine(snapshot_of(objects, CILIUM.cni))
        for flow in to_http(objects):
            if verdict(engine, *flow)[4]:
                said = verdict(engine, *flow, HttpRequest("GET", "/v1", "shop"))
                settled += said[0] is not Decision.UNKNOWN
                closed += said[1] == "http_403"
                assert said[0] is not Decision.UNKNOWN or "enableDefaultDeny" in str(objects), flow
    assert settled > 20
    assert closed > 5


@EACH
def test_most_of_what_the_slow_reading_is_asked_is_known(kinds):
    known = asked = 0
    for seed in range(12):
        objects = plain_world(kinds, seed)
        engine = Engine(snapshot_of(objects, kinds.cni))
        for flow in flows(random.Random(seed), pod_keys(objects), 100):
            asked += 1
            known += verdict(engine, *flow)[0] is not Decision.UNKNOWN
    assert known > 0.7 * asked


@EACH
@given(SEEDS)
@settings(RELAXED, max_examples=40)
def test_a_policy_selects_the_pods_whose_tiers_have_it(kinds, seed):
    _, _, objects = world(kinds, seed, strange=True)
    engine = Engine(snapshot_of(objects, kinds.cni))
    selected, running = Selected(engine), [pod for pod in engine.snapshot.pods.values() if not pod.completed]
    for uid, policy in engine.own.policies.items():
        for direction in policy.rules:
            tiers = {pod.key: engine.own.tiers(direction, engine.endpoint(pod)) for pod in running}
            having = {key for key, several in tiers.items() if any(policy.ref in tier.policies for tier in several)}
            assert {pod.key for pod in selected.pods(engine.snapshot.foreign[uid])[0]} == having, policy.ref


@EACH
@given(SEEDS)
@settings(RELAXED, max_examples=40)
def test_the_pods_that_a_rule_names_are_among_those_that_it_is_about(kinds, seed):
    _, _, objects = world(kinds, seed)
    context = Context(snapshot_of(objects, kinds.cni))
    policies = context.own.policies.values() if context.own is not None else ()
    for policy in policies:
        rules = {rule.decider: rule for several in policy.rules.values() for rule in several}
        for peer in policy.named:
            surely, may = peer.pods.classes(context.index)
            for member in context.classes:
                here = bool((surely | may) >> member.number & 1)
                assert here is (peer.pods.match(member.endpoint) is not False), peer
                rule = rules.get(peer.decider)
                if rule is not None and here and kinds is CILIUM:
                    assert rule.peers.match(member.endpoint) is not False, peer
