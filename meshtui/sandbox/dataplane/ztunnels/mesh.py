"""The state of the mesh as its own parts tell it, and the ports at which they do."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from meshtui.sandbox.dataplane.certs import MeshCa
from meshtui.sandbox.dataplane.world import Pod, World, is_ztunnel
from meshtui.sandbox.dataplane.ztunnels.connections import Passing
from meshtui.sandbox.dataplane.ztunnels.convert import CLUSTER, policies, services, workloads
from meshtui.sandbox.dataplane.ztunnels.dump import Json, config_dump, istio_version
from meshtui.sandbox.dataplane.ztunnels.metrics import ADDRESSES, AUTHORIZATIONS, Counts, exposition
from meshtui.sandbox.dataplane.ztunnels.web import Answer, Connections, Handler
from meshtui.sandbox.ports import Obj, PodPaths, Streams

_OPENMETRICS = "application/openmetrics-text;charset=utf-8;version=1.0.0"
_NOTHING = Answer(404, b"Not Found\n")


@dataclass(slots=True)
class _Stream:
    """One type of resources that istiod sends to one ztunnel."""

    sent: str = ""
    acked: str = ""
    sent_at: str = ""
    error: str = ""


@dataclass(slots=True)
class Mesh:
    """What the data plane has applied, as the ztunnels and istiod report it."""

    ca: MeshCa
    counts: Counts = field(default_factory=Counts)
    world: World | None = None
    connections: Callable[[], list[Passing]] = list
    """The connections that are open at the doors."""
    asked_to_quit: int = 0
    """How many ``POST /quitquitquit`` the ztunnels have got: nobody should ever send one."""
    _streams: dict[tuple[str, str], _Stream] = field(default_factory=dict)

    def take(self, world: World) -> None:
        """Report this world from now on: it is what Envoy has."""
        self.world = world
        sent = {ADDRESSES: _digest([workloads(world), services(world)]), AUTHORIZATIONS: _digest(policies(world))}
        ztunnels = [pod for pod in world.pods if is_ztunnel(pod)]
        for pod in ztunnels:
            for kind, nonce in sent.items():
                stream = self._streams.setdefault((pod.uid, kind), _Stream())
                if stream.sent != nonce:
                    stream.sent, stream.sent_at = nonce, dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                    self.counts.messages[pod.uid][kind] += 1
                late = kind == AUTHORIZATIONS and pod.node in world.behind
                stream.acked = _digest(policies(world.seen_by(pod.node))) if late else nonce
                stream.error = world.refusals.get(pod.node, "") if kind == AUTHORIZATIONS else ""
        living = {pod.uid for pod in ztunnels}
        self._streams = {key: stream for key, stream in self._streams.items() if key[0] in living}
        self.counts.forget(living)

    def ports_of(self, pod: Obj, *, inside: bool) -> Mapping[int, Handler]:
        """The ports of a ztunnel or istiod; empty for other pods. The admin port is open inside the pod only."""
        found = next((each for each in self.world.pods if each.uid == pod["metadata"]["uid"]), None) if self.world else None
        if found is None or found.namespace != "istio-system":
            return {}
        if is_ztunnel(found):
            ports = {15020: _only_get(self._stats(found)), 15021: _only_get(self._readiness)}
            return ports | ({15000: self._admin(found)} if inside else {})
        if found.labels.get("app") == "istiod":
            return {15014: _only_get(self._debug if inside else _unauthenticated)}
        return {}

    def _admin(self, ztunnel: Pod) -> Handler:
        def answer(method: str, path: str) -> Answer:
            if path == "/quitquitquit" and method == "POST":
                self.asked_to_quit += 1
                return Answer(200, b"shutdown now\n")
            if path == "/config_dump" and method == "GET" and self.world is not None:
                return Answer(200, config_dump(self.world, ztunnel, self.ca, self.connections()), "application/json")
            known = path in {"/config_dump", "/quitquitquit", "/logging"}
            return Answer(405, b"Method Not Allowed\n") if known else _NOTHING

        return answer

    def _stats(self, ztunnel: Pod) -> Callable[[str], Answer]:
        def answer(path: str) -> Answer:
            if path not in {"/metrics", "/stats/prometheus"} or self.world is None:
                return _NOTHING
            return Answer(200, exposition(self.world, ztunnel, self.counts).encode(), _OPENMETRICS)

        return answer

    @staticmethod
    def _readiness(path: str) -> Answer:
        return Answer(200, b"ready\n") if path == "/healthz/ready" else _NOTHING

    def _debug(self, path: str) -> Answer:
        return Answer.of(self.syncz()) if path == "/debug/syncz" else _NOTHING

    def syncz(self) -> list[Json]:
        """How far each ztunnel has followed istiod."""
        pods = [pod for pod in (self.world.pods if self.world else ()) if is_ztunnel(pod)]
        return [
            {
                "cluster_id": CLUSTER,
                "proxy": f"{pod.name}.{pod.namespace}",
                "proxy_type": "ztunnel",
                "proxy_version": istio_version(pod),
                "istio_version": istio_version(pod),
                "resources": {kind: _said(stream) for (uid, kind), stream in sorted(self._streams.items()) if uid == pod.uid},
            }
            for pod in sorted(pods, key=lambda each: each.name)
        ]


class PodSockets:
    """The ports of all pods: those of ztunnels and istiod, and the sockets of the others' processes."""

    def __init__(self, paths: Callable[[str], PodPaths], mesh: Mesh) -> None:
        self._paths = paths
        self._mesh = mesh
        self._connections = Connections()

    async def connect(self, pod: Obj, port: int, *, inside: bool) -> Streams:
        """Connect to a pod's port. Other pods' applications are reached directly, without the data plane."""
        handler = self._mesh.ports_of(pod, inside=inside).get(port)
        if handler is not None:
            return await self._connections.open(handler)
        try:
            return await asyncio.open_unix_connection(str(self._paths(pod["metadata"]["uid"]).socket(port)))
        except OSError:
            raise ConnectionRefusedError from None

    async def close(self) -> None:
        """Close the connections to ztunnels and istiod."""
        await self._connections.close()


def _only_get(answer: Callable[[str], Answer]) -> Handler:
    return lambda method, path: answer(path) if method in {"GET", "HEAD"} else Answer(405, b"Method Not Allowed\n")


def _unauthenticated(path: str) -> Answer:
    del path
    return Answer(401)


def _said(stream: _Stream) -> Json:
    said = {"acked": stream.acked, "lastError": stream.error, "sent": stream.sent, "sentTime": stream.sent_at}
    return {key: value for key, value in said.items() if value}


def _digest(value: object) -> str:
    return hashlib.blake2s(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()
