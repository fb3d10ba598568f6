"""The whole sandbox: starts its parts in order, reports when it is ready, and stops them in reverse order.

Dependencies of the ``demo`` extra are imported when they are used, so that this module can be imported without them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from meshtui.sandbox.leftovers import RunFolder, sweep
from meshtui.sandbox.ports import Obj
from meshtui.sandbox.requirements import SandboxError, check_requirements, demand_files, plain_errors, prepare_machine

if TYPE_CHECKING:
    from meshtui.sandbox.apiserver.server import ApiServer
    from meshtui.sandbox.controllers.runner import Controllers
    from meshtui.sandbox.dataplane import DataPlane
    from meshtui.sandbox.kubelet.kubelet import Kubelet

NODES = ("sandbox-a", "sandbox-b")
READY_TIMEOUT_S = 60.0

_WORKLOADS = ("deployments", "statefulsets", "daemonsets")

_LOOK_S = 0.5

__all__ = ["READY_TIMEOUT_S", "Sandbox", "SandboxError", "check_requirements", "running_sandbox", "serve"]

Announce = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class Sandbox:
    """A running sandbox."""

    scenario: str
    run_dir: Path
    kubeconfig: Path
    api: ApiServer
    controllers: Controllers
    kubelet: Kubelet
    dataplane: DataPlane

    @property
    def gateway_url(self) -> str:
        """The bookstore's URL for clients outside the cluster."""
        return self.dataplane.gateway_url

    def troubles(self) -> list[str]:
        """The containers that failed and wait to be restarted, each with the last line of its log."""
        return [
            f"{pod['metadata']['namespace']}/{pod['metadata']['name']}: {reason['message']}"
            for pod in self.api.store.list("pods")
            for status in (pod.get("status") or {}).get("containerStatuses") or []
            if (reason := (status.get("state") or {}).get("waiting") or {}).get("reason") == "CrashLoopBackOff"
        ]

    def waiting_for(self) -> list[str]:
        """The workloads that are not ready yet, as ``NS/Kind/NAME``."""
        return [
            f"{obj['metadata']['namespace']}/{obj['kind']}/{obj['metadata']['name']}"
            for plural in _WORKLOADS
            for obj in self.api.store.list(plural)
            if not _is_settled(obj)
        ]

    async def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> list[str]:
        """Wait until every workload is ready and the gateway answers; then the scenario's faults of the mesh begin.

        Returns what isn't ready when the time is over.
        """
        changes = self.api.store.subscribe(*_WORKLOADS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.waiting_for():
                    await changes.batch(0.5)
                await self.dataplane.wait_settled()
                await _answers(self.gateway_url)
                await self._break()
                return []
        missing = self.waiting_for() or [self.gateway_url]
        await self._break()
        return missing

    async def _break(self) -> None:
        """Let the scenario's faults of the mesh begin, now that everything has been ready."""
        self.dataplane.faulty.arm()
        await self.dataplane.wait_settled()


def _is_settled(obj: Obj) -> bool:
    """Whether a workload's controller has seen its newest version and all of its pods are ready."""
    status = obj.get("status") or {}
    if status.get("observedGeneration", 0) < obj["metadata"]["generation"]:
        return False
    if obj["kind"] == "DaemonSet":
        return bool(status.get("numberReady", 0) >= status.get("desiredNumberScheduled", 0))
    wanted = obj["spec"].get("replicas", 1)
    return bool(status.get("readyReplicas", 0) >= wanted and status.get("updatedReplicas", 0) >= wanted)


@contextlib.asynccontextmanager
async def running_sandbox(
    scenario: str,
    directory: Path | None = None,
    *,
    port: int = 0,
    on_api: Callable[[Path], None] | None = None,
) -> AsyncIterator[Sandbox]:
    """Run a sandbox while the block runs; it may still be starting when the block begins (see ``wait_ready``).

    ``on_api`` is called with the kubeconfig's path as soon as the API answers. Raises ``SandboxError``.
    """
    check_requirements()
    objects = _load(scenario)
    demand_files()
    await asyncio.to_thread(sweep)
    with plain_errors("the sandbox can't make its folder"):
        folder = RunFolder.make()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(folder.remove)
        sandbox = await _start(stack, scenario, folder, objects, port, directory)
        if on_api is not None:
            on_api(sandbox.kubeconfig)
        yield sandbox


async def _start(
    stack: contextlib.AsyncExitStack,
    scenario: str,
    folder: RunFolder,
    objects: list[Obj],
    port: int,
    directory: Path | None,
) -> Sandbox:
    """Start all parts. The stack stops the started parts in reverse order, when one fails or the sandbox ends."""
    from meshtui.sandbox import scenarios
    from meshtui.sandbox.apiserver.server import ApiServer, as_applied
    from meshtui.sandbox.controllers.runner import Controllers
    from meshtui.sandbox.credentials import missing_secrets
    from meshtui.sandbox.dataplane import DataPlane
    from meshtui.sandbox.dataplane.ztunnels.mesh import PodSockets
    from meshtui.sandbox.images import images_for
    from meshtui.sandbox.kubelet.kubelet import Kubelet

    preparing = asyncio.create_task(asyncio.to_thread(prepare_machine, folder))
    with plain_errors("the sandbox's API server can't start"):
        api = ApiServer(folder.path, port=port)
        await api.start()
    stack.push_async_callback(api.stop)
    api.add_all([*(_node(name) for name in NODES), *(as_applied(obj) for obj in objects), *missing_secrets(objects)])
    for name in NODES:
        _make_ready(api, name)
    runtime, template = await preparing
    with plain_errors("the sandbox can't start"):
        images = images_for(runtime, MESHTUI_TEMPLATE=str(template))
        kubelet = Kubelet(api.store, api.logs, folder.path, images, on_child=folder.record, runtime=runtime)
        dataplane = DataPlane(api.store, api.logs, folder.path, kubelet.paths, runtime, scenarios.faults(scenario))
        api.store.hooks.append(dataplane.faulty.admit)
        stack.push_async_callback(dataplane.stop)
        sockets = PodSockets(kubelet.paths, dataplane.mesh)
        stack.push_async_callback(sockets.close)
        api.reach_pods(sockets)
        await kubelet.start()
    stack.push_async_callback(kubelet.stop)
    controllers = Controllers(api.store)
    await controllers.start()
    stack.push_async_callback(controllers.stop)
    # Pods get their addresses while Envoy starts, so that its first configuration has all of them.
    try:
        with plain_errors("the sandbox's data plane can't start"):
            await dataplane.start()
    except RuntimeError as error:  # the data plane's own errors
        raise SandboxError(f"the sandbox's data plane can't start: {error}") from error
    stack.callback(asyncio.create_task(_record_envoy(dataplane, folder)).cancel)
    kubeconfig = api.kubeconfig
    if directory is not None:
        with plain_errors("the kubeconfig can't be written"):
            kubeconfig = await asyncio.to_thread(_copy_kubeconfig, api.kubeconfig, directory)
    return Sandbox(scenario, folder.path, kubeconfig, api, controllers, kubelet, dataplane)


async def serve(
    scenario: str,
    directory: Path | None,
    announce: Announce,
    port: int = 0,
    on_api: Callable[[Path], None] | None = None,
    lifeline: int | None = None,
) -> None:
    """Run the sandbox until SIGINT or SIGTERM (or cancellation), and announce when everything in it answers.

    With a ``lifeline``, the read end of a pipe, it also ends when the other end is closed, by its owner or by the system when
    the owner is killed. Workloads that aren't ready within a minute are in the announcement's ``waiting_for``. Raises
    ``SandboxError``.
    """
    stop = asyncio.Event()
    with _signals(stop), _until_closed(lifeline, stop):
        async with running_sandbox(scenario, directory, port=port, on_api=on_api) as sandbox:
            ready = asyncio.create_task(sandbox.wait_ready())
            telling = asyncio.create_task(_tell_troubles(sandbox))
            stopped = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({ready, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not stop.is_set():
                    announce(_announcement(sandbox, ready.result()))
                    await stopped
            finally:
                ready.cancel()
                stopped.cancel()
                telling.cancel()


async def _tell_troubles(sandbox: Sandbox) -> None:
    """Print on standard error, once for each container, why it doesn't start."""
    told: set[str] = set()
    while True:
        for trouble in sandbox.troubles():
            pod, _, why = trouble.partition(": ")
            if pod not in told:
                told.add(pod)
                sys.stderr.write(f"meshtui: {pod} doesn't start: {why.partition(': ')[2] or why}\n")
                sys.stderr.flush()
        await asyncio.sleep(_LOOK_S)


def _announcement(sandbox: Sandbox, missing: list[str]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "ready": True,
        "kubeconfig": str(sandbox.kubeconfig),
        "gateway": sandbox.gateway_url,
        "scenario": sandbox.scenario,
    }
    return said | ({"waiting_for": missing} if missing else {})


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """Make SIGINT and SIGTERM end the sandbox (in a thread, signals are handled by the owner of the process)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _until_closed(lifeline: int | None, stop: asyncio.Event) -> Iterator[None]:
    if lifeline is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(lifeline, 4096):
            loop.remove_reader(lifeline)
            stop.set()

    try:
        loop.add_reader(lifeline, read)
    except OSError:  # a file, or the null device
        raise SandboxError("what doesn't end can't be waited for: standard input is neither a pipe nor a terminal") from None
    try:
        yield
    finally:
        loop.remove_reader(lifeline)


def _load(scenario: str) -> list[Obj]:
    from meshtui.sandbox import scenarios

    if scenario not in scenarios.names():
        raise SandboxError(f"there is no scenario {scenario!r}", "choose from: " + ", ".join(scenarios.names()))
    return list(scenarios.load(scenario))


def _copy_kubeconfig(source: Path, directory: Path) -> Path:
    from meshtui.sandbox.pki import write_private

    directory.mkdir(parents=True, exist_ok=True)
    target = directory.resolve() / "kubeconfig"
    write_private(target, source.read_bytes())
    return target


def _node(name: str) -> Obj:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {}}


def _make_ready(api: ApiServer, name: str) -> None:
    """Set a node's status to ready, for nodes of the scenario and of the sandbox."""
    from meshtui.sandbox.apiserver.store import now

    node = api.store.require("nodes", None, name)
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"} | (node["metadata"].get("labels") or {})
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
        "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"},
        "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "KubeletReady",
                "message": "the sandbox runs pods as local processes",
                "lastHeartbeatTime": now(),
                "lastTransitionTime": now(),
            }
        ],
        "nodeInfo": {
            "kubeletVersion": "v1.32.0-meshtui",
            "osImage": "meshtui sandbox",
            "kernelVersion": "none",
            "containerRuntimeVersion": "sandbox://1",
            "operatingSystem": "linux",
            "architecture": "any",
        },
    }
    api.store.update(
        "nodes", node | {"metadata": node["metadata"] | {"labels": labels}, "status": (node.get("status") or {}) | status}
    )


async def _record_envoy(dataplane: DataPlane, folder: RunFolder) -> None:
    """Record each Envoy process, since Envoy may be restarted."""
    known: int | None = None
    while True:
        if dataplane.envoy_pid != known and dataplane.envoy_pid is not None:
            known = dataplane.envoy_pid
            folder.record(known)
        await asyncio.sleep(0.5)


async def _answers(url: str) -> None:
    """Wait until a URL answers with HTTP."""
    async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                await client.get(url)
                return
            await asyncio.sleep(0.05)
