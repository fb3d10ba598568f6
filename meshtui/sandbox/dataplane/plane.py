"""The data plane: follows the store, and updates Envoy's configuration and the pods' network files."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from meshtui.sandbox import addresses
from meshtui.sandbox.dataplane.accesslog import AccessLog
from meshtui.sandbox.dataplane.blackhole import BlackHole
from meshtui.sandbox.dataplane.certs import MeshCa
from meshtui.sandbox.dataplane.doors import Doors
from meshtui.sandbox.dataplane.envoy import Envoy, EnvoyError
from meshtui.sandbox.dataplane.faulty import Faulty
from meshtui.sandbox.dataplane.gateway import NODE_PORT, GatewayBuilder
from meshtui.sandbox.dataplane.inbound import InboundBuilder
from meshtui.sandbox.dataplane.marks import mark_captured, mark_node_port
from meshtui.sandbox.dataplane.nodeport import NodePortClaim
from meshtui.sandbox.dataplane.outbound import Outbound, OutboundBuilder, Route
from meshtui.sandbox.dataplane.podview import routes_of, write_view
from meshtui.sandbox.dataplane.resources import NOWHERE, static_cluster
from meshtui.sandbox.dataplane.sieve import Sieve
from meshtui.sandbox.dataplane.world import WATCHED, Pod, World, read_world
from meshtui.sandbox.dataplane.ztunnels.mesh import Mesh
from meshtui.sandbox.meshfaults import Planned
from meshtui.sandbox.ports import ClusterStore, PodLogs, PodPaths
from meshtui.sandbox.runtime import Runtime

Json = dict[str, Any]

log = logging.getLogger(__name__)

_COALESCE_S = 0.015
_LOOK_FOR_SOCKETS_S = 0.25
_RETRY_S, _RETRY_AT_MOST_S = 0.25, 8.0
"""How long to wait before a configuration that wasn't taken is tried again; twice as long after each failure."""


