"""The bookstore on a real node. Without MESHTUI_E2E_KUBECONFIG these tests are skipped, and say so."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import yaml

from meshtui.model.errors import ClusterError, NotFoundError
from meshtui.model.own_probe import MANAGED_BY, RUN
from meshtui.sandbox.scenarios import load
from meshtui.settings import Settings, Timeouts
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.connection import connect

HERE = Path(__file__).parent
VARIABLE = "MESHTUI_E2E_KUBECONFIG"
IMAGE = "localhost/tools:1"
PROBE = ("--probe-image", IMAGE, "--yes", "-o", "json")
NET = "/var/run/netns/meshtui"
"""The node's network namespace."""
NAMESPACES = ("ecom", "inventory", "identity", "infra", "observability")
MINE = "meshtui.dev/e2e"
"""A label on the namespaces that these tests made: only those are ever written to, and deleted at the end."""
READY_S = 120.0
_ORDER = ("Namespace", "ServiceAccount", "ConfigMap")


def pytest_collection_modifyitems(items):
    """Skip everything here, loudly, where there is no node."""
    reason = f"no real node: set {VARIABLE} to a kubeconfig (tests/e2e/run.sh CLUSTER_DIR does)"
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if not os.environ.get(VARIABLE):
                item.add_marker(pytest.mark.skip(reason=reason))


class Node:
    """A real cluster, spoken to as an admin; ``meshtui`` runs the command line on it."""

    def __init__(self, kubeconfig):
        self.kubeconfig = kubeconfig
        self.settings = Settings(kubeconfig=kubeconfig, timeouts=Timeouts(request_s=20))

    def meshtui(self, *words, **environment):
        """One command line, to its end."""
        return subprocess.run(
            self.command(*words), env=self.environment(**environment), capture_output=True, text=True, check=False
        )

    def command(self, *words):
        return [sys.executable, "-m", "meshtui", *words]

    def environment(self, **more):
        mine = {"KUBECONFIG": self.kubeconfig, "MESHTUI_CONFIG": "/dev/null"}
        probe = {"MESHTUI_PROBE__PULL_POLICY": "Never", "MESHTUI_PROBE__ATTEMPT_TIMEOUT_S": "2"}
        return {**os.environ, **mine, **probe, **more}

    def do(self, work):
        """Run ``work(api)`` on a connection of its own."""

        async def run():
            api = Api(connect(self.settings), self.settings.timeouts)
            try:
                return await work(api)
            finally:
                await api.close()

        return asyncio.run(run())

    def get(self, path, **params):
        """A GET, as plain data."""

        async def work(api):
            return msgspec.json.decode(await api.get(path, params))

        return self.do(work)

    def apply(self, objects, at_once=1):
        """Server-side apply; a kind that was just defined may take a moment to be served."""
        self.do(lambda api: _each(objects, at_once, lambda obj: _until_served(api, obj)))

    def delete(self, objects, at_once=1):
        """Delete objects, those that are there."""
        params = {"propagationPolicy": "Background", "gracePeriodSeconds": "0"}

        async def one(api, obj):
            with contextlib.suppress(NotFoundError):
                await api.request("DELETE", path_of(obj), params=params)

        self.do(lambda api: _each(objects, at_once, lambda obj: one(api, obj)))

    def send(self, method, path, body=None, **params):
        """Any request, as plain data."""

        async def work(api):
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            return msgspec.json.decode(await api.request(method, path, params=params, json=body, content_type=kind))

        return self.do(work)

    def leftovers(self):
        """Names of all pods and jobs that meshtui made."""
        selector = f"{MANAGED_BY}=meshtui"
        paths = ("/api/v1/pods", "/apis/batch/v1/jobs")
        return [o["metadata"]["name"] for path in paths for o in self.get(path, labelSelector=selector)["items"]]


async def _each(objects, at_once, work):
    """Work on each object in order, on some at a time."""
    slots = asyncio.Semaphore(at_once)

    async def one(obj):
        async with slots:
            await work(obj)

    await asyncio.gather(*map(one, objects))


async def _until_served(api, obj):
    deadline = time.monotonic() + 30
    while True:
        try:
            params = {"fieldManager": "e2e", "force": "true"}
            await api.request("PATCH", path_of(obj), params=params, json=obj, content_type="application/apply-patch+yaml")
        except NotFoundError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
        else:
            return


