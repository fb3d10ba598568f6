"""Pods that talk through the real Envoy: what a client sees, and what the ztunnels log."""

import asyncio
import contextlib
import json
import os
import signal

import pytest

ECOM, INVENTORY, PROMETHEUS = "ecom/ecom-service", "inventory/inventory-service", "observability/prometheus"
ZTUNNEL_A, ZTUNNEL_B = "istio-system/ztunnel-a", "istio-system/ztunnel-b"
STOCK = "http://inventory-service.inventory:8000/stock"
ECOM_ID = "spiffe://cluster.local/ns/ecom/sa/ecom-service"
INVENTORY_ID = "spiffe://cluster.local/ns/inventory/sa/inventory-service"
SELECTOR = {"matchLabels": {"app": "inventory-service"}}
EVERYONE_OUT = {"podSelector": {}, "policyTypes": ["Ingress"]}


def allow(principal):
    return {"action": "ALLOW", "selector": SELECTOR, "rules": [{"from": [{"source": {"principals": [principal]}}]}]}


async def test_ambient_pods_talk_over_hbone_and_both_ztunnels_say_who(cluster):
    answer = await cluster.curl(ECOM, STOCK)

    assert (answer.outcome, answer.body) == ("connected", f"{INVENTORY} GET /stock")
    source = await cluster.logged(ZTUNNEL_A, 'direction="outbound"', f"dst.addr={cluster.ip(INVENTORY)}:15008")
    destination = await cluster.logged(ZTUNNEL_B, 'direction="inbound"', f"src.addr={cluster.ip(ECOM)}:")
    for line in (source, destination):
        assert "\tinfo\taccess\tconnection complete\tsrc.addr=" in line
        assert f'src.workload="ecom-service" src.namespace="ecom" src.identity="{ECOM_ID}"' in line
        assert f"dst.hbone_addr={cluster.ip(INVENTORY)}:8000" in line
        assert 'dst.service="inventory-service.inventory.svc.cluster.local"' in line
        assert f'dst.identity="{INVENTORY_ID}"' in line


@pytest.mark.parametrize(
    "name",
    [
        "inventory-service.inventory",
        "inventory-service.inventory.svc",
        "inventory-service.inventory.svc.cluster.local",
        "CLUSTER_IP",
        "POD_IP",
    ],
)
async def test_every_way_to_name_a_destination_reaches_it(cluster, name):
    service = cluster.store.get("services", "inventory", "inventory-service")
    host = name.replace("CLUSTER_IP", service["spec"]["clusterIP"]).replace("POD_IP", cluster.ip(INVENTORY))
    for source in (ECOM, PROMETHEUS):
        assert (await cluster.curl(source, f"http://{host}:8000/")).outcome == "connected"


async def test_a_bare_name_is_known_in_its_own_namespace_only(cluster):
    assert (await cluster.curl(ECOM, "http://ecom-service:8080/")).outcome == "connected"
    assert (await cluster.curl(ECOM, "http://inventory-service:8000/")).outcome == "curl 6"


async def test_an_unmeshed_client_speaks_plaintext_without_an_identity(cluster):
    assert (await cluster.curl(PROMETHEUS, STOCK)).outcome == "connected"
    line = await cluster.logged(ZTUNNEL_B, f"src.addr={cluster.ip(PROMETHEUS)}:")
    assert "identity" not in line
    assert f"dst.addr={cluster.ip(INVENTORY)}:8000 " in line


async def test_an_ambient_client_reaches_an_unmeshed_pod_in_plaintext(cluster):
    answer = await cluster.curl(ECOM, "http://prometheus.observability:9090/")
    assert answer.outcome == "connected"
    line = await cluster.logged(ZTUNNEL_A, 'dst.workload="prometheus"')
    assert "hbone" not in line


async def test_a_policy_edit_flips_the_answer_both_ways(cluster):
    await cluster.apply("AuthorizationPolicy", "inv", "inventory", allow("cluster.local/ns/ecom/sa/default"))
    denied = await cluster.curl(ECOM, STOCK)
    assert (denied.outcome, denied.connected) == ("closed", True)
    reason = "connection closed due to policy rejection: allow policies exist, but none allowed"
    line = await cluster.logged(ZTUNNEL_B, f'error="{reason}"')
    assert "\terror\taccess\tconnection complete\t" in line
    assert f'src.identity="{ECOM_ID}"' in line
    await cluster.logged(ZTUNNEL_A, 'error="http status: 401 Unauthorized"')

    await cluster.apply("AuthorizationPolicy", "inv", "inventory", allow("cluster.local/ns/ecom/sa/ecom-service"))
    assert (await cluster.curl(ECOM, STOCK)).outcome == "connected"
    assert (await cluster.curl(PROMETHEUS, STOCK)).outcome == "closed"


