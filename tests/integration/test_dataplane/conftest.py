"""A cluster with nothing in it but a store, a data plane, and applications on Unix sockets."""

import asyncio
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from meshtui.sandbox import addresses
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.dataplane import DataPlane
from meshtui.sandbox.ports import Obj, PodPaths

DEADLINE_S = 8


@dataclass(frozen=True)
class Curl:
    """What an unmodified curl saw."""

    code: int
    status: int
    body: str
    connected: bool
    """Whether its TCP connect succeeded."""

    @property
    def outcome(self) -> str:
        if self.code == 0:
            return "connected"
        if self.code == 7:
            return "refused"
        if self.code in {52, 55, 56}:
            return "closed"
        return "timeout" if self.code == 28 else f"curl {self.code}"


class Logs:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def append(self, pod_uid: str, line: str) -> None:
        self.lines.append((pod_uid, line))


class Cluster:
    """What a test says about the cluster, and what it asks of it."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.store = Store()
        self.logs = Logs()
        self.plane = DataPlane(self.store, self.logs, run_dir, self.paths)
        self.pods: dict[str, Obj] = {}
        self._servers: list[asyncio.Server] = []
        self.connections: Counter[str] = Counter()
        """How many connections have reached each server."""

    def paths(self, uid: str) -> PodPaths:
        return PodPaths(self.run_dir / "p" / uid[:8])

    def namespace(self, name: str, *, ambient: bool) -> None:
        labels = {"istio.io/dataplane-mode": "ambient"} if ambient else {}
        self._create("namespaces", "v1", "Namespace", name, None, {}, labels)

    def pod(self, ref: str, *, sa: str = "default", port: int | None = None, labels: dict[str, str] | None = None) -> Obj:
        """Create a ready pod NS/NAME, whose label ``app`` is its name, with a Service when it has a port."""
        namespace, name = ref.split("/")
        ports = [{"containerPort": port, "name": "main"}] if port else []
        spec = {
            "serviceAccountName": sa,
            "nodeName": "sandbox-b" if namespace == "inventory" else "sandbox-a",
            "containers": [{"name": "main", "image": "x", "ports": ports}],
        }
        made = self._create("pods", "v1", "Pod", name, namespace, {"spec": spec}, {"app": name, **(labels or {})})
        ip = addresses.allocate_pod_address(made["metadata"]["uid"])
        status = {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]}
        self.pods[ref] = self.store.update("pods", {**made, "status": status})
        if port:
            cluster_ip = f"10.96.0.{len(self.pods)}"
            service = {
                "clusterIP": cluster_ip,
                "selector": {"app": name},
                "ports": [{"port": port, "targetPort": "main", "name": "main"}],
            }
            self._create("services", "v1", "Service", name, namespace, {"spec": service}, {})
        return self.pods[ref]

    def ip(self, ref: str) -> str:
        return str(self.pods[ref]["status"]["podIP"])

    def uid(self, ref: str) -> str:
        return str(self.pods[ref]["metadata"]["uid"])

    def root(self, ref: str) -> Path:
        return self.paths(self.uid(ref)).root

    async def serve(self, ref: str, document: Obj | None = None) -> None:
        """Answer HTTP on the pod's port as an application would: with a document, or its name and the path."""
        port = self.pods[ref]["spec"]["containers"][0]["ports"][0]["containerPort"]

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections[ref] += 1
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                writer.close()
                return
            said = b" ".join([ref.encode(), *head.split(b" ")[:2]])
            body = json.dumps(document).encode() if document else said
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
            writer.close()

        path = self.paths(self.uid(ref)).socket(port)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._servers.append(await asyncio.start_unix_server(answer, str(path)))

    async def apply(self, kind: str, name: str, namespace: str, spec: Obj) -> None:
        """Create or replace a policy, and wait until it is enforced."""
        group, plural = {
            "AuthorizationPolicy": ("security.istio.io/v1", "authorizationpolicies"),
            "PeerAuthentication": ("security.istio.io/v1", "peerauthentications"),
            "RequestAuthentication": ("security.istio.io/v1", "requestauthentications"),
            "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies"),
            "Gateway": ("gateway.networking.k8s.io/v1", "gateways"),
            "HTTPRoute": ("gateway.networking.k8s.io/v1", "httproutes"),
        }[kind]
        old = self.store.get(plural, namespace, name)
        if old:
            self.store.update(plural, {**old, "spec": spec})
        else:
            self._create(plural, group, kind, name, namespace, {"spec": spec}, {})
        await self.settled()

    async def settled(self) -> None:
        await asyncio.wait_for(self.plane.wait_settled(), DEADLINE_S)

    async def curl(self, source: str | None, url: str, *arguments: str, max_time: float = 5) -> Curl:
        """Run the machine's own curl as the pod would."""
        home = str(self.root(source)) if source else str(self.run_dir)
        process = await asyncio.create_subprocess_exec(
            *("curl", "-s", "-m", str(max_time), "-w", "\n%{http_code} %{time_connect}", *arguments, url),
            env={**os.environ, "CURL_HOME": home},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        body, _, written = output.decode().rpartition("\n")
        status, connect_time = written.split()
        return Curl(process.returncode or 0, int(status), body, float(connect_time) > 0)

    async def reached(self, ref: str, connections: int) -> None:
        """Wait until so many connections have reached a server."""
        await until(lambda: self.connections[ref] >= connections, f"{connections} connections at {ref}")

    async def logged(self, ref: str, *parts: str) -> str:
        """Wait for a line in a pod's log that has all the parts."""

        def found() -> str | None:
            uid = self.uid(ref)
            return next((line for pod, line in self.logs.lines if pod == uid and all(p in line for p in parts)), None)

        await until(lambda: found() is not None, f"{parts} in the log of {ref}")
        return found() or ""

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        await self.plane.stop()
        for pod in self.pods.values():
            addresses.release_pod_address(pod["metadata"]["uid"])

    def _create(
        self, plural: str, version: str, kind: str, name: str, namespace: str | None, body: Obj, labels: dict[str, str]
    ) -> Obj:
        meta = {"name": name, "labels": labels, **({"namespace": namespace} if namespace else {})}
        return self.store.create(plural, {"apiVersion": version, "kind": kind, "metadata": meta, **body})


async def until(condition: Callable[[], bool], what: str) -> None:
    """Poll a condition until a deadline."""
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.02)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """ecom-service → inventory-service in ambient, an un-meshed prometheus, a ztunnel on each of two nodes."""
    run_dir = Path(tempfile.mkdtemp(prefix="mt"))
    made = Cluster(run_dir)
    for name, ambient in (("ecom", True), ("inventory", True), ("observability", False), ("istio-system", False)):
        made.namespace(name, ambient=ambient)
    made.pod("istio-system/ztunnel-a", labels={"app": "ztunnel"})
    b = made.pod("istio-system/ztunnel-b", labels={"app": "ztunnel"})
    made.pods["istio-system/ztunnel-b"] = made.store.update("pods", {**b, "spec": {**b["spec"], "nodeName": "sandbox-b"}})
    made.pod("ecom/ecom-service", sa="ecom-service", port=8080)
    made.pod("inventory/inventory-service", sa="inventory-service", port=8000)
    made.pod("observability/prometheus", sa="prometheus", port=9090)
    for ref in ("ecom/ecom-service", "inventory/inventory-service", "observability/prometheus"):
        await made.serve(ref)
    await made.plane.start()
    await made.settled()
    try:
        yield made
    finally:
        await made.stop()
        shutil.rmtree(run_dir)
