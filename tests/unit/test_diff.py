"""``meshtui diff`` on small clusters: what it prints, what it says to a pull-request check, and how manifests are laid over."""

import io
import json
import sys

import msgspec
import pytest
import yaml

from meshtui.cli.main import run
from meshtui.cli.schemas.changes import Diffed
from meshtui.engine import Engine
from meshtui.engine.whatif.compare import compare
from meshtui.engine.whatif.overlay import overlaid
from meshtui.engine.whatif.shift_flows import promised_flows
from meshtui.engine.whatif.shifts import What
from meshtui.model.verdict import Decision
from meshtui.sandbox import scenarios
from tests.fakes.cilium import cnp
from tests.fakes.frozen import bookstore
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of

CLOSED = policy("shop/db", "podSelector: {matchLabels: {app: db}}\npolicyTypes: [Ingress]")
OPEN = policy(
    "shop/db",
    """
podSelector: {matchLabels: {app: db}}
ingress: [{from: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 5432}]}]
""",
)
BASE = [
    namespace("shop"),
    pod("shop/api", "10.0.0.1", [8080]),
    pod("shop/db", "10.0.0.2", [5432]),
    pod("shop/web", "10.0.0.3", [80]),
]
ALLOW = """
apiVersion: meshtui/v1
flows:
  - {from: shop/api, to: "shop/db:5432", expect: allow}
"""


@pytest.fixture
def written(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else yaml.safe_dump_all(content))
        return str(path)

    return write


def shifts(before, after):
    found = compare(before, after).shifts
    return {(s.source, s.destination, s.what, s.ports) for s in found}


def test_a_policy_that_opens_a_port_is_one_line_and_exit_1(capsys, written):
    old, new = written("old.yaml", [*BASE, CLOSED]), written("new.yaml", [OPEN])
    assert run(["diff", new, "-f", old]) == 1
    text = capsys.readouterr().out
    assert "NetworkPolicy shop/db edited" in text
    assert "opened: 1 pair\n" in text
    assert (
        "  + shop/Pod/api → shop/Pod/db  TCP 5432  ✗ ingress_policy NetworkPolicy shop/db"
        " → ✓ ingress_policy NetworkPolicy shop/db ingress[0]\n"
    ) in text
    assert "closed" not in text
    assert "nothing else changes among:\n  every pair of 3 pods" in text
    assert "not computed:\n  addresses outside the cluster\n" in text


def test_closing_it_is_no_failure(capsys, written):
    old, new = written("old.yaml", [*BASE, OPEN]), written("new.yaml", [CLOSED])
    assert run(["diff", new, "-f", old]) == 0
    assert "closed: 1 pair\n  - shop/Pod/api → shop/Pod/db  TCP 5432" in capsys.readouterr().out


def test_what_is_on_the_list_may_be_opened(capsys, written):
    old, new, allow = written("old.yaml", [*BASE, CLOSED]), written("new.yaml", [OPEN]), written("allow.yaml", ALLOW)
    assert run(["diff", new, "-f", old, "--allow", allow]) == 0
    assert "(allowed)" in capsys.readouterr().out


WIDE = policy("shop/db", "podSelector: {matchLabels: {app: db}}\ningress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]")


@pytest.mark.parametrize(
    ("policy_after", "listed", "words", "code"),
    [
        pytest.param(OPEN, ALLOW.replace("5432", "5433"), [], 1, id="another port"),
        pytest.param(OPEN, ALLOW.replace("shop/api", "shop/web"), [], 1, id="another source"),
        pytest.param(OPEN, ALLOW.replace("allow", "deny"), [], 1, id="an entry that expects a denial allows nothing"),
        pytest.param(OPEN, ALLOW.replace("allow", "connected"), [], 0, id="connected"),
        pytest.param(OPEN, ALLOW.replace("shop/api,", '"shop/*",'), [], 0, id="a pattern"),
        pytest.param(OPEN, ALLOW.replace("shop/api,", "shop/nobody,"), [], 1, id="somebody who isn't there"),
        pytest.param(WIDE, ALLOW, [], 0, id="ports that nobody declares don't count"),
        pytest.param(WIDE, ALLOW, ["--all-ports"], 1, id="unless they are asked for"),
    ],
)
def test_the_list_covers_source_destination_and_port(capsys, written, policy_after, listed, words, code):
    old, new, allow = written("old.yaml", [*BASE, CLOSED]), written("new.yaml", [policy_after]), written("allow.yaml", listed)
    assert run(["diff", new, "-f", old, "--allow", allow, *words]) == code


