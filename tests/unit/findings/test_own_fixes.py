"""Fixes of findings about policies of Calico's and Cilium's own kinds: they heal, in the kind that the namespace uses."""

import pytest

from meshtui.cni import named
from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.findings import look
from meshtui.model.verdict import Decision
from tests.fakes.cilium import ccnp, cnp
from tests.fakes.healing import after
from tests.fakes.snapshots import namespace, pod, snapshot_of
from tests.unit.findings.test_own_policies import CALLS, PODS, calico, gnp

ALLOW_WEB = "action: Allow, protocol: TCP, source: {selector: app == 'web'}"
FROM_WEB = "fromEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: '5432', protocol: TCP}]"
DNS = [namespace("kube-system"), pod("kube-system/dns", "10.0.9.1", [53])]
HEALED = [
    ("MT301", "calico", "NetworkPolicy.projectcalico.org", [calico("NetworkPolicy", "default.p",
     f"{{selector: app == 'db', ingress: [{{{ALLOW_WEB}, destination: {{ports: [5432]}}}}]}}", "shop")]),
    ("MT301", "cilium", "CiliumNetworkPolicy",
     [cnp(f"{{endpointSelector: {{matchLabels: {{app: db}}}}, ingress: [{{{FROM_WEB}}}]}}]}}", "shop/p")]),
    ("MT303", "calico", "NetworkPolicy.projectcalico.org",
     [calico("NetworkPolicy", "default.p", "{selector: app == 'web', types: [Egress]}", "shop")]),
    ("MT303", "calico", "NetworkPolicy", [gnp("{selector: app == 'web', types: [Egress]}")]),
    ("MT303", "cilium", "CiliumNetworkPolicy",
     [cnp("{endpointSelector: {matchLabels: {app: web}}, egress: [{toEntities: [none]}]}", "shop/p")]),
    ("MT303", "cilium", "NetworkPolicy", [ccnp("{endpointSelector: {matchLabels: {app: web}}, egress: [{toEntities: [none]}]}")]),
    ("MT305", "calico", "NetworkPolicy.projectcalico.org", [calico("NetworkPolicy", "default.p",
     "{selector: app == 'web', egress: [{action: Allow, protocol: TCP, destination: {ports: [5432, 15008]}}]}", "shop")]),
    ("MT305", "cilium", "CiliumNetworkPolicy", [cnp("{endpointSelector: {matchLabels: {app: web}},"
     " egress: [{toPorts: [{ports: [{port: '5432', protocol: TCP}, {port: '15008', protocol: TCP}]}]}]}", "shop/p")]),
]  # fmt: skip


def findings(rule, cni, objects):
    return [finding for finding in look(snapshot_of(objects, cni=named(cni))).findings if finding.rule == rule]


@pytest.mark.parametrize(("rule", "cni", "kind", "written"), HEALED, ids=[" ".join(row[:3]) for row in HEALED])
def test_the_fix_heals_and_opens_nothing_else(rule, cni, kind, written):
    objects = [*CALLS, *DNS, *written]
    (finding,) = findings(rule, cni, objects)
    assert [edit.ref.kind for edit in finding.fix.edits] == [kind]
    healed = after(objects, finding.fix)
    assert findings(rule, cni, healed) == []
    before, now = (Engine(snapshot_of(each, cni=named(cni))) for each in (objects, healed))
    asked = ("shop/web", "kube-system/dns:53", "UDP") if rule == "MT305" else ("shop/web", "shop/db:5432", "TCP")
    said = [engine.judge(parse_flow(*asked[:2], protocol=asked[2])).decision for engine in (before, now)]
    assert said == [Decision.DENY, Decision.ALLOW]
    for other in (("shop/db", "shop/web:8080"), ("shop/web", "shop/db:5433"), ("shop/db", "kube-system/dns:53")):
        if other[1] != "shop/db:5433" or rule == "MT305":
            flow = parse_flow(*other)
            assert before.judge(flow).decision is now.judge(flow).decision, other


@pytest.mark.parametrize(
    ("rule", "cni", "written"),
    [
        ("MT301", "calico", [gnp(f"{{selector: app == 'db', ingress: [{{{ALLOW_WEB}, destination: {{ports: [5432]}}}}]}}")]),
        ("MT303", "cilium", [cnp("{endpointSelector: {matchLabels: {app: web}}, egressDeny: [{toEntities: [all]}]}", "shop/p")]),
        (
            "MT303",
            "calico",
            [
                calico("Tier", "early", "{order: 5}"),
                calico("NetworkPolicy", "early.p", "{tier: early, selector: app == 'web', types: [Egress]}", "shop"),
            ],
        ),
    ],
    ids=["a policy of the cluster", "a denial", "the end of another tier"],
)
def test_what_its_owner_has_to_change_has_no_fix(rule, cni, written):
    (finding,) = findings(rule, cni, [*CALLS, *written])
    assert finding.fix is None


def test_the_tunnel_is_opened_beside_http_rules_not_under_them():
    written = cnp(f"{{endpointSelector: {{matchLabels: {{app: db}}}}, ingress: [{{{FROM_WEB}}}]}}]}}", "shop/p")
    (finding,) = findings("MT301", "cilium", [*PODS, written])
    (operation,) = finding.fix.edits[0].operations
    assert operation.path == ("spec", "ingress", 0, "toPorts", "-")


def test_rules_in_specs_have_their_place_there():
    rule = f"{{endpointSelector: {{matchLabels: {{app: db}}}}, ingress: [{{{FROM_WEB}}}]}}]}}"
    written = cnp(rule, "shop/p")
    written["specs"] = [written.pop("spec")]
    (finding,) = findings("MT301", "cilium", [*PODS, written])
    (operation,) = finding.fix.edits[0].operations
    assert operation.path == ("specs", 0, "ingress", 0, "toPorts", "-")


BESIDE = [
    ("calico", "NetworkPolicy.projectcalico.org", calico("NetworkPolicy", "default.p", "{selector: app == 'web'}", "shop")),
    ("cilium", "CiliumNetworkPolicy", cnp("{endpointSelector: {matchLabels: {app: web}}, ingress: [{}]}", "shop/p")),
]


@pytest.mark.parametrize(("cni", "kind", "written"), BESIDE, ids=["calico", "cilium"])
@pytest.mark.parametrize("pods", [CALLS, PODS], ids=["a caller", "no caller"])
def test_an_open_database_is_closed_in_the_kind_that_the_namespace_uses(cni, kind, written, pods):
    (finding,) = findings("MT208", cni, [*pods, written])
    assert {edit.ref.kind for edit in finding.fix.edits} == {kind, "AuthorizationPolicy"}
    healed = after([*pods, written], finding.fix)
    assert findings("MT208", cni, healed) == []
    engine = Engine(snapshot_of([*healed, pod("other/x", "10.0.9.9"), namespace("other")], cni=named(cni)))
    assert engine.judge(parse_flow("shop/web", "shop/db:5432")).decision is not Decision.DENY
    assert engine.judge(parse_flow("other/x", "shop/db:5432")).decision is Decision.DENY
