"""Objects that can't be decoded: what they might have said is unknown, and the message names them."""

import pytest

from meshtui.engine.explain.wording import in_words as said
from meshtui.findings import look
from meshtui.model.snapshot import KindState, KindStatus
from tests.fakes import requests
from tests.fakes.egress import BASE, CAR, FLOW, REGISTRY, entry
from tests.fakes.istio_routes import API, GATE, OPEN, gateway, server
from tests.fakes.istio_routes import WORLD as ROUTED
from tests.fakes.requests import service, space, thing
from tests.fakes.snapshots import judge, pod, snapshot_of
from tests.unit.test_proxies_as_found import OUTSIDE
from tests.unit.test_proxies_as_found import ROUTED as DEPLOYED
from tests.unit.test_proxies_as_found import gateway as gateway_api

PAIR = [space("shop"), pod("shop/a", "10.0.0.1", [80]), pod("shop/b", "10.0.0.2", [80])]
POLICY_GROUP = "policy.networking.k8s.io/v1alpha1"


def unknown_because(verdict, *words):
    told = " ".join([said(verdict.reason), *(said(step.reason) for step in verdict.steps)])
    assert verdict.decision.value == "unknown", told
    for word in words:
        assert word in told


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("AdminNetworkPolicy", {"priority": "first", "subject": {"namespaces": {}}}),
        ("BaselineAdminNetworkPolicy", {"subject": "everybody"}),
        ("NetworkPolicy", {"podSelector": "all"}),
    ],
)
def test_a_network_policy_of_any_tier(kind, spec):
    version = "networking.k8s.io/v1" if kind == "NetworkPolicy" else POLICY_GROUP
    where = {"namespace": "shop"} if kind == "NetworkPolicy" else {}
    odd = {"apiVersion": version, "kind": kind, "metadata": {"name": "odd", **where}, "spec": spec}
    unknown_because(judge(snapshot_of(PAIR, [odd]), "shop/a > shop/b:80"), "odd")


def test_a_policy_without_a_name():
    nameless = thing("NetworkPolicy", "shop/", {"podSelector": {}}) | {"metadata": {"generateName": "deny-", "namespace": "shop"}}
    unknown_because(judge(snapshot_of(PAIR, [nameless]), "shop/a > shop/b:80"), "no name")


@pytest.mark.parametrize("flow", [FLOW, CAR], ids=["ambient", "sidecar"])
@pytest.mark.parametrize("beside", [[], [entry()]], ids=["alone", "beside one that names the host"])
@pytest.mark.parametrize("mesh", [{}, {"mesh": REGISTRY}], ids=["any", "registry only"])
def test_a_service_entry(flow, beside, mesh):
    odd = entry("shop/odd", ports=[{"number": "https", "name": "https", "protocol": "TLS"}])
    unknown_because(judge(snapshot_of(BASE, [odd, *beside], **mesh), flow), "ServiceEntry", "shop/odd")


@pytest.mark.parametrize("flow", [FLOW, CAR], ids=["ambient", "sidecar"])
def test_an_address_that_an_unreadable_entry_may_have(flow):
    odd = entry("shop/odd", ports=[{"number": "https", "name": "https", "protocol": "TLS"}])
    source = flow.partition(" > ")[0]
    unknown_because(judge(snapshot_of(BASE, [odd]), f"{source} > 203.0.113.7:443"), "shop/odd")


def test_a_workload_entry_that_may_be_behind_a_host():
    chosen = entry(resolution="STATIC", workloadSelector={"labels": {"app": "vm"}})
    odd = thing("WorkloadEntry", "shop/vm", {"address": "203.0.113.9", "ports": "all", "labels": {"app": "vm"}})
    unknown_because(judge(snapshot_of(BASE, [chosen, odd]), FLOW), "WorkloadEntry", "shop/vm")


def test_istios_own_gateway():
    odd = gateway(server(port="eighty"), key="ingress/odd")
    verdict = requests.judge(snapshot_of(ROUTED, [GATE, odd, OPEN]), API, "GET /other")
    unknown_because(verdict, "ingress/odd")


@pytest.mark.parametrize("kind", ["HTTPRoute", "Gateway"])
def test_the_gateway_apis_kinds(kind):
    rules = [{"backendRefs": [{"name": "web", "port": "eighty"}]}]
    odd = {
        "HTTPRoute": thing(
            "HTTPRoute", "back/odd", {"parentRefs": [{"name": "gw", "namespace": "istio-system"}], "rules": rules}
        ),
        "Gateway": thing("Gateway", "istio-system/odd", {"gatewayClassName": "istio", "listeners": [{"port": "eighty"}]}),
    }[kind]
    there = [each for each in DEPLOYED if each["kind"] != "HTTPRoute"]
    verdict = requests.judge(snapshot_of(there, [gateway_api(), odd]), OUTSIDE, "GET /")
    unknown_because(verdict, f"{kind} ")


def test_findings_from_what_is_missing_arent_made():
    """A policy names a Service; whether it is missing can't be told when a Service couldn't be decoded."""
    odd = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "odd", "namespace": "shop"}, "spec": {"ports": "all"}}
    target = thing("AuthorizationPolicy", "shop/p", {"targetRefs": [{"kind": "Service", "name": "odd"}], "rules": [{}]})
    report = look(snapshot_of(PAIR, [odd, service("shop/b", [("http", 80, 80)]), target]))
    assert not [finding for finding in report.findings if finding.rule == "MT207"]
    assert any(each.rule == "MT207" and "shop/odd" in each.reason for each in report.not_evaluated)
    assert [finding for finding in look(snapshot_of(PAIR, [target])).findings if finding.rule == "MT207"]


@pytest.mark.parametrize("status", list(KindStatus))
def test_blind_has_a_reason_wherever_objects_may_be_missing(status):
    """Broken and stale kinds keep what was read; if nothing was, they say so."""
    sure = status in {KindStatus.SYNCED, KindStatus.STALE, KindStatus.NOT_INSTALLED, KindStatus.BROKEN}
    assert bool(KindState(status).blind) is not sure
    assert KindState(status, missing="none were read yet").blind