def test_a_port_beyond_the_list_is_named(capsys, written):
    base = [*BASE[:2], pod("shop/db", "10.0.0.2", [5432, 9187]), CLOSED]
    old, new, allow = written("old.yaml", base), written("new.yaml", [WIDE]), written("allow.yaml", ALLOW)
    assert run(["diff", new, "-f", old, "--allow", allow, "-o", "json"]) == 1
    opened = json.loads(capsys.readouterr().out)["opened"]
    assert [line["not_allowed"] for line in opened] == ["TCP 9187"]


def test_what_cant_be_told_any_more_is_exit_4(capsys, written):
    strange = policy("shop/db", {"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [], "invented": True})
    old, new = written("old.yaml", [*BASE, CLOSED]), written("new.yaml", [strange])
    assert run(["diff", new, "-f", old]) == 4
    assert "can't be told any more" in capsys.readouterr().out


def test_prune_deletes_what_new_does_not_hold(capsys, written):
    old, new = written("old.yaml", [*BASE, CLOSED]), written("new.yaml", BASE)
    assert run(["diff", new, "-f", old]) == 0
    assert "no object that a verdict rests on is another" in capsys.readouterr().out
    assert run(["diff", new, "-f", old, "--prune"]) == 1
    assert "NetworkPolicy shop/db deleted" in capsys.readouterr().out


def test_prune_needs_the_old_manifests(capsys, written):
    assert run(["diff", written("new.yaml", BASE), "--prune"]) == 2
    assert "-f OLD" in capsys.readouterr().err


def test_standard_input_is_read_once(capsys, written, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(yaml.safe_dump(OPEN).encode())))
    assert run(["diff", "-", "-f", written("old.yaml", [*BASE, CLOSED])]) == 1
    assert run(["diff", "-", "-f", "-"]) == 2


def test_a_new_workload_opens_flows_and_its_before_is_not_there(capsys, written):
    old, new = written("old.yaml", BASE[:2]), written("new.yaml", [pod("shop/db", "10.0.0.2", [5432])])
    assert run(["diff", new, "-f", old]) == 1
    text = capsys.readouterr().out
    assert "Pod shop/db created" in text
    assert "+ shop/Pod/api → shop/Pod/db  all  not there → ✓ no policy" in text
    assert "+ shop/Pod/db → shop/Pod/api  all  not there → ✓ no policy" in text


@pytest.mark.parametrize("name", scenarios.names())
@pytest.mark.parametrize("forth", [True, False])
def test_every_answer_has_the_shape_of_its_schema(capsys, written, name, forth):
    files = [written(f"{each}.yaml", scenarios.load(each)) for each in ("healthy", name)]
    one, other = files if forth else files[::-1]
    run(["diff", one, "-f", other, "--prune", "-o", "json"])
    answer = json.loads(capsys.readouterr().out)
    assert msgspec.to_builtins(msgspec.convert(answer, Diffed)) == answer
    if name == "healthy":
        assert not any(answer[what.value] for what in What)


# ---- manifests over a live cluster


def deployment(scenario, name):
    objects = [o for o in scenarios.load(scenario) if o["kind"] == "Deployment" and o["metadata"]["name"] == name]
    return json.loads(json.dumps(objects[0]))


def test_a_template_with_another_identity_rolls_the_pods_of_a_live_deployment():
    before = bookstore()
    changed = deployment("healthy", "ecom-service")
    changed["spec"]["template"]["spec"]["serviceAccountName"] = "default"
    after = overlaid(before, snapshot_of([changed]))
    old = {p.key: p for p in before.pods.values()}
    moved = {p.key for p in after.pods.values() if p is not old[p.key]}
    assert moved == {key for key in old if key.startswith("ecom/ecom-service-")}
    assert {after.pod_by_key[key].service_account for key in moved} == {"default"}
    assert all(after.mesh_mode(after.pod_by_key[key]) is before.mesh_mode(old[key]) for key in moved)
    closed = {(s.source, s.destination) for s in compare(before, after).of(What.CLOSED)}
    assert ("ecom/Deployment/ecom-service", "inventory/Deployment/inventory-service") in closed


def test_the_manifests_that_a_cluster_runs_change_nothing_in_it():
    for kind in ("Deployment", "StatefulSet", "Service", "AuthorizationPolicy", "NetworkPolicy"):
        objects = [o for o in scenarios.load("healthy") if o["kind"] == kind]
        assert objects
        assert compare(bookstore(), overlaid(bookstore(), snapshot_of(objects))).shifts == ()


def test_a_namespace_that_joins_ambient_is_captured_live():
    strict = policy("inv/default", {"mtls": {"mode": "STRICT"}}, kind="PeerAuthentication")
    before = snapshot_of(
        [namespace("shop"), ambient("inv"), pod("shop/api", "10.0.0.1"), pod("inv/db", "10.0.0.2"), strict], live=True
    )
    after = overlaid(before, snapshot_of([ambient("shop")]))
    assert before.mesh_mode(before.pod_by_key["shop/api"]).value == "none"
    assert after.mesh_mode(after.pod_by_key["shop/api"]).value == "ambient"
    assert after.mesh_mode(after.pod_by_key["inv/db"]) is before.mesh_mode(before.pod_by_key["inv/db"])


def test_a_namespace_that_is_only_named_keeps_its_labels():
    before = snapshot_of([ambient("shop"), pod("shop/api", "10.0.0.1")])
    after = overlaid(before, snapshot_of([OPEN]))
    assert after.namespace_by_name["shop"] is before.namespace_by_name["shop"]


def test_a_route_that_goes_is_closed_for_a_client_outside():
    objects = scenarios.load("healthy")
    without = [o for o in objects if o["kind"] != "HTTPRoute"]
    found = compare(snapshot_of(objects), snapshot_of(without))
    closed = {(s.source, s.destination.split("/")[0]) for s in found.of(What.CLOSED) if s.flow}
    assert ("external", "ecom") in closed
    assert {s.source for s in found.shifts} == {"external"}


def test_a_client_outside_may_be_let_in_by_the_list(capsys, written):
    objects = scenarios.load("healthy")
    old = written("old.yaml", [o for o in objects if o["kind"] != "HTTPRoute"])
    new = written("new.yaml", [o for o in objects if o["kind"] == "HTTPRoute"])
    assert run(["diff", new, "-f", old, "-o", "json"]) == 1
    opened = json.loads(capsys.readouterr().out)["opened"]
    ends = sorted({(line["to"]["service"], line["ports"].removeprefix("TCP ")) for line in opened})
    assert {line["from"]["external"] for line in opened} == {True}
    assert all(line["http"]["path"] for line in opened)
    flows = [{"from": "external", "to": f"{name.replace('/', '/svc/')}:{port}", "expect": "allow"} for name, port in ends]
    everything = written("all.yaml", yaml.safe_dump({"apiVersion": "meshtui/v1", "flows": flows}))
    assert run(["diff", new, "-f", old, "--allow", everything]) == 0
    fewer = written("fewer.yaml", yaml.safe_dump({"apiVersion": "meshtui/v1", "flows": flows[1:]}))
    assert run(["diff", new, "-f", old, "--allow", fewer]) == 1


# ---- flows that show whether a change kept its promise


@pytest.mark.parametrize(("old", "new"), [("missing-egress", "healthy"), ("healthy", "missing-egress")])
def test_the_promise_is_the_flow_through_the_service(old, new):
    before, after = snapshot_of(scenarios.load(old)), snapshot_of(scenarios.load(new))
    flows = promised_flows(Engine(after), compare(before, after).shifts)
    assert [(str(f.source), str(f.destination), f.port) for f in flows] == [
        ("ecom/deployment/ecom-service", "inventory/svc/inventory-service", 8000)
    ]


def test_what_is_opened_is_probed_before_what_is_closed_and_not_without_end():
    before, after = snapshot_of(scenarios.load("healthy")), snapshot_of(scenarios.load("open-databases"))
    shifts = compare(before, after).shifts
    flows = promised_flows(Engine(after), shifts, most=3)
    assert len(flows) == 3
    engine = Engine(after)
    assert all(engine.summarize(flow).decision is Decision.ALLOW for flow in flows)


def test_a_port_that_nobody_declares_is_not_probed():
    silent = [pod("shop/api", "10.0.0.1", [8080]), pod("shop/db", "10.0.0.2")]
    before, after = snapshot_of([namespace("shop"), *silent, CLOSED]), snapshot_of([namespace("shop"), *silent, WIDE])
    shifts = compare(before, after).shifts
    assert shifts
    assert promised_flows(Engine(after), shifts) == []


def test_a_policy_at_a_waypoint_is_seen_though_neither_end_changes():
    space = ambient("shop")
    space["metadata"]["labels"]["istio.io/use-waypoint"] = "wp"
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "wp", "namespace": "shop", "labels": {"istio.io/waypoint-for": "all"}},
        "spec": {"gatewayClassName": "istio-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]},
    }

    def admitting(account):
        spec = {
            "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "wp"}],
            "rules": [{"from": [{"source": {"principals": [f"cluster.local/ns/shop/sa/{account}"]}}]}],
        }
        return policy("shop/wp", spec, kind="AuthorizationPolicy")

    pods = [pod("shop/api", "10.0.0.1", [8080], account="api"), pod("shop/db", "10.0.0.2", [5432], account="db")]
    before = snapshot_of([space, gateway, *pods, admitting("api")])
    after = overlaid(before, snapshot_of([admitting("nobody")]))
    found = compare(before, after)
    assert ("shop/Pod/api", "shop/Pod/db", What.CLOSED) in {(s.source, s.destination, s.what) for s in found.shifts}
    assert found.of(What.OPENED) == ()


