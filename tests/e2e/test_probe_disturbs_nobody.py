"""What a probe does to a real cluster: nothing that anybody else would notice, and what refuses it is heard."""

import json
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from meshtui.model.errors import ClusterError
from meshtui.model.own_probe import MANAGED_BY, RUN, labels
from meshtui.probe import podspec
from meshtui.settings import Probe
from tests.e2e.conftest import IMAGE, PROBE, running, wait_until

ECOM, INVENTORY = "ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000"
DATABASE = "inventory/svc/inventory-db:5432"
OWNERS = "/api/v1/namespaces/e2e-owners/pods"
CONTROLLERS = {
    "rs": ("apps/v1", "replicasets"),
    "sts": ("apps/v1", "statefulsets"),
    "ds": ("apps/v1", "daemonsets"),
    "rc": ("v1", "replicationcontrollers"),
}
ADOPTING = {"rs", "ds", "rc"}
"""Those would take any pod that their selector matches; a StatefulSet looks at the name too."""


def manifests(name):
    return list(yaml.safe_load_all((Path(__file__).parent / "manifests" / name).read_text()))


@pytest.fixture(scope="module")
def owners(node):
    """A ReplicaSet, ReplicationController, StatefulSet and DaemonSet with one running pod each, and their budgets in balance."""
    objects = manifests("owners.yaml")
    node.apply(objects)
    wait_until(
        lambda: node.get(OWNERS)["items"],
        lambda pods: len(pods) == len(CONTROLLERS) and all(p["status"]["phase"] == "Running" for p in pods),
        60,
    )
    wait_until(
        lambda: budgets(node), lambda seen: seen and all(allowed == {"rs": 0, "sts": 1}[n] for n, (allowed, _) in seen.items())
    )
    yield
    node.delete([objects[0]])


def budgets(node):
    """Disruptions allowed and conditions of each budget, by name."""
    found = node.get("/apis/policy/v1/namespaces/e2e-owners/poddisruptionbudgets")["items"]
    return {
        o["metadata"]["name"]: (
            o["status"].get("disruptionsAllowed"),
            sorted((c["type"], c["status"]) for c in o["status"].get("conditions", ())),
        )
        for o in found
    }


def counted(node):
    """How many pods each controller counts as its own, and that their own pods live."""
    seen = {}
    for name, (version, plural) in CONTROLLERS.items():
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        status = node.get(f"{root}/namespaces/e2e-owners/{plural}/{name}")["status"]
        seen[name] = status.get("currentNumberScheduled") if plural == "daemonsets" else status.get("replicas")
    return seen


