"""The real kubectl works on the sandbox's API server, controllers and kubelet."""

import asyncio
import json
import shutil
import sys
import time
from contextlib import asynccontextmanager

import pytest

from meshtui.sandbox.apiserver.server import ApiServer
from meshtui.sandbox.controllers.runner import Controllers
from meshtui.sandbox.kubelet.kubelet import Kubelet
from meshtui.sandbox.ports import Image

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on this machine: install it to run these")

TICK = "import time\nwhile True:\n print('tick', flush=True)\n time.sleep(0.05)"

MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: demo/web:1
          ports: [{name: http, containerPort: 8080}, {name: admin, containerPort: 9090}]
          env: [{name: A, value: "1"}, {name: B, value: "2"}]
        - name: side
          image: demo/web:1
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, rules: [{to: [{operation: {ports: ["8080"]}}]}]}
"""


def images(name):
    return Image((sys.executable, "-u", "-c", TICK), {}) if name.startswith("demo/web:") else None


@asynccontextmanager
async def cluster(tmp_path):
    api = ApiServer(tmp_path / "c")
    await api.start()
    api.add_all({"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"sandbox-{x}"}} for x in "ab")
    kubelet, controllers = Kubelet(api.store, api.logs, tmp_path, images, wait_for_network=False), Controllers(api.store)
    await kubelet.start()
    await controllers.start()

    async def run(*args, stdin=None, ok=True):
        process = await asyncio.create_subprocess_exec(
            KUBECTL,
            f"--kubeconfig={api.kubeconfig}",
            f"--cache-dir={tmp_path / 'cache'}",
            *args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, error = await asyncio.wait_for(process.communicate((stdin or "").encode()), 60)
        assert (process.returncode == 0) == ok, f"kubectl {' '.join(args)}: {error.decode()}"
        return (out if ok else error).decode()

    run.api = api
    run.base = [KUBECTL, f"--kubeconfig={api.kubeconfig}", f"--cache-dir={tmp_path / 'cache'}"]
    try:
        yield run
    finally:
        await controllers.stop()
        await kubelet.stop()
        await api.stop()


async def read_until(process, wanted, deadline_s=30):
    """Lines of a running kubectl until all of ``wanted`` have been seen."""
    lines, end = [], time.monotonic() + deadline_s
    while not all(any(word in line for line in lines) for word in wanted):
        left = end - time.monotonic()
        assert left > 0, f"{wanted} not in {lines}"
        lines.append((await asyncio.wait_for(process.stdout.readline(), left)).decode())
    return lines


async def test_apply_twice_changes_only_what_changed(tmp_path):
    async with cluster(tmp_path) as kubectl:
        first = await kubectl("apply", "-f", "-", stdin=MANIFEST)
        assert first.count("created") == 5
        assert (await kubectl("apply", "-f", "-", stdin=MANIFEST)).count("unchanged") == 5
        await kubectl("set", "env", "deploy/web", "-n", "shop", "-c", "web", "EXTRA=kept")
        changed = MANIFEST.replace('{name: B, value: "2"}', '{name: B, value: "3"}').replace(
            ", {name: admin, containerPort: 9090}", ""
        )
        await kubectl("apply", "-f", "-", stdin=changed)
        found = json.loads(await kubectl("get", "deploy", "web", "-n", "shop", "-o", "json"))
        web, side = found["spec"]["template"]["spec"]["containers"]
        assert {e["name"]: e["value"] for e in web["env"]} == {"A": "1", "B": "3", "EXTRA": "kept"}
        assert [p["containerPort"] for p in web["ports"]] == [8080]
        assert side["name"] == "side"
        side_less = changed.replace("        - name: side\n          image: demo/web:1\n", "")
        await kubectl("apply", "-f", "-", stdin=side_less)
        found = json.loads(await kubectl("get", "deploy", "web", "-n", "shop", "-o", "json"))
        assert [c["name"] for c in found["spec"]["template"]["spec"]["containers"]] == ["web"]
        await kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=MANIFEST)


async def test_everyday_commands(tmp_path):
    async with cluster(tmp_path) as kubectl:
        await kubectl("apply", "-f", "-", stdin=MANIFEST)
        assert "successfully rolled out" in await kubectl("rollout", "status", "deploy/web", "-n", "shop", "--timeout=30s")
        wide = (await kubectl("get", "pods", "-n", "shop", "-o", "wide")).splitlines()
        assert wide[0].split()[:7] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
        assert wide[1].split()[1:3] == ["2/2", "Running"]
        name = wide[1].split()[0]
        described = await kubectl("describe", "pod", name, "-n", "shop")
        assert "Service Account:  default" in described
        assert "Started container web" in described
        assert "kind: Pod" in await kubectl("get", "pod", name, "-n", "shop", "-o", "yaml")
        assert "2/2" not in await kubectl("get", "deploy,svc,authorizationpolicies.security.istio.io", "-n", "shop")
        await kubectl("label", "pod", name, "-n", "shop", "colour=red")
        await kubectl("annotate", "pod", name, "-n", "shop", "note=x")
        assert name in await kubectl("get", "pods", "-A", "-l", "colour in (red),note!=y", "-o", "name")
        await kubectl("set", "serviceaccount", "deploy/web", "web", "-n", "shop")
        await kubectl("set", "image", "deploy/web", "web=demo/web:2", "-n", "shop")
        await kubectl("rollout", "status", "deploy/web", "-n", "shop", "--timeout=30s")
        query = "jsonpath={.items[*].spec.serviceAccountName} {.items[*].spec.containers[0].image}"
        newest = ["get", "pods", "-n", "shop", "--field-selector=status.phase=Running", "-o", query]
        end = time.monotonic() + 20
        while (seen := await kubectl(*newest)) != "web demo/web:2":
            assert time.monotonic() < end, seen
        await kubectl("rollout", "undo", "deploy/web", "-n", "shop")
        await kubectl("rollout", "status", "deploy/web", "-n", "shop", "--timeout=30s")
        await kubectl("rollout", "restart", "deploy/web", "-n", "shop")
        await kubectl("rollout", "status", "deploy/web", "-n", "shop", "--timeout=30s")
        assert "REVISION" in await kubectl("rollout", "history", "deploy/web", "-n", "shop")
        await kubectl("scale", "deploy/web", "--replicas=2", "-n", "shop")
        await kubectl("wait", "deploy/web", "-n", "shop", "--for=jsonpath={.status.readyReplicas}=2", "--timeout=30s")
        assert "SuccessfulCreate" in await kubectl("get", "events", "-n", "shop")
        assert "deleted" in await kubectl("delete", "ns", "shop", "--timeout=30s")


async def test_watch_and_follow(tmp_path):
    async with cluster(tmp_path) as kubectl:
        await kubectl("create", "namespace", "shop")
        pipe = {"stdout": asyncio.subprocess.PIPE}
        watch = await asyncio.create_subprocess_exec(*kubectl.base, "get", "pods", "-n", "shop", "-w", **pipe)
        try:
            await kubectl("apply", "-f", "-", stdin=MANIFEST)
            await read_until(watch, ["NAME", "Pending", "2/2"])
        finally:
            watch.kill()
            await watch.wait()
        logs = await asyncio.create_subprocess_exec(
            *kubectl.base, "logs", "-f", "-n", "shop", "deploy/web", "-c", "web", "--tail=1", **pipe
        )
        try:
            lines = await read_until(logs, ["tick"])
            lines += [(await asyncio.wait_for(logs.stdout.readline(), 10)).decode() for _ in range(5)]
            assert lines[-1] == "tick\n"
        finally:
            logs.kill()
            await logs.wait()


async def test_who_may_do_what(tmp_path):
    async with cluster(tmp_path) as kubectl:
        assert (await kubectl("auth", "can-i", "delete", "pods")).strip() == "yes"
        refused = await kubectl("get", "pods", "-A", "--as=eve", ok=False)
        assert 'pods is forbidden: User "eve" cannot list resource "pods" in API group "" at the cluster scope' in refused
        await kubectl("create", "clusterrolebinding", "eve", "--clusterrole=view", "--user=eve")
        await kubectl("get", "pods", "-A", "--as=eve")
        assert (await kubectl("auth", "can-i", "list", "pods", "--as=eve")).strip() == "yes"
        assert "admin" in await kubectl("auth", "whoami")


async def test_what_is_not_there_is_said_as_kubectl_says_it(tmp_path):
    async with cluster(tmp_path) as kubectl:
        assert 'pods "nobody" not found' in await kubectl("get", "pod", "nobody", ok=False)
        assert "the server doesn't have a resource type" in await kubectl("get", "unicorns", ok=False)
        assert "KIND:       AuthorizationPolicy" in await kubectl("explain", "authorizationpolicies")
        assert "httproutes" in await kubectl("api-resources", "--api-group=gateway.networking.k8s.io")