def test_an_entry_for_one_replica_does_not_cover_its_workload(capsys, written):
    owner = {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "api", "uid": "1", "controller": True}]}
    replicas = []
    for number in (0, 1):
        made = pod(f"shop/api-{number}", f"10.0.1.{number + 1}", [8080], {"app": "api"})
        made["metadata"] |= owner
        replicas.append(made)
    old, new = written("old.yaml", [*BASE[:1], *BASE[2:], *replicas, CLOSED]), written("new.yaml", [OPEN])
    one = written("one.yaml", ALLOW.replace("shop/api,", "shop/api-0,"))
    both = written("both.yaml", ALLOW.replace("shop/api,", '"shop/api-*",'))
    assert run(["diff", new, "-f", old, "--allow", both]) == 0
    assert run(["diff", new, "-f", old, "--allow", one]) == 1


CILIUM = cnp("{endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEndpoints: [{matchLabels: {app: api}}]}]}", "shop/own")


@pytest.mark.parametrize(
    ("words", "base", "new"),
    [
        (["--cni", "cilium"], "read 5 objects in 1 file", "read 1 object in 1 file"),
        ([], "read 5 objects in 1 file", "read 1 object in 1 file"),
        (
            ["--cni", "calico"],
            "read 4 objects in 1 file; not read: CiliumNetworkPolicy ×1",
            "read 0 objects in 1 file; not read: CiliumNetworkPolicy ×1",
        ),
    ],
)
def test_it_says_whether_the_clusters_cni_evaluates_the_policies_of_the_change(capsys, written, words, base, new):
    old, changed = written("old.yaml", [*BASE, CILIUM]), written("new.yaml", [CILIUM])
    run(["diff", changed, "-f", old, *words])
    assert sorted(capsys.readouterr().err.splitlines()) == [
        f"meshtui: note: {changed}: {new}",
        f"meshtui: note: {old}: {base}",
    ]


def test_a_change_is_read_as_the_clusters_cni_reads_it_whatever_it_shows_itself(capsys, written):
    old = written("old.yaml", [*BASE, CILIUM])
    plain = policy("shop/db", "podSelector: {matchLabels: {app: db}}\npolicyTypes: [Ingress]")
    assert run(["diff", written("new.yaml", [plain]), "-f", old]) == 0, "Cilium's rule still allows"
    assert "couldn't be told" not in capsys.readouterr().out
