"""Reads what a pod of the sandbox answers at its own ports, through the API server."""

import base64
import json
import ssl
import tempfile
from pathlib import Path

import httpx
import yaml
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from meshtui.sandbox.run import Sandbox

PROTOCOL = "v4.channel.k8s.io"


def trust(sandbox: Sandbox) -> ssl.SSLContext:
    """TLS with the admin's certificate of the sandbox's kubeconfig."""
    config = yaml.safe_load(sandbox.kubeconfig.read_text())
    user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "client.pem"
        pem.write_bytes(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
        context.load_cert_chain(pem)
    return context


def _pod(sandbox: Sandbox, name: str) -> str:
    namespace, _, name = name.rpartition("/")
    return f"{sandbox.api.url}/api/v1/namespaces/{namespace or 'istio-system'}/pods/{name}"


async def forwarded(sandbox: Sandbox, pod: str, port: int, path: str) -> bytes:
    """The body of ``GET path`` at a port of a pod (``NAMESPACE/NAME``, or of istio-system), by port-forward."""
    url = f"{_pod(sandbox, pod)}/portforward?ports={port}".replace("https", "wss")
    received = {0: b"", 1: b""}
    request = f"GET {path} HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n"
    async with connect(url, ssl=trust(sandbox), subprotocols=[PROTOCOL], proxy=None, max_size=None) as stream:  # type: ignore[list-item]
        try:
            await stream.send(b"\0" + request.encode())
            async for frame in stream:
                received[frame[0]] += frame[1:]  # type: ignore[index, operator]
        except ConnectionClosed:
            pass
    number = port.to_bytes(2, "little")
    assert received[1] == number, received[1]
    head, _, body = received[0].removeprefix(number).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    return body


async def proxied(sandbox: Sandbox, pod: str, port: int, path: str) -> httpx.Response:
    """The answer to ``GET path`` at a port of a pod, by proxy."""
    async with httpx.AsyncClient(verify=trust(sandbox), trust_env=False) as client:
        return await client.get(f"{_pod(sandbox, pod)}:{port}/proxy{path}")


async def dumps(sandbox: Sandbox) -> dict[str, dict]:
    """The config dump of every node's ztunnel, by node; all of one state of the mesh."""
    while True:
        before = sandbox.dataplane.mesh.world
        found = {node: await forwarded(sandbox, name, 15000, "/config_dump") for node, name in ztunnels(sandbox).items()}
        if sandbox.dataplane.mesh.world is before:
            return {node: json.loads(body) for node, body in found.items()}


def ztunnels(sandbox: Sandbox) -> dict[str, str]:
    """Node → the name of its ztunnel."""
    return {
        pod["spec"]["nodeName"]: pod["metadata"]["name"]
        for pod in sandbox.api.store.list("pods", "istio-system")
        if pod["metadata"]["labels"].get("app") == "ztunnel" and "deletionTimestamp" not in pod["metadata"]
    }
