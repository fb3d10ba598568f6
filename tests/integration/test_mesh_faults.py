"""What the sandbox's ztunnels and istiod say of themselves, through the API server; and each fault of the mesh, from its
beginning to its repair."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509

from meshtui.findings import look
from meshtui.findings.base import MESH
from meshtui.mesh.compare import compare
from meshtui.sandbox import addresses, scenarios
from meshtui.sandbox.dataplane.faulty import Faulty
from meshtui.sandbox.run import Sandbox
from meshtui.settings import load_settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.sources.kubernetes.mesh_look import look_at_mesh
from tests.fakes.bookstore import IN_ITS_LOOP, needs_kubectl, on
from tests.fakes.forwarded import dumps, forwarded, proxied, ztunnels
from tests.integration.test_bookstore_scenarios import GOOD, buy, kubectl

pytestmark = [pytest.mark.sandbox, IN_ITS_LOOP]

AUTHORIZATIONS = "type.googleapis.com/istio.security.Authorization"
# What the recordings of a real ztunnel have in common: fields, and those that aren't always there.
TOP = {
    "certificates",
    "config",
    "policies",
    "services",
    "stagedServices",
    "staticConfig",
    "version",
    "workloadState",
    "workloads",
}
WORKLOAD = {
    "canonicalName",
    "canonicalRevision",
    "capacity",
    "clusterId",
    "name",
    "namespace",
    "networkMode",
    "node",
    "protocol",
    "serviceAccount",
    "status",
    "trustDomain",
    "uid",
    "workloadIps",
    "workloadName",
    "workloadType",
}
WORKLOAD_MAY = {"authorizationPolicies", "services", "nativeTunnel", "waypoint"}
SERVICE = {"canonical", "endpoints", "hostname", "ipFamilies", "name", "namespace", "ports", "subjectAltNames", "vips"}
SERVICE_MAY = {"loadBalancer", "visibility", "waypoint"}
POLICY, POLICY_MAY = {"action", "name", "namespace", "rules", "scope"}, {"dryRun"}
CERTIFICATE, LINK = {"certChain", "identity", "rootCerts", "state"}, {"expirationTime", "pem", "serialNumber", "validFrom"}
VERSION = {"buildProfile", "buildStatus", "cryptoProvider", "gitRevision", "istioVersion", "rustVersion", "version"}
STATE = {"connections", "info", "state"}


def have(found: list[dict[str, Any]], must: set[str], may: set[str] = frozenset()) -> bool:
    return bool(found) and all(must <= set(each) <= must | may for each in found)


def in_order(value: Any) -> bool:
    """Whether the keys of all maps are in alphabetical order."""
    if isinstance(value, list):
        return all(map(in_order, value))
    return not isinstance(value, dict) or (list(value) == sorted(value) and all(map(in_order, value.values())))


@on("healthy")
async def test_two_dumps_agree_and_have_the_fields_of_real_ones(bookstore: Sandbox) -> None:
    await bookstore.dataplane.wait_settled()
    found = await dumps(bookstore)
    one, other = found.values()
    for key in ("workloads", "services", "policies"):
        assert one[key] == other[key]
    for node, dump in found.items():
        assert set(dump) == TOP
        assert in_order(dump)
        assert have(dump["workloads"], WORKLOAD, WORKLOAD_MAY)
        assert have(dump["services"], SERVICE, SERVICE_MAY)
        assert have(dump["policies"], POLICY, POLICY_MAY)
        assert have(dump["certificates"], CERTIFICATE)
        assert have([link for each in dump["certificates"] for link in each["certChain"] + each["rootCerts"]], LINK)
        assert set(dump["version"]) == VERSION
        assert dump["version"]["istioVersion"] == "1.27.1"
        assert dump["config"]["localNode"] == node
        assert have(list(dump["workloadState"].values()), STATE)
        here = [each for each in dump["workloads"] if each["node"] == node and each["protocol"] == "HBONE"]
        assert sorted(each["name"] for each in here) == sorted(each["info"]["name"] for each in dump["workloadState"].values())
        spiffe = {f"spiffe://cluster.local/ns/{each['namespace']}/sa/{each['serviceAccount']}" for each in here}
        assert [each["identity"] for each in dump["certificates"]] == sorted(spiffe)


@on("healthy")
async def test_the_certificates_of_a_dump_are_those_that_are_presented(bookstore: Sandbox) -> None:
    for dump in (await dumps(bookstore)).values():
        workload = next(each for each in dump["workloads"] if each["name"].startswith(("ui-service", "ecom-service")))
        if workload["node"] != dump["config"]["localNode"]:
            continue
        chain = next(each for each in dump["certificates"] if each["identity"].endswith(f"/{workload['serviceAccount']}"))
        leaf = x509.load_pem_x509_certificate(base64.b64decode(chain["certChain"][0]["pem"]))
        root = x509.load_pem_x509_certificate(base64.b64decode(chain["rootCerts"][0]["pem"]))
        leaf.verify_directly_issued_by(root)
        assert str(leaf.serial_number) == chain["certChain"][0]["serialNumber"]
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection(*addresses.listen_at(workload["workloadIps"][0], 15008), ssl=context)
        tls = writer.get_extra_info("ssl_object")
        writer.close()
        assert x509.load_der_x509_certificate(tls.getpeercert(binary_form=True)) == leaf


@on("healthy")
async def test_connections_that_are_held_open_are_listed_at_both_ends(bookstore: Sandbox) -> None:
    found = await dumps(bookstore)
    listed = {each["info"]["name"]: each["connections"] for dump in found.values() for each in dump["workloadState"].values()}
    addresses_of = {each["name"]: each["workloadIps"][0] for dump in found.values() for each in dump["workloads"]}
    service = next(name for name in listed if name.startswith("inventory-service"))
    vip = next(each["vips"][0] for dump in found.values() for each in dump["services"] if each["name"] == "inventory-db")
    database = addresses_of["inventory-db-0"]
    there = [each for each in listed[service]["outbound"] if each["actualDst"] == f"{database}:15008"]
    assert {(each["originalDst"], each["protocol"]) for each in there} == {(f"{vip.removeprefix('/')}:5432", "HBONE")}
    here = listed["inventory-db-0"]["inbound"]
    assert {(each["originalDst"], each["actualDst"], each["protocol"]) for each in here} == {
        ("inventory-db.inventory.svc.cluster.local", f"{database}:5432", "HBONE")
    }
    assert {each["src"].partition(":")[0] for each in here} == {addresses_of[service]}


@on("healthy")
async def test_metrics_readiness_and_synchronization(bookstore: Sandbox) -> None:
    assert await buy(bookstore.gateway_url) == GOOD
    texts = []
    for name in ztunnels(bookstore).values():
        for path in ("/metrics", "/stats/prometheus"):
            answer = await proxied(bookstore, name, 15020, path)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("application/openmetrics-text")
            assert answer.text.endswith("# EOF\n")
        texts.append(answer.text)
        assert "\nworkload_manager_pending_proxy_count 0\n" in answer.text
        assert 'istio_build{component="ztunnel",tag="1.27.1"} 1' in answer.text
        assert (await proxied(bookstore, name, 15021, "/healthz/ready")).text == "ready\n"
        refused = await proxied(bookstore, name, 15000, "/config_dump")
        assert refused.status_code == 503
        assert "connection refused" in refused.json()["message"]
    active = [int(text.partition("\nworkload_manager_active_proxy_count ")[2].partition("\n")[0]) for text in texts]
    assert sum(active) >= 7
    assert any('istio_tcp_connections_closed_total{reporter="source",source_workload="ecom-service"' in text for text in texts)
    (istiod,) = [each["metadata"]["name"] for each in bookstore.api.store.list("pods", "istio-system") if "istiod" in str(each)]
    syncz = json.loads(await forwarded(bookstore, istiod, 15014, "/debug/syncz"))
    assert {each["proxy"] for each in syncz} == {f"{name}.istio-system" for name in ztunnels(bookstore).values()}
    for each in syncz:
        assert all(kind["sent"] == kind["acked"] and "lastError" not in kind for kind in each["resources"].values())
    assert (await proxied(bookstore, istiod, 15014, "/debug/syncz")).status_code == 401
    assert bookstore.dataplane.mesh.asked_to_quit == 0


@on("healthy")
async def test_applications_are_reached_as_well(bookstore: Sandbox) -> None:
    (pod,) = [
        each["metadata"]["name"]
        for each in bookstore.api.store.list("pods", "inventory")
        if "inventory-service" in each["metadata"]["name"]
    ]
    answer = await proxied(bookstore, f"inventory/{pod}", 8000, "/inven/health")
    assert answer.json() == {"status": "UP"}
    assert json.loads(await forwarded(bookstore, f"inventory/{pod}", 8000, "/inven/health")) == {"status": "UP"}
    assert (await proxied(bookstore, f"inventory/{pod}", 8001, "/")).status_code == 503


# ---- faults


async def begin(sandbox: Sandbox, name: str) -> None:
    """Let the faults of a scenario begin on a running sandbox."""
    overlay = scenarios.folder(name) / "overlay.yaml"
    if overlay.exists():
        await kubectl(sandbox, "apply", "-f", str(overlay))
        await sandbox.dataplane.wait_settled()
    plane = sandbox.dataplane
    sandbox.api.store.hooks.remove(plane.faulty.admit)
    plane.faulty = Faulty(scenarios.faults(name), plane.faulty.ca, sandbox.api.logs)
    sandbox.api.store.hooks.append(plane.faulty.admit)
    plane.faulty.arm()
    await plane.wait_settled()


async def repaired(sandbox: Sandbox, name: str, seen: Callable[[], Awaitable[bool]]) -> None:
    """The scenario's commands end what is seen."""
    assert await seen()
    for command in scenarios.fix(name):
        await kubectl(sandbox, *command)
    await until(lambda: is_whole(sandbox), f"{name}: all is ready")
    await sandbox.dataplane.wait_settled()
    assert not await seen()

    async def sells() -> bool:
        return await buy(sandbox.gateway_url) == GOOD

    await until(sells, f"{name}: a purchase succeeds")
    assert await findings(sandbox) == set()