def test_nobody_adopts_it_no_budget_changes_and_restricted_lets_it_in(node, owners, dropped, clean_slate):
    own = {pod["metadata"]["uid"] for pod in node.get(OWNERS)["items"]}
    budgets_before = budgets(node)
    processes = [
        subprocess.Popen(
            node.command("probe", f"e2e-owners/{name}/{name}", DATABASE, *PROBE),
            env=node.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in CONTROLLERS
    ]
    ran = {}
    while any(process.poll() is None for process in processes):
        pods = node.get(OWNERS)["items"]
        assert own <= {p["metadata"]["uid"] for p in pods if "deletionTimestamp" not in p["metadata"]}, (
            "somebody's pod was replaced"
        )
        for pod in pods:
            if RUN in pod["metadata"].get("labels", {}):
                (owner,) = pod["metadata"]["ownerReferences"]
                name = pod["metadata"]["labels"]["app"]
                assert (owner["kind"], owner.get("controller", False)) == ("Job", name in ADOPTING), name
                ran[name] = pod["status"].get("phase") == "Running" or ran.get(name, False)
        assert budgets(node) == budgets_before
        assert counted(node) == dict.fromkeys(CONTROLLERS, 1)
    for name, process in zip(CONTROLLERS, processes, strict=True):
        out, err = process.communicate()
        assert out, (name, process.returncode, err)
        assert json.loads(out)["observed"]["outcome"] == "timeout", (name, out, err)
    assert ran == dict.fromkeys(CONTROLLERS, True), "every probe must have been seen while it ran"
    wait_until(node.leftovers, lambda names: names == [])
    assert budgets(node) == budgets_before


def test_a_budget_that_would_count_the_probe_refuses_it(node, owners, clean_slate):
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "ds", "namespace": "e2e-owners"}}
    node.apply([budget | {"spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "ds"}}}}])
    try:
        done = node.meshtui("probe", "e2e-owners/ds/ds", INVENTORY, *PROBE)
        answer = json.loads(done.stdout)
        assert answer["observed"]["outcome"] == "unknown"
        assert "PodDisruptionBudget e2e-owners/ds" in answer["observed"]["detail"]
        assert node.leftovers() == []
    finally:
        node.delete([budget])


def bare(namespace, name, **labels):
    """A pod that runs on nobody's behalf."""
    container = {"name": "main", "image": IMAGE, "imagePullPolicy": "Never", "command": ["sleep", "100000"]}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False},
    }


@pytest.fixture(scope="module")
def refusing(node):
    """A namespace that is full, and one that is guarded; a pod in each."""
    objects = manifests("refusing.yaml")
    node.apply(objects)
    clients = [bare("e2e-full", "client"), bare("e2e-guarded", "client")]
    wait_until(lambda: _served(node, clients), lambda done: done)
    wait_until(lambda: _turned_away(node, bare("e2e-guarded", "x", **{RUN: "x"})), lambda said: "no probes here" in said)
    yield
    node.delete([obj for obj in objects if obj["kind"] != "ResourceQuota"])


def _served(node, objects):
    """Apply what needs the namespace's ServiceAccount, which takes a moment to be there."""
    try:
        node.apply(objects)
    except ClusterError:
        return False
    return all(node.get(f"/api/v1/namespaces/{o['metadata']['namespace']}/pods/client")["status"].get("podIP") for o in objects)


def _turned_away(node, pod):
    try:
        node.send("POST", f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods", pod, dryRun="All")
    except ClusterError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("namespace", "says"),
    [("e2e-full", "exceeded quota: one-pod"), ("e2e-guarded", "no probes here: ask the platform team")],
    ids=["a quota", "an admission policy"],
)
def test_who_refuses_it_is_heard_in_the_servers_words(node, refusing, clean_slate, namespace, says):
    done = node.meshtui("probe", f"{namespace}/client", INVENTORY, *PROBE)
    answer = json.loads(done.stdout)
    assert answer["observed"]["outcome"] == "unknown"
    assert says in answer["observed"]["detail"]
    assert answer["agrees"] is None
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    wait_until(node.leftovers, lambda names: names == [])


def test_an_eviction_is_named(node, dropped, clean_slate):
    process, pod = running(node, ECOM, DATABASE)
    metadata = {"name": pod["metadata"]["name"], "namespace": "ecom"}
    path = f"/api/v1/namespaces/ecom/pods/{metadata['name']}"
    node.send("POST", f"{path}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata})
    out, err = process.communicate(timeout=60)
    answer = json.loads(out)
    assert answer["observed"]["outcome"] == "not_settled", (out, err)
    assert "evicted or deleted" in answer["observed"]["detail"]
    assert process.returncode == 4
    wait_until(node.leftovers, lambda names: names == [])


def test_an_image_that_cannot_be_pulled_is_named(node, clean_slate):
    words = ("--probe-image", "localhost/gone:1", "--yes", "-o", "json")
    done = node.meshtui("probe", ECOM, INVENTORY, *words, MESHTUI_PROBE__PULL_POLICY="IfNotPresent")
    answer = json.loads(done.stdout)
    assert answer["observed"]["outcome"] == "not_settled"
    assert "localhost/gone:1" in answer["observed"]["detail"]
    assert "--probe-image" in answer["observed"]["detail"]
    assert done.returncode == 4
    assert node.leftovers() == []


def test_after_kill_9_the_pods_end_by_themselves_and_the_jobs_ttl_removes_everything(node, dropped, clean_slate):
    process, pod = running(node, ECOM, DATABASE, MESHTUI_PROBE__DEADLINE_S="5")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    path = f"/api/v1/namespaces/ecom/pods/{pod['metadata']['name']}"
    wait_until(lambda: node.get(path)["status"]["phase"], lambda phase: phase in {"Failed", "Succeeded"}, 40)
    (job,) = node.get("/apis/batch/v1/jobs", labelSelector=RUN)["items"]
    assert job["spec"]["ttlSecondsAfterFinished"] >= 60
    # the same mechanism, without the wait of some minutes
    node.send("PATCH", f"/apis/batch/v1/namespaces/ecom/jobs/{job['metadata']['name']}", {"spec": {"ttlSecondsAfterFinished": 1}})
    wait_until(node.leftovers, lambda names: names == [], 60)


def test_nothing_is_removed_that_is_not_a_runs_own(node, clean_slate):
    run = "00c0ffee"
    owner = podspec.job(run, "ecom", Probe(), datetime.now(UTC))
    owner["spec"]["suspend"] = True
    node.apply([owner])
    uid = node.get(f"/apis/batch/v1/namespaces/ecom/jobs/{owner['metadata']['name']}")["metadata"]["uid"]
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": owner["metadata"]["name"], "uid": uid}
    others = [
        bare("ecom", "managed-only", **{MANAGED_BY: "meshtui"}),
        bare("ecom", "run-only", **{RUN: run}),
        bare("ecom", "by-another", **{MANAGED_BY: "helm", RUN: run}),
        bare("ecom", "both-labels", **labels(run)),
        bare("ecom", f"meshtui-probe-{run}-1", **labels(run)),
    ]
    ours = bare("ecom", f"meshtui-probe-{run}-0", **labels(run))
    ours["metadata"]["ownerReferences"] = [reference]
    for pod in (*others, ours):
        pod["spec"]["nodeSelector"] = {"nowhere": "true"}
    node.apply([*others, ours])
    try:
        done = node.meshtui("clean", "--all", "--yes", "-o", "json")
        names = [item["name"] for item in json.loads(done.stdout)["items"]]
        assert names == [owner["metadata"]["name"], ours["metadata"]["name"]]
        wait_until(
            lambda: {p["metadata"]["name"] for p in node.get("/api/v1/namespaces/ecom/pods")["items"]},
            lambda left: ours["metadata"]["name"] not in left,
        )
        left = {pod["metadata"]["name"] for pod in node.get("/api/v1/namespaces/ecom/pods")["items"]}
        assert left >= {pod["metadata"]["name"] for pod in others}
    finally:
        node.delete([*others, ours])


def test_a_second_meshtui_at_the_same_time_is_not_harmed(node, dropped, clean_slate):
    # its connection is dropped: it waits for one attempt much longer than the second takes, however busy the machine is
    first, pod = running(node, ECOM, DATABASE, MESHTUI_PROBE__ATTEMPT_TIMEOUT_S="15", MESHTUI_PROBE__DEADLINE_S="120")
    second = node.meshtui("probe", ECOM, INVENTORY, *PROBE)  # starts, ends and cleans up while the first runs
    assert json.loads(second.stdout)["observed"]["outcome"] == "http_200", second.stderr
    assert "nothing to remove" in node.meshtui("clean", "--yes").stdout
    assert first.poll() is None, "the first must still have been at work"
    assert pod["metadata"]["name"] in node.leftovers()
    out, err = first.communicate()
    assert json.loads(out)["observed"]["outcome"] == "timeout", err
    wait_until(node.leftovers, lambda names: names == [])
