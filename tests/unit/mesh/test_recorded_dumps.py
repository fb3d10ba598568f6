"""Policies, workloads and Services as a real ztunnel wrote them, against the objects that they are made from."""

from datetime import UTC, datetime

import pytest

from meshtui.mesh import rules
from meshtui.mesh.against_api import differences
from meshtui.model.membership import Installation
from meshtui.ztunnel.dump import policy_of
from meshtui.ztunnel.reading import read_dump
from tests.fakes.dumps import RECORDINGS
from tests.fakes.snapshots import namespace, pod, policy, snapshot_of
from tests.unit.mesh.test_desired_workloads import gateway, service

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings aren't here")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DRY = {"istio.io/dry-run": "true"}
ORDERS = "selector: {matchLabels: {app: orders}}"
POLICIES = {
    "shop/allow-web": f"""
        {ORDERS}
        rules: [{{from: [{{source: {{serviceAccounts: [shop/web]}}}}], to: [{{operation: {{ports: ['8080', '9090']}}}}]}}]
    """,
    "shop/deny-batch": f"""
        action: DENY
        {ORDERS}
        rules: [{{from: [{{source: {{principals: [cluster.local/ns/shop/sa/batch]}}}}]}}]
    """,
    "istio-system/mesh-wide-no-legacy": """
        action: DENY
        rules:
        - from: [{source: {namespaces: [legacy, '*-legacy'], notNamespaces: [legacy-ok]}}]
        - from: [{source: {ipBlocks: [10.244.2.14]}}]
    """,
    "shop-closed/nothing": "action: ALLOW",
    "shop/broken-address": """
        action: DENY
        selector: {matchLabels: {app: broken}}
        rules: [{from: [{source: {ipBlocks: [10.0.0.0/40]}}]}]
    """,
    "shop/try-allow-batch": "rules: [{from: [{source: {serviceAccounts: [batch]}}]}]",
    "shop/try-deny-web": """
        action: DENY
        selector: {matchLabels: {app: catalog}}
        rules: [{from: [{source: {serviceAccounts: [web]}}]}]
    """,
}
PORTS = "{selector: {matchLabels: {app: payments}}, portLevelMtls: {9090: {mode: STRICT}}}"


def objects():
    dry = ("shop/try-allow-batch", "shop/try-deny-web")
    found = [policy(key, spec, "AuthorizationPolicy", annotations=DRY if key in dry else None) for key, spec in POLICIES.items()]
    found += [policy("finance/payments-ports", PORTS, "PeerAuthentication"), namespace("shop")]
    found += [gateway("shop/waypoint"), gateway("shop/waypoint-busy", "10.244.2.21", type="IPAddress")]
    for name, vip, labels in (
        ("orders", "10.96.0.13", {}),
        ("catalog", "10.96.0.12", {}),
        ("shopfront", "10.96.0.21", {"istio.io/use-waypoint": "waypoint"}),
        ("busy", "10.96.0.22", {"istio.io/use-waypoint": "waypoint-busy"}),
    ):
        ports = ((80, 8080), (9090, 9090)) if name == "orders" else ((80, 8080),)
        found.append(service(f"shop/{name}", ports=ports, labels=labels, selector={"app": name}, clusterIP=vip))
    addresses = "10.244.2.10 fd00:10:244:2::10", "10.244.1.11 fd00:10:244:1::11"
    found.append(pod("shop/orders-7f6d5c4b9-q8w3n", addresses[0], labels={"app": "orders"}, account="orders", node="worker-2"))
    found.append(pod("shop/catalog-5d8c6f9b7-m4t8z", addresses[1], labels={"app": "catalog"}, account="catalog", node="worker-1"))
    return found


SWITCHES = Installation(switches=frozenset({"AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY"}))


def dumps():
    return sorted(RECORDINGS.glob("*.json")) if RECORDINGS.is_dir() else []


@pytest.mark.parametrize("path", dumps(), ids=lambda path: path.stem)
def test_policies_of_every_recording_are_read(path):
    for entry in read_dump(path.read_bytes()).policies.values():
        found = policy_of(entry)
        assert not rules.unknown_fields(found)
        assert list(rules.differing(found, found)) == []


def test_what_the_recorded_mesh_has_is_what_its_objects_say():
    dump = read_dump((RECORDINGS / "policies-of-all-scopes-and-staged-services.worker-1.json").read_bytes())
    snapshot = snapshot_of(objects(), live=True, installation=SWITCHES)
    found = differences(snapshot, dump, "worker-1", now=NOW)
    ours = {str(each.meta.ref) for each in snapshot.authorization_policies.values()}
    ours |= {f"Pod {each.key}" for each in snapshot.pods.values()} | {str(each.meta.ref) for each in snapshot.services.values()}
    ours |= {"PeerAuthentication finance/payments-ports", "policy istio-system/istio_converted_static_strict"}
    assert [each for each in found if each.name in ours] == []
    assert {each.expected.partition(":")[0] for each in found} == {"absent"}  # the lab's other entries, without objects


def test_a_change_of_the_objects_shows():
    dump = read_dump((RECORDINGS / "policies-of-all-scopes-and-staged-services.worker-1.json").read_bytes())
    made = objects()
    made[0]["spec"]["rules"][0]["to"][0]["operation"]["ports"] = ["8080"]
    found = differences(snapshot_of(made, live=True, installation=SWITCHES), dump, "worker-1", now=NOW)
    (one,) = [each for each in found if each.name == "AuthorizationPolicy shop/allow-web"]
    assert (one.field, one.expected, one.found) == ("rules[0][1][0].destinationPorts", "8080", "8080, 9090")
