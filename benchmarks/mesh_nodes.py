"""An API server with a hundred ztunnels behind it, for ``mesh_look.py``: a process of its own, with everything prepared.

Each dump has the same workloads, Services and policies, pretty-printed as ztunnel writes them. Some of the workloads may differ
from node to node (``--differing``), and with them the endpoints of their Services.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.fakes.forwards import accepting, answer, frame

FRAME = 32768
IDENTITY = "spiffe://cluster.local/ns/{}/sa/{}"
METRICS = b'workload_manager_active_proxy_count 100\nworkload_manager_pending_proxy_count 0\nistio_build{tag="1.30.1"} 1\n# EOF\n'


def workload(number: int, nodes: int) -> dict:
    """One pod, with the fields that istiod sends."""
    namespace, app = f"team-{number // 100}", f"app-{number // 10 % 10}"
    return {
        "canonicalName": app,
        "canonicalRevision": "v1",
        "capacity": 1,
        "clusterId": "Kubernetes",
        "name": f"{app}-6484c4d9bb-{number:05d}",
        "namespace": namespace,
        "networkMode": "Standard",
        "node": f"node-{number % nodes}",
        "protocol": "HBONE",
        "serviceAccount": app,
        "services": [f"{namespace}/{app}.{namespace}.svc.cluster.local"],
        "status": "Healthy",
        "trustDomain": "cluster.local",
        "uid": f"Kubernetes//Pod/{namespace}/{app}-6484c4d9bb-{number:05d}",
        "workloadIps": [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"],
        "workloadName": app,
        "workloadType": "deployment",
    }


def service(number: int, workloads: list[dict]) -> dict:
    """The Service of ten pods."""
    namespace, app = f"team-{number // 10}", f"app-{number % 10}"
    chosen = [each for each in workloads if each["status"] == "Healthy"]
    return {
        "canonical": True,
        "endpoints": {each["uid"]: {"port": {"80": 8080}, "status": "Healthy", "workloadUid": each["uid"]} for each in chosen},
        "hostname": f"{app}.{namespace}.svc.cluster.local",
        "ipFamilies": "IPv4",
        "name": app,
        "namespace": namespace,
        "ports": {"80": 8080},
        "subjectAltNames": [],
        "vips": [f"/10.96.{number >> 8}.{number & 255}"],
        "visibility": "Public",
    }


def policy(number: int) -> dict:
    """A policy of a namespace."""
    accounts = [{"namespace": f"team-{number}", "serviceAccount": f"app-{each}"} for each in range(5)]
    return {
        "action": "Allow",
        "dryRun": False,
        "name": "allow",
        "namespace": f"team-{number}",
        "rules": [[[{"serviceAccounts": accounts}]]],
        "scope": "Namespace",
    }


def indented(obj: dict, depth: int = 4) -> str:
    """An entry as it stands in a dump."""
    return json.dumps(obj, indent=2).replace("\n", "\n" + " " * depth)


def certificate(number: int) -> dict:
    """The certificate of an identity of the node."""
    one = {
        "expirationTime": "2026-11-26T14:46:06Z",
        "pem": "LS0tLS1CRUdJTi" * 60,
        "serialNumber": str(415488761717102557668988978029117200020433997150 + number),
        "validFrom": "2026-11-25T14:44:06Z",
    }
    identity = f"spiffe://cluster.local/ns/team-{number}/sa/app-{number % 10}"
    return {"certChain": [one, one], "identity": identity, "rootCerts": [one], "state": "Available"}


class Mesh:
    """The dumps of all nodes, made from texts that they share."""

    def __init__(self, nodes: int, count: int, differing: int) -> None:
        self.nodes, self._differing = nodes, differing
        self._workloads = [workload(number, nodes) for number in range(count)]
        self._texts = [indented(each) for each in self._workloads]
        self._services = [indented(self._service(number, {})) for number in range(count // 10)]
        self._policies = ",\n    ".join(indented(policy(number)) for number in range(count // 100))
        self._certificates = ",\n    ".join(indented(certificate(number)) for number in range(20))

    def _service(self, number: int, changed: dict[int, dict]) -> dict:
        places = range(10 * number, 10 * number + 10)
        return service(number, [changed.get(place, self._workloads[place]) for place in places])

    def dump(self, node: int) -> bytes:
        """The dump of one node."""
        workloads, services = self._texts, self._services
        if self._differing:
            places = random.Random(node).sample(range(len(self._workloads)), self._differing)
            changed = {place: {**self._workloads[place], "status": "Unhealthy", "name": f"n{node}"} for place in places}
            workloads, services = list(workloads), list(services)
            for place, each in changed.items():
                workloads[place] = indented(each)
                services[place // 10] = indented(self._service(place // 10, changed))
        mine = [each for each in self._workloads if each["node"] == f"node-{node}"]
        state = {
            f"uid-{each['name']}": {
                "connections": {
                    "inbound": [{"actualDst": "10.0.0.1:80", "originalDst": None, "protocol": "HBONE", "src": "10.0.0.2:1"}] * 5,
                    "outbound": [],
                },
                "info": {"name": each["name"], "namespace": each["namespace"], "serviceAccount": each["serviceAccount"]},
                "state": "Up",
            }
            for each in mine
        }
        join = ",\n    ".join
        text = (
            f'{{\n  "certificates": [\n    {self._certificates}\n  ],\n  "config": {{\n    "localNode": "node-{node}"\n  }},\n  '
            f'"policies": [\n    {self._policies}\n  ],\n  "services": [\n    {join(services)}\n  ],\n  '
            f'"stagedServices": {{}},\n  '
            f'"version": {{\n    "istioVersion": "1.30.1"\n  }},\n  "workloadState": {indented(state, 2)},\n  '
            f'"workloads": [\n    {join(workloads)}\n  ]\n}}'
        )
        return text.encode()

    def syncz(self) -> bytes:
        """What an istiod says of all of them."""
        sent = {"sent": "a", "acked": "a"}
        resources = {f"type.googleapis.com/istio.{name}": sent for name in ("workload.Address", "security.Authorization")}
        one = {"proxy_type": "ztunnel", "resources": resources}
        proxies = [{"proxy": f"ztunnel-{node}.istio-system", **one} for node in range(self.nodes)]
        return json.dumps(proxies).encode()


def in_frames(port: int, body: bytes) -> bytes:
    """All that a port-forward sends, as a kubelet cuts it."""
    number = port.to_bytes(2, "little")
    whole = answer(body)
    parts = [frame(b"\0" + whole[start : start + FRAME]) for start in range(0, len(whole), FRAME)]
    return b"".join([frame(b"\0" + number), frame(b"\1" + number), *parts, frame(b"\x03\xe8", 8)])


class Server:
    """Answers all that a look asks, from memory."""

    def __init__(self, mesh: Mesh) -> None:
        self._dumps = [in_frames(15000, mesh.dump(node)) for node in range(mesh.nodes)]
        self._syncz = in_frames(15014, mesh.syncz())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        path = lines[0].split(b" ")[1].decode()
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:-2])}
        await reader.readexactly(int(headers.get(b"content-length", b"0")))
        if "/portforward" not in path:
            writer.write(self._page(path))
            await writer.drain()
            return True
        writer.write(accepting(headers[b"sec-websocket-key"]))
        await reader.readexactly(2)
        await reader.read(4096)
        name = path.split("/")[-2]
        whole = memoryview(self._syncz if name.startswith("istiod") else self._dumps[int(name.rpartition("-")[2])])
        for start in range(0, len(whole), 1 << 18):
            writer.write(whole[start : start + (1 << 18)])
            await writer.drain()
        return False

    @staticmethod
    def _page(path: str) -> bytes:
        if path.endswith("/selfsubjectaccessreviews"):
            return answer(b'{"status": {"allowed": true}}')
        if path == "/version":
            return answer(b'{"major": "1", "minor": "36"}')
        return answer(METRICS) if path.endswith("/metrics") else answer(b"ready\n")


async def main() -> None:
    """Serve until standard input ends; the first line of the output is the port, the second the size of a dump."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--workloads", type=int, default=10_000)
    parser.add_argument("--differing", type=int, default=0)
    args = parser.parse_args()
    mesh = Mesh(args.nodes, args.workloads, args.differing)
    server = await asyncio.start_server(Server(mesh).serve, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], len(mesh.dump(0)), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
