"""Faults of the mesh itself: what traffic meets, what the ztunnels say of it, and what ends it."""

import asyncio
import datetime as dt
import json

from meshtui.sandbox.dataplane.faulty import Faulty
from meshtui.sandbox.meshfaults import Planned
from meshtui.ztunnel.reading import read_dump

ECOM, INVENTORY, PROMETHEUS = "ecom/ecom-service", "inventory/inventory-service", "observability/prometheus"
ZTUNNEL_A, ZTUNNEL_B = "istio-system/ztunnel-a", "istio-system/ztunnel-b"
STOCK = "http://inventory-service.inventory:8000/stock"
SHOP = "http://ecom-service.ecom:8080/"
ECOM_ID = "spiffe://cluster.local/ns/ecom/sa/ecom-service"
INVENTORY_ID = "spiffe://cluster.local/ns/inventory/sa/inventory-service"
OF_INVENTORY = "inventory/Pod/inventory-service"
SELECTOR = {"matchLabels": {"app": "inventory-service"}}


def allow(principal):
    return {"action": "ALLOW", "selector": SELECTOR, "rules": [{"from": [{"source": {"principals": [principal]}}]}]}


async def break_it(cluster, fault, older=()):
    planned = Planned.model_validate({"fault": fault, "older": tuple(older)})
    cluster.plane.faulty = Faulty([planned], cluster.plane.faulty.ca, cluster.logs)
    cluster.plane.faulty.arm()
    await cluster.settled()


def answer(cluster, ref, port, path):
    return cluster.plane.mesh.ports_of(cluster.pods[ref], inside=True)[port]("GET", path).body


def dump(cluster, ref):
    return json.loads(answer(cluster, ref, 15000, "/config_dump"))


def workload(cluster, name, seen_by=ZTUNNEL_A):
    return next(each for each in dump(cluster, seen_by)["workloads"] if each["name"] == name)


def annotation(cluster, ref):
    namespace, name = ref.split("/")
    found = cluster.store.get("pods", namespace, name)
    return (found["metadata"].get("annotations") or {}).get("ambient.istio.io/redirection")