async def is_whole(sandbox: Sandbox) -> bool:
    """Whether each node has its ztunnel, and all is ready."""
    return len(ztunnels(sandbox)) == 2 and not sandbox.waiting_for()


async def until(condition: Callable[[], Awaitable[bool]], what: str, within_s: float = 40) -> None:
    end = asyncio.get_running_loop().time() + within_s
    while not await condition():
        assert asyncio.get_running_loop().time() < end, f"waited in vain: {what}"
        await asyncio.sleep(0.1)


def said(sandbox: Sandbox, words: str) -> bool:
    """Whether a ztunnel has logged these words."""
    for pod in sandbox.api.store.list("pods", "istio-system"):
        reader = sandbox.api.logs.reader(pod["metadata"]["uid"], "")
        if reader and any(words.encode() in line for line in reader.lines()):
            return True
    return False


def states(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {each["info"]["name"]: each["state"] for dump in found.values() for each in dump["workloadState"].values()}


def protocol(found: dict[str, dict[str, Any]], name: str) -> str:
    return next(each["protocol"] for dump in found.values() for each in dump["workloads"] if each["name"].startswith(name))


def annotations(sandbox: Sandbox, app: str) -> set[str]:
    return {
        (pod["metadata"].get("annotations") or {}).get("ambient.istio.io/redirection", "")
        for pod in sandbox.api.store.list("pods")
        if (pod["metadata"].get("labels") or {}).get("app") == app
    }


async def is_lost(sandbox: Sandbox) -> bool:
    found = await dumps(sandbox)
    lost = "inventory-db-0" not in states(found)
    if lost:
        assert protocol(found, "inventory-db") == "HBONE"
        assert annotations(sandbox, "inventory-db") <= {"enabled", ""}
    return lost


async def is_pending(sandbox: Sandbox) -> bool:
    found = await dumps(sandbox)
    pending = "Pending" in states(found).values()
    texts = [(await proxied(sandbox, name, 15020, "/metrics")).text for name in ztunnels(sandbox).values()]
    counted = any("\nworkload_manager_pending_proxy_count 1\n" in text for text in texts)
    return pending or counted or "pending" in annotations(sandbox, "ui-service")


async def is_stuck(sandbox: Sandbox) -> bool:
    chains = [each["certChain"][0] for dump in (await dumps(sandbox)).values() for each in dump["certificates"]]
    ends = [dt.datetime.fromisoformat(each["expirationTime"]) for each in chains]
    return any(end - dt.datetime.now(dt.UTC) < dt.timedelta(hours=12) for end in ends)


async def differ(sandbox: Sandbox) -> bool:
    policies = [each["policies"] for each in (await dumps(sandbox)).values()]
    late = any(kind["sent"] != kind["acked"] for each in sandbox.dataplane.mesh.syncz() for kind in each["resources"].values())
    return any(each != policies[0] for each in policies) or late


async def is_refused(sandbox: Sandbox) -> bool:
    errors = [each["resources"][AUTHORIZATIONS].get("lastError") for each in sandbox.dataplane.mesh.syncz()]
    return any(errors) or await differ(sandbox)


async def is_old(sandbox: Sandbox) -> bool:
    found = (await dumps(sandbox)).values()
    return any(isinstance(each["workloads"], dict) or each["version"]["istioVersion"] != "1.27.1" for each in found)


async def findings(sandbox: Sandbox) -> set[str]:
    """The findings about the mesh's own parts that one look gives."""
    settings = load_settings({"kubeconfig": str(sandbox.kubeconfig)})
    source = LiveSource(settings)
    try:
        snapshot = await source.snapshot()
        seen = await look_at_mesh(await source.open(), snapshot.pods.values())
        assert not seen.missing
        report = compare(snapshot, seen, {}, dt.datetime.now(dt.UTC))
        assert not report.missing
    finally:
        await source.close()
    found = look(replace(snapshot, enrolments=report.enrolments), {MESH: report}).findings
    return {each.rule for each in found if each.rule.startswith("MT5")}


FINDINGS = {
    "pending-pod": {"MT507"},
    "stuck-renewal": {"MT502"},
    "node-behind": {"MT503"},
    "nack": {"MT503", "MT504"},
    "old-dump": {"MT506"},
    "lost-redirection": {"MT501"},
}
"""What each fault is found as, and nothing else."""


@needs_kubectl
@pytest.mark.changes_bookstore
@on("healthy")
@pytest.mark.parametrize(
    ("name", "seen", "words"),
    [
        ("pending-pod", is_pending, "retrying workload failed"),
        ("stuck-renewal", is_stuck, "certificate renewal failed"),
        ("node-behind", differ, "XDS client error"),
        ("nack", is_refused, "type=Nack"),
        ("old-dump", is_old, ""),
        ("lost-redirection", is_lost, ":15008 dst.hbone_addr="),
    ],
)
async def test_a_fault_is_seen_until_it_is_repaired(
    bookstore: Sandbox, name: str, seen: Callable[[Sandbox], Awaitable[bool]], words: str
) -> None:
    assert not await seen(bookstore)
    assert await findings(bookstore) == set()
    await begin(bookstore, name)
    if name == "old-dump":
        await kubectl(bookstore, "-n", "istio-system", "delete", "pod", ztunnels(bookstore)["sandbox-b"])
        await until(lambda: is_whole(bookstore), "the old ztunnel is ready")
        await bookstore.dataplane.wait_settled()
    if name == "lost-redirection":
        assert await buy(bookstore.gateway_url) != GOOD
        assert said(bookstore, 'error="io error: Connection refused (os error 111)"')
    assert said(bookstore, words)

    async def found() -> bool:
        return await findings(bookstore) == FINDINGS[name]

    await until(found, f"{name} is found as {FINDINGS[name]}", within_s=45)
    await repaired(bookstore, name, lambda: seen(bookstore))
