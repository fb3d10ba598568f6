"""The same meshtui as on the sandbox, on a real Kubernetes: panes fill, a probe runs, disturbs nobody and cleans up."""

import asyncio
import json
import signal
import time

from meshtui.app import MeshtuiApp
from meshtui.kinds import KINDS
from meshtui.model.own_probe import RUN
from meshtui.model.snapshot import KindStatus
from meshtui.probe.podspec import EXPIRES
from meshtui.session import Session
from meshtui.sources.kubernetes.live import LiveSource
from tests.e2e.conftest import NAMESPACES, PROBE, bookstore, running, wait_until
from tests.fakes.screens import table_of

ECOM, INVENTORY = "ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000"
DATABASE = "inventory/svc/inventory-db:5432"
DATABASE_POD = "inventory/inventory-db-0:5432"
"""Past the Service: a reset that is made behind its address translation never gets back to the client."""


async def test_a_snapshot_fills(node):
    source = LiveSource(node.settings)
    try:
        snapshot = await source.snapshot()
    finally:
        await source.close()
    installed = {name: state for name, state in snapshot.kinds.items() if state.status is not KindStatus.NOT_INSTALLED}
    assert {state.status for state in installed.values()} == {KindStatus.SYNCED}, installed
    assert installed.keys() >= {name for name, kind in KINDS.items() if not kind.optional}
    assert installed.keys() >= {"AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication", "Gateway", "HTTPRoute"}
    assert {pod.namespace for pod in snapshot.pods.values()} >= set(NAMESPACES)
    assert snapshot.problems == ()
    assert snapshot.mesh.found


async def rows_shown(pilot, wanted):
    """The words in the table, once all of the wanted ones are there (or 30 s have passed)."""
    deadline = time.monotonic() + 30
    shown = set()
    while not wanted <= shown and time.monotonic() < deadline:
        await pilot.pause(0.05)
        shown = {cell.text for row in table_of(pilot.app.screen).rows for cell in row.cells}
    return shown


async def test_the_terminal_program_fills_its_panes(node):
    app = MeshtuiApp(Session(LiveSource(node.settings), node.settings))
    workloads = {"ecom-service", "ui-service", "ecom-db", "inventory-service", "inventory-db", "keycloak", "prometheus"}
    policies = {o["metadata"]["name"] for o in bookstore() if o["kind"] == "AuthorizationPolicy"}
    async with app.run_test(size=(160, 40)) as pilot:
        assert await rows_shown(pilot, workloads) >= workloads
        await pilot.press("1")
        assert await rows_shown(pilot, set(NAMESPACES)) >= set(NAMESPACES)
        await pilot.press("3")
        assert await rows_shown(pilot, policies) >= policies
        await pilot.press("4")
        assert await rows_shown(pilot, {"default-deny-all"}) >= {"default-deny-all"}


def test_a_probe_agrees_and_cleans_up(node, clean_slate):
    done = node.meshtui("probe", ECOM, INVENTORY, *PROBE)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["predicted"]["verdict"], answer["observed"]["outcome"], answer["agrees"]) == ("allow", "http_200", True)
    assert answer["pod"]["service_account"] == "ecom-service"
    assert node.leftovers() == []


def test_nobody_enforces_policies_here_and_the_probe_says_so(node, clean_slate):
    done = node.meshtui("probe", "observability/deploy/prometheus", DATABASE, *PROBE)
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert answer["predicted"]["verdict"] == "deny"
    assert answer["predicted"]["decided_by"]["kind"] == "NetworkPolicy"
    assert (answer["observed"]["outcome"], answer["agrees"]) == ("connected", False)


def test_a_drop_is_a_timeout_and_agrees(node, dropped, clean_slate):
    done = node.meshtui("probe", "observability/deploy/prometheus", DATABASE, *PROBE)
    answer = json.loads(done.stdout)
    assert (answer["observed"]["outcome"], answer["agrees"]) == ("timeout", True)
    assert done.returncode == 0


