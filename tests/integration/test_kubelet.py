"""Pods are real processes: they start, log, are probed, fail, are restarted, roll over and end."""

import asyncio
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meshtui.sandbox.apiserver.server import running_api
from meshtui.sandbox.controllers.runner import Controllers
from meshtui.sandbox.kubelet import spawn
from meshtui.sandbox.kubelet.kubelet import Kubelet
from meshtui.sandbox.ports import Image

SERVER = """
import os, socket, sys, signal
path = os.path.join(os.environ["MESHTUI_POD_ROOT"], "s", "8080")
s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen()
print("serving as", os.environ["POD_NAME"], os.environ.get("GREETING"), flush=True)
while True:
    c, _ = s.accept()
    c.recv(4096); c.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n"); c.close()
"""


def images(name):
    return {
        "demo/web:1": Image((sys.executable, "-c", SERVER), {"GREETING": "one"}),
        "demo/web:2": Image((sys.executable, "-c", SERVER), {"GREETING": "two"}),
        "demo/idle:1": Image(None, {}, idle=True),
        "tools:1": Image(None, {}),
    }.get(name)


@asynccontextmanager
async def cluster(tmp_path_factory, *, controllers=True):
    async with running_api() as api:
        for name in ("sandbox-a", "sandbox-b"):
            api.add({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        api.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        run_dir = tmp_path_factory.mktemp("r")
        kubelet = Kubelet(api.store, api.logs, run_dir, images, wait_for_network=False)
        manager = Controllers(api.store)
        await kubelet.start()
        await manager.start()
        try:
            yield api, kubelet
        finally:
            await manager.stop()
            await kubelet.stop()
            assert list((run_dir / "p").iterdir()) == []


async def until(condition, deadline_s=20.0):
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {deadline_s} s")


def pod(name, image, *script, **spec):
    container = {"name": "main", "image": image}
    if script:
        container["command"] = ["sh", "-c", *script]
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]} | spec}


def phase(api, name):
    found = api.store.get("pods", "shop", name)
    return (found or {}).get("status", {}).get("phase")


def ready(obj):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in obj["status"].get("conditions", []))


def log_of(api, obj, container="main"):
    reader = api.logs.reader(obj["metadata"]["uid"], container)
    return b"".join(reader.lines()).decode() if reader else ""