async def test_a_deny_policy_is_named_in_the_log(cluster):
    spec = {"action": "DENY", "rules": [{"from": [{"source": {"namespaces": ["ecom"]}}]}]}
    await cluster.apply("AuthorizationPolicy", "no-ecom", "inventory", spec)
    assert (await cluster.curl(ECOM, STOCK)).outcome == "closed"
    await cluster.logged(ZTUNNEL_B, "policy rejection: explicitly denied by: inventory/no-ecom")
    assert (await cluster.curl(PROMETHEUS, STOCK)).outcome == "connected"


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ({"to": [{"operation": {"ports": ["8000"]}}]}, "connected"),
        ({"to": [{"operation": {"ports": ["15008"]}}]}, "closed"),
        ({"to": [{"operation": {"notPorts": ["8000"]}}]}, "closed"),
        ({"to": [{"operation": {"methods": ["GET"]}}]}, "closed"),
        ({"from": [{"source": {"ipBlocks": ["SOURCE"]}}]}, "connected"),
        ({"from": [{"source": {"notIpBlocks": ["SOURCE"]}}]}, "closed"),
        ({"from": [{"source": {"serviceAccounts": ["ecom/ecom-service"]}}]}, "connected"),
        ({"from": [{"source": {"serviceAccounts": ["ecom-service"]}}]}, "closed"),
        ({"from": [{"source": {"principals": ["*/ecom-service"]}}]}, "connected"),
        ({"from": [{"source": {"principals": ["spiffe://cluster.local/ns/ecom/sa/ecom-service"]}}]}, "closed"),
        ({"when": [{"key": "source.namespace", "values": ["e*"]}]}, "connected"),
        ({"when": [{"key": "request.headers[x]", "values": ["y"]}]}, "closed"),
        ({}, "connected"),
    ],
    ids=str,
)
async def test_an_allow_rule_over_hbone(cluster, rule, outcome):
    filled = json.loads(json.dumps(rule).replace("SOURCE", cluster.ip(ECOM)))
    await cluster.apply("AuthorizationPolicy", "inv", "inventory", {"action": "ALLOW", "rules": [filled]})
    assert (await cluster.curl(ECOM, STOCK)).outcome == outcome


async def test_strict_refuses_plaintext_and_lets_the_mesh_in(cluster):
    await cluster.apply("PeerAuthentication", "default", "inventory", {"mtls": {"mode": "STRICT"}})
    refused = await cluster.curl(PROMETHEUS, STOCK)
    assert (refused.outcome, refused.connected) == ("closed", True)
    line = await cluster.logged(ZTUNNEL_B, "explicitly denied by: istio-system/istio_converted_static_strict")
    assert "src.identity" not in line
    assert (await cluster.curl(ECOM, STOCK)).outcome == "connected"


async def test_a_network_policy_drop_never_answers(cluster):
    await cluster.apply("NetworkPolicy", "deny-all", "inventory", EVERYONE_OUT)
    ambient = await cluster.curl(ECOM, STOCK, max_time=1)
    assert (ambient.outcome, ambient.connected) == ("timeout", True)
    plaintext = await cluster.curl(PROMETHEUS, STOCK, max_time=1)
    assert (plaintext.outcome, plaintext.connected) == ("timeout", False)


async def test_a_tunnel_that_is_dropped_times_out_like_ztunnels(cluster):
    await cluster.apply("NetworkPolicy", "deny-all", "inventory", EVERYONE_OUT)
    assert (await cluster.curl(ECOM, STOCK, max_time=20)).outcome == "closed"
    await cluster.logged(
        ZTUNNEL_A, "connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: deadline has elapsed"
    )


@pytest.mark.parametrize(("port", "outcome"), [(8000, "timeout"), (15008, "connected")])
async def test_network_policy_sees_hbones_port_between_ambient_pods(cluster, port, outcome):
    spec = {**EVERYONE_OUT, "ingress": [{"ports": [{"port": port}]}]}
    await cluster.apply("NetworkPolicy", "ports", "inventory", spec)
    assert (await cluster.curl(ECOM, STOCK, max_time=1)).outcome == outcome


async def test_nobody_listens(cluster):
    cluster.pod("ecom/silent", sa="silent", port=7000)
    cluster.pod("observability/silent", sa="silent", port=7001)
    await cluster.settled()
    meshed = await cluster.curl(PROMETHEUS, "http://silent.ecom:7000/")
    assert (meshed.outcome, meshed.connected) == ("closed", True)
    assert (await cluster.curl(ECOM, "http://silent.ecom:7000/")).outcome == "closed"
    assert (await cluster.curl(PROMETHEUS, "http://silent.observability:7001/")).outcome == "refused"


async def test_a_service_without_a_ready_backend_refuses(cluster):
    pod = cluster.store.get("pods", "inventory", "inventory-service")
    status = {**pod["status"], "conditions": [{"type": "Ready", "status": "False"}]}
    cluster.store.update("pods", {**pod, "status": status})
    await cluster.settled()
    for source in (ECOM, PROMETHEUS):
        assert (await cluster.curl(source, STOCK)).outcome == "refused"


