"""Fixes that let somebody in: for the workloads of the finding alone, never in the root namespace or a policy for others."""

import pytest

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.engine.whatif.edits import with_edits
from meshtui.findings import evaluate
from meshtui.model.verdict import Decision
from meshtui.sources.edits import edited
from tests.fakes.snapshots import ambient, pod, policy, snapshot_of
from tests.unit.findings.test_rules import (
    API,
    FROM_WEB,
    ISOLATED,
    SHOP,
    TO_API,
    WAYPOINT,
    WEB,
    WEB_EGRESS,
    WEB_ID,
    allow,
    authz,
    gateway,
    net,
    probed,
    service,
)

OTHER = pod("shop/other", "10.0.0.8", [80], account="other")
BEHIND = [SHOP, WEB, API, OTHER, service("shop/api", "api", 9000, WAYPOINT), gateway("shop/wp")]
OPENS_DNS = net(
    {"podSelector": {"matchLabels": {"app": "other"}}, "egress": [{"ports": [{"protocol": "UDP", "port": 53}]}]}, "shop/d"
)
OUT_FOR_ALL = net({"podSelector": {}, "policyTypes": ["Egress"], "egress": [TO_API]}, "shop/e")
NO_PROBES = net({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [FROM_WEB]})
LET_PROBES_IN = net(
    {"podSelector": {"matchLabels": {"app": "other"}}, "ingress": [{"from": [{"ipBlock": {"cidr": "169.254.7.127/32"}}]}]},
    "shop/d",
)


def fix_of(rule, objects):
    snapshot = snapshot_of(objects)
    found = [finding for finding in evaluate(snapshot) if finding.rule == rule]
    assert found, f"{rule} says nothing"
    return found[0].fix


LET_WEB_IN = {"rules": [{"from": [{"source": {"principals": [WEB_ID]}}]}]}
NOBODY_OUT = net({"podSelector": {}, "policyTypes": ["Egress"]}, "shop/e")
SHARED = [
    ("the root namespace", "MT206", [*BEHIND, authz(LET_WEB_IN, "istio-system/p")]),
    ("a namespace's policy", "MT206", [*BEHIND, authz(LET_WEB_IN)]),
    ("names", "MT305", [SHOP, WEB, API, OTHER, OUT_FOR_ALL, OPENS_DNS]),
    ("probes", "MT306", [SHOP, WEB, probed(API), probed(OTHER), NO_PROBES, LET_PROBES_IN]),
    (
        "egress",
        "MT303",
        [SHOP, WEB, API, OTHER, net({**ISOLATED, "ingress": [FROM_WEB]}), NOBODY_OUT],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "objects"), [row[1:] for row in SHARED], ids=[row[0] for row in SHARED])
def test_a_policy_for_others_too_stays_as_it_is(rule, objects):
    fix = fix_of(rule, objects)
    assert fix is not None
    for edit in fix.edits:
        made = edited({}, edit)
        assert edit.create is not None
        assert made["metadata"]["namespace"] == "shop"
        spec = made["spec"]
        assert (spec.get("selector") or spec.get("podSelector"))["matchLabels"].keys() == {"app"}


OWN = [
    ("a policy of its own", "MT206", [*BEHIND, allow({"principals": [WEB_ID]})]),
    ("names", "MT305", [SHOP, API, WEB, net({**WEB_EGRESS, "egress": [TO_API]})]),
    ("names, for all that it selects", "MT305", [SHOP, API, WEB, OUT_FOR_ALL]),
    ("probes", "MT306", [SHOP, probed(API), WEB, net({**ISOLATED, "ingress": [FROM_WEB]})]),
    ("egress", "MT303", [SHOP, API, WEB, net({**ISOLATED, "ingress": [FROM_WEB]}), net({**WEB_EGRESS, "egress": []}, "shop/e")]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "objects"), [row[1:] for row in OWN], ids=[row[0] for row in OWN])
def test_a_policy_for_those_of_the_finding_alone_gets_the_rule(rule, objects):
    fix = fix_of(rule, objects)
    assert [edit.create for edit in fix.edits] == [None]


def test_the_waypoint_gets_in_on_the_ports_that_it_serves_and_the_fix_is_enough():
    snapshot = snapshot_of([*BEHIND, policy("istio-system/nothing", {}, "AuthorizationPolicy")])
    fix = next(finding.fix for finding in evaluate(snapshot) if finding.rule == "MT206")
    [edit] = fix.edits
    assert edit.create["spec"]["rules"][0]["to"] == [{"operation": {"ports": ["9000"]}}]
    after = Engine(with_edits(snapshot, fix.edits))
    flow = parse_flow("shop/web", "shop/svc/api:9000")
    assert Engine(snapshot).judge(flow).decision is Decision.DENY
    assert after.judge(flow).decision is Decision.ALLOW


LONG = [f"{'a' * 55}-{number}" for number in range(2)]
ALIKE = [
    pod(f"shop/{name}", f"10.0.0.{n}", [("http", 9000)], labels={"app": name, "set": "x"}, account=name)
    for n, name in enumerate(LONG, 11)
]
BOTH = service("shop/api", "", 9000, WAYPOINT) | {"spec": {"selector": {"set": "x"}, "ports": [{"port": 9000}]}}
TWINS = [
    ("MT206", [SHOP, WEB, OTHER, *ALIKE, BOTH, gateway("shop/wp"), authz(LET_WEB_IN)]),
    ("MT306", [SHOP, WEB, OTHER, *map(probed, ALIKE), NO_PROBES, LET_PROBES_IN]),
]


@pytest.mark.parametrize(("rule", "objects"), TWINS, ids=[row[0] for row in TWINS])
def test_two_policies_of_one_fix_have_different_names(rule, objects):
    """Long names are cut, so that those of two workloads may become the same."""
    made = [edit.ref for edit in fix_of(rule, objects).edits if edit.create is not None]
    assert len(made) > 1
    assert len(set(made)) == len(made)


ROOT_ALLOW = {
    "rules": [{"from": [{"source": {"principals": [f"spiffe://{WEB_ID}"]}}], "to": [{"operation": {"methods": ["GET"]}}]}]
}


@pytest.mark.parametrize("rule", ["MT104", "MT201"])
def test_no_fix_makes_a_policy_of_the_root_namespace_allow_more(rule):
    assert fix_of(rule, [SHOP, WEB, API, authz(ROOT_ALLOW, "istio-system/p")]) is None
    assert fix_of(rule, [SHOP, WEB, API, authz(ROOT_ALLOW)]) is not None


def test_no_fix_of_any_rule_for_a_pod_in_the_root_namespace_is_a_policy_there():
    root = ambient("istio-system")
    objects = [root, pod("istio-system/api", "10.0.0.3", [9000], account="api"), WEB, SHOP]
    objects += [service("istio-system/api", "api", 9000, WAYPOINT), gateway("istio-system/wp"), authz({}, "istio-system/nothing")]
    assert fix_of("MT206", objects) is None
