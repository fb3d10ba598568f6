"""``meshtui matrix``: every format on one small cluster, and what a command on manifests must not import."""

import csv
import io
import json
import subprocess
import sys

import pytest
import yaml

from meshtui.cli.given import OFFLINE_DEFAULTS
from meshtui.cli.main import run
from meshtui.settings import Settings
from tests.fakes.snapshots import ambient, namespace, pod, policy

SPEC = """
podSelector: {matchLabels: {app: db}}
ingress: [{from: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 5432}]}]
"""
OBJECTS = [
    namespace("shop"),
    namespace("other"),
    pod("shop/api-1", "10.0.0.1", [("http", 8080)], {"app": "api"}),
    pod("shop/db-1", "10.0.0.2", [5432], {"app": "db"}),
    pod("other/web-1", "10.0.0.3", [80], {"app": "web"}),
    policy("shop/db", SPEC),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(OBJECTS))
    return str(tmp_path)


def printed(capsys, *words):
    assert run(["matrix", *words]) == 0
    return capsys.readouterr().out


def test_csv_has_every_pair_with_its_ports_and_who_decides(capsys, folder):
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "-f", folder, "-o", "csv"))))
    by_pair = {(row["from"], row["to"]): row for row in rows}
    assert len(by_pair) == 6
    inside = by_pair["shop/Pod/api-1", "shop/Pod/db-1"]
    assert inside["allowed"] == "TCP 5432"
    assert inside["allowed_by"] == "ingress_policy NetworkPolicy shop/db ingress[0]"
    assert inside["denied_by"] == "ingress_policy NetworkPolicy shop/db"
    outside = by_pair["other/Pod/web-1", "shop/Pod/db-1"]
    assert (outside["allowed"], outside["denied_by"]) == ("", "ingress_policy NetworkPolicy shop/db")
    assert by_pair["shop/Pod/db-1", "other/Pod/web-1"]["allowed"] == "all"
    assert by_pair["shop/Pod/db-1", "other/Pod/web-1"]["allowed_by"] == "no policy"


def test_json_gives_each_answer_with_its_deciding_object(capsys, folder):
    rows = json.loads(printed(capsys, "-f", folder, "-o", "json"))
    row = next(r for r in rows if (r["from"], r["to"]) == ("shop/Pod/api-1", "shop/Pod/db-1"))
    assert row["allowed"] == "TCP 5432"
    assert [answer["verdict"] for answer in row["answers"]] == ["allow", "deny"]
    decider = {"kind": "NetworkPolicy", "namespace": "shop", "name": "db", "rule": "ingress[0]"}
    assert row["answers"][0] == {"verdict": "allow", "ports": "TCP 5432", "layer": "ingress_policy", "decided_by": decider}
    assert row["answers"][1]["ports"] == "TCP 1-5431,5433-65535; UDP all; SCTP all"


def test_text_shows_open_pairs_under_their_source_and_counts_the_closed(capsys, folder):
    text = printed(capsys, "-f", folder)
    assert "shop/Pod/api-1\n" in text
    assert "✓ TCP 5432 (ingress_policy NetworkPolicy shop/db ingress[0])" in text
    assert "6 pairs by workload; 1 have no open port" in text
    assert "✗ all (ingress_policy NetworkPolicy shop/db)" in printed(capsys, "-f", folder, "--closed")


def test_dot_draws_what_is_open(capsys, folder):
    text = printed(capsys, "-f", folder, "-o", "dot")
    assert '"shop/Pod/api-1" -> "shop/Pod/db-1" [label="TCP 5432", style=solid];' in text
    assert '"other/Pod/web-1" -> "shop/Pod/db-1"' not in text


@pytest.mark.parametrize(
    ("by", "pairs", "first"), [("pod", 6, "other/web-1"), ("namespace", 3, "other"), ("workload", 6, "other/Pod/web-1")]
)
def test_rows_are_what_was_asked_for(capsys, folder, by, pairs, first):
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "-f", folder, "-o", "csv", "--by", by))))
    assert (len(rows), rows[0]["from"]) == (pairs, first)


def test_pods_that_differ_make_a_pair_mixed(capsys, folder):
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "-f", folder, "-o", "csv", "--by", "namespace"))))
    row = next(r for r in rows if (r["from"], r["to"]) == ("other", "shop"))
    assert (row["allowed"], row["mixed"]) == ("", "all")
    assert row["denied_by"] == "ingress_policy NetworkPolicy shop/db"


def test_a_namespace_keeps_the_pairs_with_an_end_in_it(capsys, folder):
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "-f", folder, "-o", "csv", "-n", "other"))))
    assert {(r["from"][:5], r["to"][:5]) for r in rows} == {("other", "shop/"), ("shop/", "other")}