async def test_captured_pods_are_annotated_and_others_are_not(cluster):
    def annotation(ref):
        found = cluster.store.get("pods", *ref.split("/"))
        return (found["metadata"].get("annotations") or {}).get("ambient.istio.io/redirection")

    assert [annotation(ref) for ref in (ECOM, INVENTORY, PROMETHEUS)] == ["enabled", "enabled", None]
    view = json.loads((cluster.root(ECOM) / "net.json").read_text())
    assert view["ip"] == cluster.ip(ECOM)
    assert "inventory-service.inventory:8000" in view["routes"]


async def test_open_connections_end_when_a_policy_denies_them(cluster):
    view = json.loads((cluster.root(ECOM) / "net.json").read_text())
    host, port = view["routes"]["inventory-service.inventory:8000"]
    before = cluster.connections[INVENTORY]
    reader, writer = await asyncio.open_connection(host, port, local_addr=(cluster.ip(ECOM), 0))
    writer.write(b"GET /half HTTP/1.1\r\n")
    await writer.drain()
    await cluster.reached(INVENTORY, before + 1)  # open to its end
    await cluster.apply("AuthorizationPolicy", "nobody", "inventory", {})
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 8) == b""
    writer.close()
    await cluster.logged(ZTUNNEL_B, 'error="connection closed due to policy change"')


async def test_envoy_comes_back_when_it_is_killed(cluster):
    before = cluster.plane.envoy_pid
    os.kill(before, signal.SIGKILL)
    outcome = None
    deadline = asyncio.get_running_loop().time() + 8
    while outcome != "connected" and asyncio.get_running_loop().time() < deadline:
        outcome = (await cluster.curl(ECOM, STOCK, max_time=1)).outcome
    assert outcome == "connected"
    assert cluster.plane.envoy_pid != before


async def test_a_client_that_binds_to_nothing_is_logged_as_its_pod(cluster):
    view = json.loads((cluster.root(ECOM) / "net.json").read_text())
    reader, writer = await asyncio.open_connection(*view["routes"]["inventory-service.inventory:8000"])
    writer.write(b"GET /unbound HTTP/1.1\r\n\r\n")
    assert b"/unbound" in await reader.read()
    writer.close()
    await cluster.logged(ZTUNNEL_A, 'direction="outbound"', f"src.addr={cluster.ip(ECOM)}:")
    await cluster.logged(ZTUNNEL_B, 'direction="inbound"', f"src.addr={cluster.ip(ECOM)}:")


async def test_connections_are_spread_over_a_services_ready_backends(cluster):
    cluster.pod("inventory/second", sa="inventory-service", port=8000)
    await cluster.serve("inventory/second")
    for ref in (INVENTORY, "inventory/second"):
        found = cluster.store.get("pods", *ref.split("/"))
        labels = {**found["metadata"]["labels"], "app": "inventory-service"}
        cluster.store.update("pods", {**found, "metadata": {**found["metadata"], "labels": labels}})
    await cluster.settled()
    bodies = {(await cluster.curl(ECOM, STOCK)).body for _ in range(30)}
    assert bodies == {f"{INVENTORY} GET /stock", "inventory/second GET /stock"}


async def test_a_pods_own_label_takes_it_out_of_the_mesh(cluster):
    found = cluster.store.get("pods", "inventory", "inventory-service")
    labels = {**found["metadata"]["labels"], "istio.io/dataplane-mode": "none"}
    cluster.store.update("pods", {**found, "metadata": {**found["metadata"], "labels": labels}})
    await cluster.settled()
    assert (await cluster.curl(ECOM, STOCK)).outcome == "connected"
    line = await cluster.logged(ZTUNNEL_A, 'dst.workload="inventory-service"')
    assert "hbone" not in line
    annotations = cluster.store.get("pods", "inventory", "inventory-service")["metadata"]["annotations"]
    assert "ambient.istio.io/redirection" not in annotations


async def test_a_changed_service_account_changes_the_identity(cluster):
    cluster.store.delete("pods", "ecom", "ecom-service")
    cluster.pod("ecom/ecom-service-2", sa="default")
    await cluster.settled()
    assert (await cluster.curl("ecom/ecom-service-2", STOCK)).outcome == "connected"
    await cluster.logged(ZTUNNEL_B, 'src.identity="spiffe://cluster.local/ns/ecom/sa/default"')


async def test_a_pod_always_reaches_its_own_address(cluster):
    await cluster.apply("AuthorizationPolicy", "nobody", "ecom", {})
    await cluster.apply("NetworkPolicy", "deny-all", "ecom", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
    assert (await cluster.curl(ECOM, f"http://{cluster.ip(ECOM)}:8080/")).outcome == "connected"
    assert (await cluster.curl(ECOM, "http://ecom-service:8080/")).outcome == "closed"