class DataPlane:
    """Handles all connections between the sandbox's pods."""

    def __init__(
        self,
        store: ClusterStore,
        logs: PodLogs,
        run_dir: Path,
        pod_paths: Callable[[str], PodPaths],
        runtime: Runtime | None = None,
        faults: Sequence[Planned] = (),
    ) -> None:
        self._store = store
        self._pod_paths = pod_paths
        folder = run_dir / "e"
        runtime = runtime or Runtime()
        self._user = runtime.user
        self._envoy = Envoy(folder, self._take_line, self._touch, runtime)
        self._sieve = Sieve(self._envoy.validate)
        self._ca = MeshCa(folder / "ca", self._user)
        self.mesh = Mesh(self._ca)
        self.faulty = Faulty(faults, self._ca, logs)
        self._access_log = AccessLog(store, logs, self.mesh.counts.count)
        # Our processes, those of our pods, and root's; root has access anyway.
        insiders = frozenset({0, os.geteuid(), os.getuid(), *((self._user.uid,) if self._user else ())})
        self._doors = Doors(self._envoy.private, insiders, lambda peer: not addresses.is_foreign(peer[0]))
        self.mesh.connections = self._doors.connections
        self._black_hole = BlackHole()
        self._claim = NodePortClaim()
        self._node_port = ("127.0.0.1", self._claim.port)
        self._tasks: list[asyncio.Task[None]] = []
        self._dirty = asyncio.Event()
        self._asked = 0
        self._settled = asyncio.Condition()
        self._done = 0

    async def start(self) -> None:
        """Start Envoy and follow the store. Raises EnvoyError if Envoy can't be started."""
        await self._envoy.start()
        self._tasks = [
            asyncio.create_task(self._follow()),
            asyncio.create_task(self._regenerate()),
            asyncio.create_task(self._look_for_sockets()),
        ]
        self._touch()

    async def stop(self) -> None:
        """Stop everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._envoy.stop()
        await self._doors.close()
        self._black_hole.close()
        self._claim.close()

    async def wait_settled(self) -> None:
        """Wait until the current state of the store is enforced."""
        self._touch()  # the store is read once more, whether or not its events have arrived
        asked = self._asked
        async with self._settled:
            await self._settled.wait_for(lambda: self._done >= asked)

    @property
    def envoy_pid(self) -> int | None:
        """The process id of Envoy."""
        return self._envoy.pid

    @property
    def strangers(self) -> int:
        """How many connections of other users were closed."""
        return self._doors.turned_away

    async def envoy_listeners(self) -> list[str]:
        """The addresses at which Envoy listens, as it reports them."""
        return await self._envoy.listeners()

    @property
    def gateway_url(self) -> str:
        """The gateway's URL for clients outside the cluster."""
        return f"http://{self._node_port[0]}:{self._node_port[1]}"

    def _take_line(self, line: bytes) -> None:
        self._access_log.take(line)

    def _touch(self) -> None:
        self._asked += 1
        self._dirty.set()

    async def _follow(self) -> None:
        async for _ in self._store.events(*WATCHED):
            self._touch()

    async def _look_for_sockets(self) -> None:
        """Watch for applications' sockets: outside the mesh, a pod's port opens when its application listens."""
        seen: set[tuple[str, int]] = set()
        while True:
            await asyncio.sleep(_LOOK_FOR_SOCKETS_S)
            now = {
                (pod.uid, port)
                for pod in read_world(self._store).pods
                if not pod.meshed or pod.uid in self.faulty.uncaptured
                for port in pod.port_numbers()
                if self._pod_paths(pod.uid).socket(port).exists()
            }
            if now != seen or self._ca.is_due():
                seen = now
                self._touch()

    async def _regenerate(self) -> None:
        """Apply the store's state after each change, and again if that fails: no later change may come."""
        retry_s, last = _RETRY_S, ""
        while True:
            await self._dirty.wait()
            await asyncio.sleep(_COALESCE_S)
            self._dirty.clear()
            asked, problem = self._asked, ""
            try:
                await self._apply(self.faulty.bend(read_world(self._store)))
            except Exception as error:  # whatever it is: this task is the only one that applies changes, and must go on
                problem = f"{type(error).__name__}: {error}"
                if problem != last:
                    traced = None if isinstance(error, EnvoyError | OSError) else error
                    log.exception("the data plane keeps its old configuration: %s", problem, exc_info=traced)
            last = problem
            if problem:
                asyncio.get_running_loop().call_later(retry_s, self._touch)
            retry_s = min(2 * retry_s, _RETRY_AT_MOST_S) if problem else _RETRY_S
            async with self._settled:
                self._done = asked
                self._settled.notify_all()

    async def _apply(self, world: World) -> None:
        if self._doors.reserve(NODE_PORT, *self._node_port, _behind_sudo()) is None:
            log.error("the gateway can't be reached at %s:%s: another program has it", *self._node_port)
        outbound = OutboundBuilder(world, self._ca, self._doors, self._black_hole.address, _refused).build()
        inbound = InboundBuilder(world, self._ca, self._pod_paths, self._doors).build()
        gateways = GatewayBuilder(world, outbound.routes, self._doors).build()
        parts = (outbound, inbound, gateways)
        listeners = {name: each for part in parts for name, each in part.listeners.items()}
        clusters = {name: each for part in parts for name, each in part.clusters.items()}
        clusters[NOWHERE] = static_cluster(NOWHERE, None)
        listeners, clusters = await self._sieve.sift(listeners, clusters)
        await self._envoy.apply(list(listeners.values()), list(clusters.values()))
        await self._doors.publish({door: name for part in parts for door, name in part.doors.items() if name in listeners})
        self._access_log.follow(world)
        mark_node_port(self._store, world, self._node_port[1])
        for pod in world.pods:
            mark_captured(self._store, pod)
            self._show(world, pod, outbound)
        self.mesh.take(world)

    def _show(self, world: World, pod: Pod, outbound: Outbound) -> None:
        with contextlib.suppress(FileNotFoundError):  # the pod may be going away
            routes = routes_of(world, pod, outbound.routes[pod.uid])
            write_view(self._pod_paths(pod.uid), pod, routes, _refused(pod), self._user)


def _behind_sudo() -> frozenset[int]:
    """The user who started root's sandbox through sudo."""
    user = os.environ.get("SUDO_UID", "")
    return frozenset({int(user)} if user.isdigit() else ())


def _refused(source: Pod) -> Route:
    """Return an address of the pod where nothing listens."""
    return (addresses.outbound_address(source.ip) if addresses.LOOPBACK_BLOCK else "127.0.0.1"), 1