def test_a_namespace_without_workloads_is_an_empty_matrix(capsys, tmp_path):
    (tmp_path / "one.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
    assert json.loads(printed(capsys, "-f", str(tmp_path), "-o", "json")) == []


def test_a_command_on_manifests_imports_nothing_that_only_a_cluster_or_settings_need(folder):
    code = (
        "import sys; from meshtui.cli.main import run; run(['matrix', '-f', sys.argv[1]]); "
        "print([m for m in ('pydantic', 'httpx', 'kubernetes', 'textual', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_what_manifests_need_of_the_settings_has_the_settings_own_defaults():
    assert {name: Settings.model_fields[name].default for name in OFFLINE_DEFAULTS} == dict(OFFLINE_DEFAULTS)


def test_a_variable_of_ours_still_counts(capsys, folder, monkeypatch):
    monkeypatch.setenv("MESHTUI_NAMESPACE", "other")
    assert "4 pairs" in printed(capsys, "-f", folder)


WAYPOINT = {
    "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
    "metadata": {"name": "wp", "namespace": "back", "labels": {"istio.io/waypoint-for": "all"}},
    "spec": {"gatewayClassName": "istio-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]},
}  # fmt: skip
L7 = """
targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: wp}]
rules: [{to: [{operation: {methods: [GET], ports: ["8080"]}}]}]
"""
BEHIND_A_WAYPOINT = [
    ambient("shop"),
    ambient("back"),
    pod("shop/web", "10.0.1.1", account="web"),
    pod("back/api", "10.0.2.1", [8080], {"app": "api", "istio.io/use-waypoint": "wp"}),
    WAYPOINT,
    policy("back/l7", L7, "AuthorizationPolicy"),
]


@pytest.fixture
def behind_a_waypoint(tmp_path):
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(BEHIND_A_WAYPOINT))
    return str(tmp_path)


def test_a_pair_that_a_request_settles_says_so_in_json_with_the_deciding_rule(capsys, behind_a_waypoint):
    rows = json.loads(printed(capsys, "-f", behind_a_waypoint, "-o", "json"))
    answers = next(r["answers"] for r in rows if (r["from"], r["to"]) == ("shop/Pod/web", "back/Pod/api"))
    depends = next(answer for answer in answers if answer["verdict"] == "unknown")
    decider = {"kind": "AuthorizationPolicy", "namespace": "back", "name": "l7", "rule": "rules[0]"}
    assert depends == {
        "verdict": "unknown", "ports": "TCP 8080", "layer": "waypoint", "decided_by": decider, "depends_on": "request"
    }  # fmt: skip
    assert all("depends_on" not in answer for answer in answers if answer is not depends)


def test_a_pair_that_a_request_settles_has_its_own_sign_in_text_csv_and_dot(capsys, behind_a_waypoint):
    line = next(text for text in printed(capsys, "-f", behind_a_waypoint).splitlines() if "back/Pod/api" in text and "◇" in text)
    assert "◇ depends on the request TCP 8080 (waypoint AuthorizationPolicy back/l7 rules[0])" in line
    assert "unknown" not in line
    rows = csv.DictReader(io.StringIO(printed(capsys, "-f", behind_a_waypoint, "-o", "csv")))
    row = next(r for r in rows if (r["from"], r["to"]) == ("shop/Pod/web", "back/Pod/api"))
    assert (row["unknown"], row["depends_on_request"]) == ("TCP 8080", "TCP 8080")
    dot = printed(capsys, "-f", behind_a_waypoint, "-o", "dot", "-n", "shop")
    assert '"shop/Pod/web" -> "back/Pod/api" [label="UDP all; SCTP all", style=solid];' in dot
    wide = printed(capsys, "-f", behind_a_waypoint, "-o", "wide")
    assert "depends on the request TCP 8080 (waypoint back/AuthorizationPolicy/l7 rules[0])" in wide


SERVICE = {
    "apiVersion": "v1", "kind": "Service",
    "metadata": {"name": "api", "namespace": "back", "labels": {"istio.io/use-waypoint": "wp"}},
    "spec": {"selector": {"app": "api"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"methods": ["GET"]}, {"verdict": "unknown", "depends_on": "request"}),
        ({"ports": ["80"]}, {"verdict": "deny"}),
    ],
    ids=["depends on the request", "denied"],
)
def test_a_service_with_a_waypoint_has_its_own_answers(capsys, tmp_path, operation, expected):
    spec = {"targetRefs": [{"kind": "Service", "group": "", "name": "api"}], "action": "DENY"}
    spec["rules"] = [{"to": [{"operation": operation}]}]
    pods = [pod("shop/web", "10.0.1.1", account="web"), pod("back/api", "10.0.2.1", [8080])]
    objects = [ambient("shop"), ambient("back"), *pods, WAYPOINT, SERVICE, policy("back/p", spec, "AuthorizationPolicy")]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(objects))
    rows = {(r["from"], r["to"]): r for r in json.loads(printed(capsys, "-f", str(tmp_path), "-o", "json"))}
    decider = {"kind": "AuthorizationPolicy", "namespace": "back", "name": "p", "rule": "rules[0]"}
    row = rows["shop/Pod/web", "back/Pod/api"]
    assert row["services"] == [{"service": "back/api", "port": 80, "layer": "waypoint", "decided_by": decider, **expected}]
    assert row["allowed"] == "all", "the pod's own address"
    assert "services" not in rows["back/Pod/api", "shop/Pod/web"]
    sign = "◇ depends on the request" if "depends_on" in expected else "✗"
    words = f"; {sign} Service back/api:80 (waypoint AuthorizationPolicy back/p rules[0])"
    assert words in printed(capsys, "-f", str(tmp_path))


def test_only_the_pods_behind_a_service_have_its_answers(capsys, tmp_path):
    """Pods that no rule distinguishes are judged together, but not all of them are behind the Service."""
    pods = [pod("shop/web", "10.0.1.1"), pod("back/api", "10.0.2.1", [8080]), pod("back/other", "10.0.2.2", [8080])]
    objects = [ambient("shop"), ambient("back"), *pods, WAYPOINT, SERVICE]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(objects))
    rows = {(r["from"], r["to"]): r for r in json.loads(printed(capsys, "-f", str(tmp_path), "-o", "json"))}
    assert [s["service"] for s in rows["shop/Pod/web", "back/Pod/api"]["services"]] == ["back/api"]
    assert "services" in rows["back/Pod/other", "back/Pod/api"]
    assert "services" not in rows["shop/Pod/web", "back/Pod/other"]
