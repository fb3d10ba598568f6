"""Gateways as the ends of a flow: their own pods, and in manifests the pods that Istio would make for them."""

import pytest

from meshtui.model.errors import UsageError
from tests.fakes.requests import by, judge, policy, router, service, space
from tests.fakes.snapshots import pod, snapshot_of
from tests.unit.test_proxies_as_found import IN_FRONT, LABELLED, gateway

WORLD = [space("istio-system"), space("back", ambient=True), pod("back/web", "10.0.2.2", [80], account="web")]
ONLY_THE_GATEWAY = policy(by("cluster.local/ns/istio-system/sa/gw-istio"))


@pytest.mark.parametrize(
    "end", ["istio-system/gateway/gw", "istio-system/gtw/gw", "istio-system/Gateway/gw", "istio-system/deploy/gw-istio"]
)
def test_what_istio_would_deploy_is_an_end(end):
    snapshot = snapshot_of(WORLD, [gateway(), ONLY_THE_GATEWAY])
    assert judge(snapshot, f"{end} > back/web:80").decision.value == "allow"
    assert judge(snapshot, f"back/web > {end}:80").decision.value == "allow"
    shut = snapshot_of(WORLD, [gateway()], IN_FRONT)
    assert judge(shut, f"back/web > {end}:80").decision.value == "deny"
    open_ = snapshot_of(WORLD, [gateway(LABELLED)], IN_FRONT)
    assert judge(open_, f"back/web > {end}:80").decision.value == "allow"


def test_pods_that_are_there_are_the_gateways():
    named = {"gateway.networking.k8s.io/gateway-name": "gw"}
    snapshot = snapshot_of(
        WORLD, [gateway(), pod("istio-system/gw-1", "10.0.9.1", labels=named, account="other"), ONLY_THE_GATEWAY]
    )
    assert judge(snapshot, "istio-system/gateway/gw > back/web:80").decision.value == "deny"
    with pytest.raises(UsageError, match="no Deployment istio-system/gw-istio"):
        judge(snapshot, "istio-system/deploy/gw-istio > back/web:80")


def test_by_hand_they_are_those_of_its_service():
    by_hand = gateway(addresses=[{"type": "Hostname", "value": "gate"}])
    objects = [by_hand, router("istio-system/gate", "10.0.0.1"), service("istio-system/gate", [("http", 80, 8080)])]
    verdict = judge(snapshot_of(WORLD, objects), "back/web > istio-system/gateway/gw:8080")
    assert verdict.decision.value == "allow"
    with pytest.raises(UsageError, match="no pods of Gateway istio-system/gw"):
        judge(snapshot_of(WORLD, [by_hand]), "back/web > istio-system/gateway/gw:80")
    with pytest.raises(UsageError, match="no Gateway istio-system/gone"):
        judge(snapshot_of(WORLD, [by_hand]), "back/web > istio-system/gateway/gone:80")