def test_a_reset_is_refused(node, packets, clean_slate):
    with packets("reject with tcp reset"):
        done = node.meshtui("probe", "observability/deploy/prometheus", DATABASE_POD, *PROBE)
    answer = json.loads(done.stdout)
    assert (answer["observed"]["outcome"], answer["agrees"]) == ("refused", None), answer


def test_a_connection_that_is_reset_at_the_first_byte_is_closed_and_agrees(node, packets, clean_slate):
    with packets("tcp flags & psh == psh reject with tcp reset"):
        done = node.meshtui("probe", "observability/deploy/prometheus", DATABASE_POD, *PROBE)
    answer = json.loads(done.stdout)
    assert (answer["observed"]["outcome"], answer["agrees"]) == ("closed", True), answer


def test_a_running_probe_is_never_a_ready_endpoint(node, dropped, clean_slate):
    process, pod = running(node, ECOM, DATABASE)
    seen = False
    while process.poll() is None:
        slices = node.get("/apis/discovery.k8s.io/v1/namespaces/ecom/endpointslices")["items"]
        for endpoint in (e for piece in slices for e in piece.get("endpoints") or ()):
            if endpoint.get("targetRef", {}).get("name") == pod["metadata"]["name"]:
                seen = True
                assert endpoint["conditions"].get("ready") is False, endpoint
                assert endpoint["conditions"].get("serving") is False, endpoint
    process.communicate()
    assert seen, "the probe carries the workload's labels, so the Service must have listed it as not ready"
    assert node.leftovers() == []


def test_what_a_killed_probe_leaves_is_found_and_removed(node, dropped, clean_slate):
    process, pod = running(node, ECOM, DATABASE)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    jobs = node.get("/apis/batch/v1/jobs", labelSelector=RUN)["items"]
    assert [job["metadata"]["namespace"] for job in jobs] == ["ecom"]
    assert jobs[0]["spec"]["ttlSecondsAfterFinished"] > pod["spec"]["activeDeadlineSeconds"]
    assert EXPIRES in jobs[0]["metadata"]["annotations"]
    assert pod["metadata"]["ownerReferences"][0]["uid"] == jobs[0]["metadata"]["uid"]
    path = f"/apis/batch/v1/namespaces/ecom/jobs/{jobs[0]['metadata']['name']}"
    wait_until(
        lambda: [c["type"] for c in node.get(path)["status"].get("conditions", ()) if c["status"] == "True"],
        lambda types: "Complete" in types,  # its TTL runs from here on
    )
    assert "nothing to remove" in node.meshtui("clean", "--yes").stdout
    listed = node.meshtui("clean", "--all", "--dry-run").stdout
    assert pod["metadata"]["name"] in listed
    assert node.leftovers() != []
    removed = node.meshtui("clean", "--all", "--yes", "-o", "json")
    assert removed.returncode == 0, removed.stderr
    assert {item["kind"] for item in json.loads(removed.stdout)["items"]} == {"Job", "Pod"}
    wait_until(node.leftovers, lambda names: names == [])


def test_an_interrupted_probe_cleans_up_behind_itself(node, dropped, clean_slate):
    process, _ = running(node, ECOM, DATABASE)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert "Traceback" not in said
    assert process.returncode == 130
    wait_until(node.leftovers, lambda names: names == [])


async def test_a_labels_change_arrives(node):
    source = LiveSource(node.settings)
    published = asyncio.Queue()
    task = asyncio.create_task(source.run(published.put_nowait))
    stamp = str(time.time_ns())
    path = "/api/v1/namespaces/ecom/services/ui-service"
    try:
        async with asyncio.timeout(30):
            while not any(s.meta.name == "ui-service" for s in (await published.get()).services.values()):
                pass
            api = await source.open()
            await api.request(
                "PATCH", path, json={"metadata": {"labels": {"e2e": stamp}}}, content_type="application/merge-patch+json"
            )
            while not any(s.meta.labels.get("e2e") == stamp for s in (await published.get()).services.values()):
                pass
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