async def restart(cluster, ref):
    """Delete a pod, and create it again."""
    namespace, name = ref.split("/")
    old = cluster.store.delete("pods", namespace, name)
    meta = {key: old["metadata"][key] for key in ("name", "namespace", "labels")}
    containers = [{**each, "image": "istio/ztunnel:1.27.1"} for each in old["spec"]["containers"]]
    spec, status = {**old["spec"], "containers": containers}, old["status"]
    made = cluster.store.create("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    cluster.pods[ref] = cluster.store.update("pods", {**made, "status": status})
    await cluster.settled()


async def test_a_pod_that_lost_its_redirection(cluster):
    await break_it(cluster, {"fault": "lost-redirection", "of": OF_INVENTORY})

    # Everybody still believes in it …
    assert annotation(cluster, INVENTORY) == "enabled"
    assert workload(cluster, "inventory-service")["protocol"] == "HBONE"
    # … but its ztunnel hasn't got it, and callers find nobody.
    assert dump(cluster, ZTUNNEL_B)["workloadState"] == {}
    assert b"\nworkload_manager_active_proxy_count 0\n" in answer(cluster, ZTUNNEL_B, 15020, "/metrics")
    assert (await cluster.curl(ECOM, STOCK)).outcome == "closed"
    line = await cluster.logged(ZTUNNEL_A, f"dst.addr={cluster.ip(INVENTORY)}:15008", "error=")
    assert line.endswith('error="io error: Connection refused (os error 111)"')
    assert f'src.identity="{ECOM_ID}"' in line
    assert (await cluster.curl(PROMETHEUS, STOCK)).outcome == "connected"  # nothing protects it any more
    # What it sends has no identity.
    assert (await cluster.curl(INVENTORY, SHOP)).outcome == "connected"
    line = await cluster.logged(ZTUNNEL_A, 'direction="inbound"', f"src.addr={cluster.ip(INVENTORY)}:")
    assert 'src.workload="inventory-service"' in line
    assert "identity" not in line

    await restart(cluster, INVENTORY)
    await cluster.serve(INVENTORY)
    await cluster.settled()
    assert (await cluster.curl(ECOM, STOCK)).outcome == "connected"
    assert [each["info"]["name"] for each in dump(cluster, ZTUNNEL_B)["workloadState"].values()] == ["inventory-service"]


async def test_a_pod_whose_proxy_is_pending(cluster):
    await break_it(cluster, {"fault": "pending-pod", "of": OF_INVENTORY})
    await cluster.settled()
    assert annotation(cluster, INVENTORY) == "pending"
    assert workload(cluster, "inventory-service")["protocol"] == "TCP"
    (state,) = dump(cluster, ZTUNNEL_B)["workloadState"].values()
    assert state == {
        "info": {"name": "inventory-service", "namespace": "inventory", "serviceAccount": "inventory-service"},
        "state": "Pending",
    }
    assert b"\nworkload_manager_pending_proxy_count 1\n" in answer(cluster, ZTUNNEL_B, 15020, "/metrics")
    assert answer(cluster, ZTUNNEL_B, 15021, "/healthz/ready") == b"ready\n"
    await cluster.logged(ZTUNNEL_B, "retrying workload failed")
    for source, url in ((ECOM, STOCK), (PROMETHEUS, STOCK), (INVENTORY, SHOP)):
        assert (await cluster.curl(source, url)).outcome in {"refused", "closed"}

    await restart(cluster, INVENTORY)
    await cluster.serve(INVENTORY)
    await cluster.settled()
    assert (await cluster.curl(ECOM, STOCK)).outcome == "connected"
    assert annotation(cluster, INVENTORY) == "enabled"
    assert b"\nworkload_manager_pending_proxy_count 0\n" in answer(cluster, ZTUNNEL_B, 15020, "/metrics")


def validity(cluster, identity):
    (found,) = [each for each in dump(cluster, ZTUNNEL_B)["certificates"] if each["identity"] == identity]
    leaf = found["certChain"][0]
    begin, end = (dt.datetime.fromisoformat(leaf[key]) for key in ("validFrom", "expirationTime"))
    assert end - begin == dt.timedelta(hours=24, minutes=2)
    assert found["state"] == "Available"
    return (end - dt.datetime.now(dt.UTC)) / (end - begin), leaf["serialNumber"]


async def test_a_certificate_that_is_not_renewed(cluster):
    assert validity(cluster, INVENTORY_ID)[0] > 0.9
    await break_it(cluster, {"fault": "stuck-renewal", "of": OF_INVENTORY})
    left, serial = validity(cluster, INVENTORY_ID)
    assert 0.3 < left < 0.5
    line = await cluster.logged(ZTUNNEL_B, "identity::manager")
    assert "certificate renewal failed (" in line
    assert "); retaining existing valid certificate until Instant { tv_sec: " in line
    assert line.endswith(f"\tid={INVENTORY_ID}")
    assert (await cluster.curl(ECOM, STOCK)).outcome == "connected"  # it is still valid, and in use
    await cluster.settled()
    assert validity(cluster, INVENTORY_ID)[1] == serial

    await restart(cluster, ZTUNNEL_B)
    left, renewed = validity(cluster, INVENTORY_ID)
    assert left > 0.9
    assert renewed != serial
    assert (await cluster.curl(ECOM, STOCK)).outcome == "connected"


def authorizations(cluster, ref):
    syncz = cluster.plane.mesh.syncz()
    (found,) = [each for each in syncz if each["proxy"] == f"{ref.split('/')[1]}.istio-system"]
    return found["resources"]["type.googleapis.com/istio.security.Authorization"]


def rules(cluster, ref, name):
    return next((each["rules"] for each in dump(cluster, ref)["policies"] if each["name"] == name), None)


async def test_a_new_istiod_renews_the_certificate_at_once(cluster):
    cluster.pod("istio-system/istiod", labels={"app": "istiod"})
    await cluster.settled()
    await break_it(cluster, {"fault": "stuck-renewal", "of": OF_INVENTORY})
    await restart(cluster, ZTUNNEL_A)  # another node's
    assert validity(cluster, INVENTORY_ID)[0] < 0.5
    await restart(cluster, "istio-system/istiod")
    assert validity(cluster, INVENTORY_ID)[0] > 0.9


async def test_a_node_that_takes_no_more_policies(cluster):
    await cluster.apply("AuthorizationPolicy", "inv", "inventory", allow("cluster.local/ns/ecom/sa/ecom-service"))
    policy = cluster.store.get("authorizationpolicies", "inventory", "inv")
    old = {**policy, "spec": allow("cluster.local/ns/ecom/sa/gone")}
    await break_it(cluster, {"fault": "node-behind", "of": OF_INVENTORY, "older": "x"}, [old])

    assert rules(cluster, ZTUNNEL_A, "inv") != rules(cluster, ZTUNNEL_B, "inv")
    assert (await cluster.curl(ECOM, STOCK)).outcome == "closed"  # it really enforces what it has
    await cluster.logged(ZTUNNEL_B, "none allowed")
    assert authorizations(cluster, ZTUNNEL_A)["sent"] == authorizations(cluster, ZTUNNEL_A)["acked"]
    assert authorizations(cluster, ZTUNNEL_B)["sent"] != authorizations(cluster, ZTUNNEL_B)["acked"]
    await cluster.apply("AuthorizationPolicy", "late", "inventory", {"action": "DENY", "rules": [{}]})
    assert rules(cluster, ZTUNNEL_A, "late") == [[]]
    assert rules(cluster, ZTUNNEL_B, "late") is None
    cluster.store.delete("authorizationpolicies", "inventory", "late")

    await restart(cluster, ZTUNNEL_B)
    assert rules(cluster, ZTUNNEL_A, "inv") == rules(cluster, ZTUNNEL_B, "inv")
    assert authorizations(cluster, ZTUNNEL_B)["sent"] == authorizations(cluster, ZTUNNEL_B)["acked"]
    assert (await cluster.curl(ECOM, STOCK)).outcome == "connected"


async def test_a_policy_that_a_ztunnel_refuses(cluster):
    nobody = allow("cluster.local/ns/ecom/sa/nobody")
    await cluster.apply("AuthorizationPolicy", "inv", "inventory", nobody)
    assert (await cluster.curl(ECOM, STOCK)).outcome == "closed"
    await break_it(cluster, {"fault": "nack", "of": OF_INVENTORY, "policy": "inventory/inv", "error": "decode error: no"})

    assert rules(cluster, ZTUNNEL_A, "inv")
    assert rules(cluster, ZTUNNEL_B, "inv") is None
    assert workload(cluster, "inventory-service", ZTUNNEL_B)["authorizationPolicies"] == ["inventory/inv"]
    assert (await cluster.curl(ECOM, STOCK)).outcome == "connected"  # nothing denies it any more
    line = await cluster.logged(ZTUNNEL_B, "skipping unknown policy")
    assert line.endswith("\twarn\tstate:proxy{wl=inventory/inventory-service}\tskipping unknown policy inventory/inv\t")
    assert authorizations(cluster, ZTUNNEL_B)["lastError"] == "inventory/inv: decode error: no"
    assert authorizations(cluster, ZTUNNEL_B)["sent"] != authorizations(cluster, ZTUNNEL_B)["acked"]
    assert "lastError" not in authorizations(cluster, ZTUNNEL_A)
    line = await cluster.logged(ZTUNNEL_B, "type=Nack")
    assert "\terror\txds::client:xds{id=1}\tsending response\t" in line
    assert line.endswith('error="inventory/inv: decode error: no"')

    await cluster.apply("AuthorizationPolicy", "inv", "inventory", {**nobody, "action": "DENY"})
    assert rules(cluster, ZTUNNEL_A, "inv") == rules(cluster, ZTUNNEL_B, "inv")
    assert "lastError" not in authorizations(cluster, ZTUNNEL_B)
    assert authorizations(cluster, ZTUNNEL_B)["sent"] == authorizations(cluster, ZTUNNEL_B)["acked"]


async def test_a_ztunnel_of_an_old_version(cluster):
    new = dump(cluster, ZTUNNEL_B)
    read = read_dump(answer(cluster, ZTUNNEL_B, 15000, "/config_dump"))
    assert (read.problems, read.old_form, read.node) == ((), False, "sandbox-b")
    await break_it(cluster, {"fault": "old-dump", "node": "sandbox-b", "image": "istio/ztunnel:1.22.8"})
    cluster.store.hooks.append(cluster.plane.faulty.admit)
    await restart(cluster, ZTUNNEL_B)
    old = dump(cluster, ZTUNNEL_B)
    assert old["version"]["istioVersion"] == "1.22.8"
    again = read_dump(answer(cluster, ZTUNNEL_B, 15000, "/config_dump"))
    assert (again.problems, again.old_form, again.version) == ((), True, "1.22.8")
    assert (set(again.workloads), set(again.services)) == (set(read.workloads), set(read.services))
    assert [len(each.roots) for each in again.certificates] == [1]
    assert {f"/{each['workloadIps'][0]}" for each in new["workloads"]} == set(old["workloads"])
    assert {vip for each in new["services"] for vip in each["vips"]} == set(old["services"])
    assert old["policies"] == {}
    (endpoint,) = next(each for each in old["services"].values() if each["name"] == "inventory-service")["endpoints"].items()
    assert endpoint[0] == f"Kubernetes//Pod/inventory/inventory-service:/{cluster.ip(INVENTORY)}"
    assert set(endpoint[1]) == {"workloadUid", "service", "address", "port"}
    (certificate,) = old["certificates"]
    assert "rootCerts" not in certificate
    assert [each["pem"][:27] for each in certificate["certChain"]] == ["-----BEGIN CERTIFICATE-----"] * 2

    await restart(cluster, ZTUNNEL_B)
    assert isinstance(dump(cluster, ZTUNNEL_B)["workloads"], list)


async def test_without_a_fault_the_nodes_agree_at_every_moment(cluster):
    async def look():
        for _ in range(8):
            one, other = dump(cluster, ZTUNNEL_A), dump(cluster, ZTUNNEL_B)
            assert [one[key] == other[key] for key in ("workloads", "services", "policies")] == [True] * 3
            believed = {each["name"] for each in one["workloads"] if each["protocol"] == "HBONE"}
            up = {each["info"]["name"] for each in (*one["workloadState"].values(), *other["workloadState"].values())}
            assert up == believed
            for each in cluster.plane.mesh.syncz():
                assert all(kind["sent"] == kind["acked"] for kind in each["resources"].values())
            await asyncio.sleep(0.01)

    for number in range(3):
        cluster.pod(f"ecom/extra-{number}", sa=f"extra-{number}", port=80)
        await look()
        spec = allow(f"cluster.local/ns/ecom/sa/extra-{number}")
        editing = asyncio.create_task(cluster.apply("AuthorizationPolicy", "inv", "inventory", spec))
        await look()
        await editing
        cluster.store.delete("pods", "ecom", f"extra-{number}")
        await look()
    await cluster.settled()
    assert rules(cluster, ZTUNNEL_A, "inv") == [[[{"principals": [{"Exact": "cluster.local/ns/ecom/sa/extra-2"}]}]]]


async def test_nobody_has_asked_a_ztunnel_to_quit(cluster):
    admin = cluster.plane.mesh.ports_of(cluster.pods[ZTUNNEL_A], inside=True)[15000]
    assert cluster.plane.mesh.asked_to_quit == 0
    assert [admin(method, "/quitquitquit").code for method in ("GET", "POST")] == [405, 200]
    assert cluster.plane.mesh.asked_to_quit == 1
    assert [admin("POST", path).code for path in ("/config_dump", "/nothing")] == [405, 404]
    assert 15000 not in cluster.plane.mesh.ports_of(cluster.pods[ZTUNNEL_A], inside=False)