async def test_a_script_runs_logs_and_completes(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        api.add(pod("once", "tools:1", 'echo "in $POD_NAME at $POD_IP"; exit 0', restartPolicy="Never"))
        await until(lambda: phase(api, "once") == "Succeeded")
        found = api.store.get("pods", "shop", "once")
        assert f"in once at {found['status']['podIP']}" in log_of(api, found)
        ended = found["status"]["containerStatuses"][0]["state"]["terminated"]
        assert (ended["exitCode"], ended["reason"]) == (0, "Completed")


async def test_a_failing_script_fails_with_its_exit_code(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        api.add(pod("bad", "tools:1", "exit 3", restartPolicy="Never"))
        await until(lambda: phase(api, "bad") == "Failed")
        status = api.store.get("pods", "shop", "bad")["status"]
        assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


async def test_a_crashing_container_is_restarted_with_back_off(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        api.add(pod("crash", "tools:1", "exit 1"))

        def restarted():
            statuses = api.store.get("pods", "shop", "crash").get("status", {}).get("containerStatuses", [])
            return statuses and statuses[0]["restartCount"] >= 2

        await until(restarted)


async def test_an_unknown_image_runs_nothing(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        api.add(pod("lost", "no/such:1", "echo never"))

        def reason():
            statuses = api.store.get("pods", "shop", "lost").get("status", {}).get("containerStatuses", [])
            return statuses and statuses[0]["state"].get("waiting", {}).get("reason")

        await until(lambda: reason() == "ErrImagePull")
        await until(lambda: reason() == "ImagePullBackOff")
        assert phase(api, "lost") == "Pending"


async def test_a_pod_with_an_unmet_gate_is_never_ready_nor_an_endpoint(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        gated = pod("gated", "demo/idle:1", readinessGates=[{"conditionType": "meshtui.dev/never"}])
        gated["metadata"]["labels"] = {"app": "x"}
        api.add(gated)
        spec = {"selector": {"app": "x"}, "ports": [{"port": 80, "targetPort": 8080}]}
        api.add({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "shop"}, "spec": spec})
        await until(lambda: phase(api, "gated") == "Running")
        slices = await until(lambda: [s for s in api.store.list("endpointslices", "shop") if s["endpoints"]])
        assert slices[0]["endpoints"][0]["conditions"] == {"ready": False, "serving": False, "terminating": False}
        assert not ready(api.store.get("pods", "shop", "gated"))


async def test_active_deadline_ends_a_pod(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        api.add(pod("late", "tools:1", "sleep 600", activeDeadlineSeconds=1, restartPolicy="Never"))
        await until(lambda: phase(api, "late") == "Failed")
        assert api.store.get("pods", "shop", "late")["status"]["reason"] == "DeadlineExceeded"


async def test_deleting_a_pod_ends_its_whole_process_group(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, kubelet):
        api.add(pod("tree", "tools:1", "trap '' TERM; sleep 600 & echo child $!; wait", terminationGracePeriodSeconds=1))
        found = await until(lambda: (p := api.store.get("pods", "shop", "tree")) and "child" in log_of(api, p) and p)
        child = int(log_of(api, found).split("child ")[1].split()[0])
        root = kubelet.paths(found["metadata"]["uid"]).root
        api.store.begin_delete("pods", "shop", "tree", 1, orphan=False)
        await until(lambda: api.store.get("pods", "shop", "tree") is None)
        await until(lambda: not root.exists())

        def gone():
            try:
                os.kill(child, 0)
            except ProcessLookupError:
                return True
            return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z"

        await until(gone)


async def test_init_containers_run_first_and_in_order(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        init = [
            {"name": name, "image": "tools:1", "command": ["sh", "-c", f"echo {name} >> $HOME/order"]}
            for name in ("first", "second")
        ]
        api.add(pod("init", "tools:1", "cat $HOME/order", initContainers=init, restartPolicy="Never"))
        await until(lambda: phase(api, "init") == "Succeeded")
        lines = [line.split(" ")[1] for line in log_of(api, api.store.get("pods", "shop", "init")).splitlines()]
        assert lines == ["first", "second"]


async def test_values_come_from_config_maps_secrets_and_fields(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        metadata = {"name": "conf", "namespace": "shop"}
        api.add({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"A": "1"}})
        api.add({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"B": "2"}})
        made = pod("env", "tools:1", "echo $A $SECRET $NS $BOTH", restartPolicy="Never")
        made["spec"]["containers"][0] |= {
            "envFrom": [{"configMapRef": {"name": "conf"}}],
            "env": [
                {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "conf", "key": "B"}}},
                {"name": "NS", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
                {"name": "BOTH", "value": "$(A)-$(SECRET)"},
            ],
        }
        api.add(made)
        await until(lambda: phase(api, "env") == "Succeeded")
        assert "1 2 shop 1-2" in log_of(api, api.store.get("pods", "shop", "env"))


def deployment(image, replicas=2):
    container = {
        "name": "web",
        "image": image,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
    }
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    template["spec"]["terminationGracePeriodSeconds"] = 1
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    }


async def test_a_deployment_rolls_without_losing_a_ready_pod(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        api.add(deployment("demo/web:1"))

        def available(image):
            pods = [p for p in api.store.list("pods", "shop") if ready(p) and "deletionTimestamp" not in p["metadata"]]
            return sum(p["spec"]["containers"][0]["image"] == image for p in pods)

        await until(lambda: available("demo/web:1") == 2)
        api.add(deployment("demo/web:2"))
        fewest = 2

        def rolled():
            nonlocal fewest
            fewest = min(fewest, available("demo/web:1") + available("demo/web:2"))
            return available("demo/web:2") == 2 and len(api.store.list("pods", "shop")) == 2

        await until(rolled)
        assert fewest == 2
        found = api.store.get("deployments", "shop", "web")
        assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
        assert len(api.store.list("replicasets", "shop")) == 2
        api.store.begin_delete("deployments", "shop", "web", None, orphan=False)
        await until(lambda: not api.store.list("pods", "shop") and not api.store.list("replicasets", "shop"))


async def test_a_job_without_completions_is_complete_and_takes_its_dependants_along(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "tools:1"}]}}
        spec = {"completions": 0, "ttlSecondsAfterFinished": 600, "template": template}
        job = api.add({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "run", "namespace": "shop"}, "spec": spec})
        await until(lambda: api.store.get("jobs", "shop", "run").get("status", {}).get("conditions"))
        owned = pod("probe", "tools:1", "sleep 600", terminationGracePeriodSeconds=0)
        reference = {"apiVersion": "batch/v1", "kind": "Job", "name": "run", "uid": job["metadata"]["uid"]}
        owned["metadata"]["ownerReferences"] = [reference | {"controller": False}]
        api.add(owned)
        await until(lambda: phase(api, "probe") == "Running")
        api.store.begin_delete("jobs", "shop", "run", None, orphan=False)
        await until(lambda: api.store.get("pods", "shop", "probe") is None)


