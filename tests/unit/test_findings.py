"""Each finding where it must fire, and where it must not."""

import pytest

from meshtui.findings import evaluate, rules
from meshtui.model.snapshot import KindState, KindStatus
from meshtui.sandbox.scenarios import load
from tests.fakes.snapshots import pod, policy, snapshot_of

AMBIENT = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "shop", "labels": {"istio.io/dataplane-mode": "ambient"}},
}
DB = pod("shop/db", "10.0.0.1", [5432], account="db")


def named(*principals):
    return policy("shop/p", {"rules": [{"from": [{"source": {"principals": list(principals)}}]}]}, "AuthorizationPolicy")


def opens(*ports):
    return policy("shop/n", {"podSelector": {}, "ingress": [{"ports": [{"port": p} for p in ports]}]})


ROWS = [
    ("a meshed pod as default", "MT101", [AMBIENT, pod("shop/web")], True),
    ("a meshed pod as itself", "MT101", [AMBIENT, pod("shop/web", account="web")], False),
    ("an un-meshed pod as default", "MT101", [pod("bare/web")], False),
    ("a pod that has ended", "MT101", [AMBIENT, pod("shop/web", status={"phase": "Failed"})], False),
    ("a principal that nobody has", "MT103", [DB, named("cluster.local/ns/shop/sa/gone")], True),
    ("a principal that somebody has", "MT103", [DB, named("cluster.local/ns/shop/sa/db")], False),
    ("a pattern isn't a name", "MT103", [DB, named("*"), DB], False),
    ("spiffe:// never matches", "MT103", [DB, named("spiffe://cluster.local/ns/shop/sa/db")], True),
    ("an open database", "MT208", [AMBIENT, DB], True),
    ("guarded by an AuthorizationPolicy", "MT208", [AMBIENT, DB, policy("shop/p", {}, "AuthorizationPolicy")], False),
    ("… which nobody enforces un-meshed", "MT208", [DB, policy("shop/p", {}, "AuthorizationPolicy")], True),
    ("guarded by a NetworkPolicy", "MT208", [DB, policy("shop/n", "podSelector: {}")], False),
    ("no database", "MT208", [AMBIENT, pod("shop/web", "10.0.0.2", [8080])], False),
    ("the app's port, but not HBONE", "MT301", [AMBIENT, DB, opens(5432)], True),
    ("both", "MT301", [AMBIENT, DB, opens(5432, 15008)], False),
    ("outside ambient", "MT301", [DB, opens(5432)], False),
    ("all ports", "MT301", [AMBIENT, DB, policy("shop/n", "podSelector: {}\ningress: [{}]")], False),
    (
        "another policy opens HBONE",
        "MT301",
        [AMBIENT, DB, opens(5432), policy("shop/h", {"podSelector": {}, "ingress": [{"ports": [{"port": 15008}]}]})],
        False,
    ),
]


@pytest.mark.parametrize(("name", "rule", "objects", "fires"), ROWS, ids=[f"{row[1]} {row[0]}" for row in ROWS])
def test_rule(name, rule, objects, fires):
    found = [finding for finding in evaluate(snapshot_of(objects)) if finding.rule == rule]
    assert bool(found) is fires
    assert all(finding.message and finding.objects for finding in found)


def test_what_cannot_be_seen_may_protect():
    blind = {"NetworkPolicy": KindState(KindStatus.FORBIDDEN, "no", "list")}
    assert not [f for f in evaluate(snapshot_of([AMBIENT, DB], kinds=blind)) if f.rule == "MT208"]


def test_the_healthy_bookstore_has_no_error():
    assert [f for f in evaluate(snapshot_of(load("healthy"))) if f.severity.name == "ERROR"] == []


@pytest.mark.parametrize(("scenario", "rule"), [("open-databases", "MT208"), ("wrong-identity", "MT103")])
def test_the_scenarios_are_found(scenario, rule):
    assert rule in {finding.rule for finding in evaluate(snapshot_of(load(scenario)))}


def test_rules_have_names_of_their_own():
    ids = [rule.id for rule in rules()]
    assert ids == sorted(set(ids))