_PLURALS = {
    "ResourceQuota": "resourcequotas",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "NetworkPolicy": "networkpolicies",
    "AuthorizationPolicy": "authorizationpolicies",
    "GatewayClass": "gatewayclasses",
}
_CLUSTER_WIDE = {
    "Namespace",
    "GatewayClass",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


def path_of(obj):
    """Where an object lives."""
    version, kind, metadata = obj["apiVersion"], obj["kind"], obj["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = _PLURALS.get(kind, f"{kind.lower()}s")
    where = "" if kind in _CLUSTER_WIDE else f"/namespaces/{metadata['namespace']}"
    return f"{root}{where}/{plural}/{metadata['name']}"


def bookstore():
    """The manifests of ``healthy``, with one image for all: what the sandbox alone can run is left out."""
    objects = []
    for obj in load("healthy"):
        kind, metadata = obj["kind"], obj["metadata"]
        if kind == "Node" or (
            metadata.get("namespace") == "istio-system" and kind in {"Deployment", "DaemonSet", "ServiceAccount"}
        ):
            continue
        if kind == "Namespace" and metadata["name"] not in (*NAMESPACES, "istio-system"):
            continue
        if kind == "Namespace":
            metadata["labels"] = {**metadata.get("labels", {}), MINE: "true"}
        if kind in {"Deployment", "StatefulSet"}:
            _stand_in(obj["spec"]["template"]["spec"])
        objects.append(obj)
    return sorted(objects, key=lambda o: _ORDER.index(o["kind"]) if o["kind"] in _ORDER else len(_ORDER))


def _stand_in(spec):
    spec["terminationGracePeriodSeconds"] = 0
    for container in spec["containers"]:
        port = container["ports"][0]["containerPort"]
        container |= {"image": IMAGE, "imagePullPolicy": "Never"}
        # passwords are Secrets that the sandbox makes when it starts; the stand-ins need none
        container["env"] = [variable for variable in container.get("env", ()) if "valueFrom" not in variable]
        container["command"] = ["python3", "-u", "-c", (HERE / "listener.py").read_text(), str(port)]
        container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 1}


@pytest.fixture(scope="session")
def node():
    """The cluster that the variable names, with the bookstore running on it."""
    kubeconfig = os.environ[VARIABLE]
    if not Path(kubeconfig).is_file():
        pytest.fail(f"{VARIABLE}={kubeconfig}: no such file. Start the node first: tests/e2e/run.sh CLUSTER_DIR")
    found = Node(kubeconfig)
    try:
        found.get("/api/v1/nodes")
    except ClusterError as error:
        pytest.fail(f"{VARIABLE}={kubeconfig}: {error}")
    strangers = [o["metadata"]["name"] for o in _namespaces(found) if MINE not in o["metadata"].get("labels", {})]
    if strangers:
        pytest.fail(f"{VARIABLE}={kubeconfig}: namespaces {', '.join(strangers)} are somebody else's: this is no test cluster")
    found.apply(yaml.safe_load_all((HERE / "manifests" / "crds.yaml").read_text()))
    found.apply(bookstore())
    wait_until(lambda: _not_ready(found), lambda waiting: waiting == [], READY_S)
    yield found
    found.do(_remove_namespaces)
    wait_until(lambda: _namespaces(found), lambda left: left == [], READY_S)


def _namespaces(node):
    """The bookstore's namespaces that are there now."""
    found = node.get("/api/v1/namespaces")["items"]
    return [obj for obj in found if obj["metadata"]["name"] in (*NAMESPACES, "istio-system")]


async def _remove_namespaces(api):
    for name in (*NAMESPACES, "istio-system"):
        await api.request("DELETE", f"/api/v1/namespaces/{name}")


def _not_ready(node):
    objects = [o for plural in ("deployments", "statefulsets") for o in node.get(f"/apis/apps/v1/{plural}")["items"]]
    mine = [o for o in objects if o["metadata"]["namespace"] in NAMESPACES]
    return [o["metadata"]["name"] for o in mine if o.get("status", {}).get("readyReplicas", 0) < 1]


def wait_until(look, good, seconds=30.0):
    """What ``look()`` gives as soon as it is good; fails with the last answer."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if good(seen):
            return seen
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s; last seen: {json.dumps(seen, default=str)[:2000]}")
        time.sleep(0.1)


@pytest.fixture
def clean_slate(node):
    """Nothing of meshtui's is in the cluster before the test."""
    if node.leftovers():
        node.meshtui("clean", "--all", "--yes")
        wait_until(node.leftovers, lambda names: names == [], 20)


def running(node, *words, **environment):
    """A probe in a process of its own, once its pod runs; with the pod's object."""
    process = subprocess.Popen(
        node.command("probe", *words, *PROBE),
        env=node.environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    found = wait_until(
        lambda: node.get("/api/v1/pods", labelSelector=RUN)["items"],
        lambda pods: process.poll() is not None or any(p["status"].get("phase") == "Running" for p in pods),
        60,
    )
    assert found, process.communicate()
    return process, found[0]


@pytest.fixture
def packets(node):
    """``with packets("drop"):`` is what happens to packets for inventory-db, as a CNI would do it."""
    if not (Path(NET).exists() and shutil.which("nft") and os.geteuid() == 0):
        pytest.skip(f"this needs root, nft and the node's network namespace {NET}")
    pods = node.get("/api/v1/namespaces/inventory/pods", labelSelector="app=inventory-db")["items"]
    nft = ["nsenter", f"--net={NET}", "nft"]

    @contextlib.contextmanager
    def ruled(verdict):
        rules = "add table ip e2e\nadd chain ip e2e packets { type filter hook forward priority -10; }\n"
        for pod in pods:
            rules += f"add rule ip e2e packets ip daddr {pod['status']['podIP']} tcp dport 5432 {verdict}\n"
        families = ["ip"]
        if verdict == "drop":  # also between pods of one bridge; a reset can't be made there
            families.append("bridge")
            rules += rules.replace(" ip e2e", " bridge e2e").replace("ip daddr", "ether type ip ip daddr")
        subprocess.run([*nft, "-f", "-"], input=rules, text=True, check=True)
        try:
            yield
        finally:
            for family in families:
                subprocess.run([*nft, "delete", "table", family, "e2e"], check=True)

    return ruled


@pytest.fixture
def dropped(packets):
    """Packets to inventory-db vanish."""
    with packets("drop"):
        yield