async def test_a_statefulset_keeps_names_and_renews_its_pods(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        base = deployment("demo/web:1")
        base |= {"kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"}}
        api.add(base)

        def pods():
            return {
                p["metadata"]["name"]: p["spec"]["containers"][0]["image"] for p in api.store.list("pods", "shop") if ready(p)
            }

        await until(lambda: pods() == {"db-0": "demo/web:1", "db-1": "demo/web:1"})
        new = deployment("demo/web:2")
        new |= {"kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"}}
        api.add(new)
        await until(lambda: pods() == {"db-0": "demo/web:2", "db-1": "demo/web:2"})


async def test_a_deleted_namespace_takes_everything_with_it(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        api.add(deployment("demo/web:1", replicas=1))
        await until(lambda: any(ready(p) for p in api.store.list("pods", "shop")))
        api.store.begin_delete("namespaces", None, "shop", None, orphan=False)
        await until(lambda: api.store.get("namespaces", None, "shop") is None)
        assert not api.store.list("pods", "shop")
        assert not api.store.list("deployments", "shop")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
async def test_processes_die_with_a_killed_kubelet(tmp_path_factory):
    code = (
        "import os,subprocess,sys,time\n"
        f"p=subprocess.Popen([sys.executable,'-I','-S',{spawn.__file__!r},str(os.getpid()),'sleep','600'])\n"
        "print(p.pid,flush=True);time.sleep(600)"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    child = int(await parent.stdout.readline())
    await until(lambda: Path(f"/proc/{child}/comm").read_text().strip() == "sleep")
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2])


async def test_a_statefulset_adopts_only_pods_that_bear_its_names(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        base = deployment("demo/web:1", replicas=1)
        api.add(base | {"kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"}})
        stranger = pod("probe-1", "demo/idle:1")
        stranger["metadata"]["labels"] = {"app": "web"}
        api.add(stranger)
        await until(lambda: api.store.get("statefulsets", "shop", "db")["status"].get("readyReplicas") == 1)
        await until(lambda: phase(api, "probe-1") == "Running")
        assert "ownerReferences" not in api.store.get("pods", "shop", "probe-1")["metadata"]


async def test_a_replicaset_adopts_an_orphan_that_matches(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        orphan = pod("orphan", "demo/idle:1")
        orphan["metadata"]["labels"] = {"app": "web"}
        api.add(orphan)
        spec = deployment("demo/idle:1", replicas=1)["spec"]
        del spec["template"]["spec"]["containers"][0]["readinessProbe"]
        metadata = {"name": "rs", "namespace": "shop"}
        api.add({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec})
        await until(lambda: api.store.get("replicasets", "shop", "rs")["status"].get("readyReplicas") == 1)
        (owner,) = api.store.get("pods", "shop", "orphan")["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["controller"]) == ("ReplicaSet", True)
        assert len(api.store.list("pods", "shop")) == 1


async def test_a_daemonset_runs_once_on_every_node(tmp_path_factory):
    async with cluster(tmp_path_factory) as (api, _):
        template = {"metadata": {"labels": {"app": "zt"}}, "spec": {"containers": [{"name": "z", "image": "demo/idle:1"}]}}
        spec = {"selector": {"matchLabels": {"app": "zt"}}, "template": template}
        metadata = {"name": "zt", "namespace": "shop"}
        api.add({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec})
        await until(lambda: (api.store.get("daemonsets", "shop", "zt").get("status") or {}).get("numberReady") == 2)
        assert {p["spec"]["nodeName"] for p in api.store.list("pods", "shop")} == {"sandbox-a", "sandbox-b"}
