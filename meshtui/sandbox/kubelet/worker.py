"""The lifecycle of one pod on this machine, from its address to its deletion."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from datetime import UTC, datetime

from meshtui.sandbox.addresses import allocate_pod_address, release_pod_address
from meshtui.sandbox.apiserver.errors import ApiError
from meshtui.sandbox.apiserver.events import record
from meshtui.sandbox.apiserver.store import now
from meshtui.sandbox.kubelet import state as states
from meshtui.sandbox.kubelet.container import Container, Machine, PodContext
from meshtui.sandbox.kubelet.environment import make_folders
from meshtui.sandbox.ports import Obj, PodPaths

_log = logging.getLogger(__name__)


class PodWorker:
    """Runs one pod. ``begin_stop`` stops it gracefully, ``kill`` at once; ``done`` is set when everything has ended."""

    def __init__(
        self,
        machine: Machine,
        pod: Obj,
        paths: PodPaths,
        *,
        wait_for_network: bool,
    ) -> None:
        self._store = machine.store
        self._logs = machine.logs
        self._pod = pod
        self._paths = paths
        self._wait_for_network = wait_for_network
        self._phase = "Pending"
        self._reason = ""
        self._initialized = False
        self._started = now()
        self._stopping: asyncio.Task[None] | None = None
        self.uid = str(pod["metadata"]["uid"])
        self.done = asyncio.Event()
        self._address = allocate_pod_address(self.uid)
        make_folders(paths, machine.runtime.user)
        context = PodContext(machine, pod, paths, self._address, self.publish, self._say)
        spec = pod["spec"]
        policy = spec.get("restartPolicy", "Always")
        self._init = [
            Container(context, each, restart_policy="Never" if policy == "Never" else "OnFailure")
            for each in spec.get("initContainers") or []
        ]
        self._main = [Container(context, each, restart_policy=policy) for each in spec["containers"]]
        self._task = asyncio.create_task(self._live(), name=f"pod {pod['metadata']['name']}")

    def begin_stop(self, grace_s: float) -> None:
        """Send SIGTERM now, and SIGKILL after ``grace_s`` seconds; then delete the pod from the API."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(grace_s))

    async def kill(self) -> None:
        """Kill everything at once."""
        if self._stopping is None:
            await self._stop(0)
        else:
            await self._end_processes(0)
            await self.done.wait()

    def publish(self) -> None:
        """Write the pod's status, if it changed."""
        metadata = self._pod["metadata"]
        pod = self._store.get("pods", metadata["namespace"], metadata["name"])
        if pod is None or pod["metadata"]["uid"] != self.uid:
            return
        old = pod.get("status") or {}
        never_ran = any(not each.state.container_id for each in self._main)
        phase = "Pending" if self._phase == "Running" and never_ran else self._phase
        status = old | {
            "phase": phase,
            "hostIP": "127.0.0.1",
            "hostIPs": [{"ip": "127.0.0.1"}],
            "podIP": self._address,
            "podIPs": [{"ip": self._address}],
            "startTime": self._started,
            "conditions": states.conditions(pod, [each.state for each in self._main], initialized=self._initialized, phase=phase),
            "containerStatuses": [each.state.status() for each in self._main],
        }
        if self._init:
            status["initContainerStatuses"] = [each.state.status() for each in self._init]
        if self._reason:
            status["reason"] = self._reason
        with contextlib.suppress(ApiError):  # the pod's namespace was deleted in the meantime
            self._store.update("pods", pod | {"status": status}, "kubelet", subresource="status")

    def _say(self, reason: str, message: str, container: str = "", *, warning: bool = False) -> None:
        metadata = self._pod["metadata"]
        pod = self._store.get("pods", metadata["namespace"], metadata["name"])
        if pod is not None and pod["metadata"]["uid"] == self.uid:
            del container
            record(self._store, pod, reason, message, "kubelet", warning=warning)

    async def _live(self) -> None:
        deadline_s = self._pod["spec"].get("activeDeadlineSeconds")
        try:
            async with asyncio.timeout(deadline_s):
                await self._run_containers()
        except TimeoutError:
            await self._end_processes(float(self._pod["spec"].get("terminationGracePeriodSeconds", 30)))
            self._phase, self._reason = "Failed", "DeadlineExceeded"
            self._say("DeadlineExceeded", "Pod was active on the node longer than the specified deadline", warning=True)
            self.publish()
        except Exception as error:  # noqa: BLE001 - a pod that the kubelet can't run must say so, not stand still
            _log.exception("pod %s", self._pod["metadata"]["name"])
            self._phase, self._reason = "Failed", "NodeError"
            self._say("Failed", f"Error: {error}", warning=True)
            self.publish()

    async def _run_containers(self) -> None:
        if self._init:
            for each in self._main:
                each.state.state = dict(states.INITIALIZING)
        self.publish()
        await self._network()
        for each in self._init:
            code = await each.run()
            if code != 0:
                self._phase = "Failed"
                self.publish()
                return
            each.state.ready = True
        self._initialized = True
        self._phase = "Running"
        runs = [asyncio.create_task(each.run()) for each in self._main]
        try:
            codes = await asyncio.gather(*runs)
        except asyncio.CancelledError:
            for run in runs:
                run.cancel()
            await asyncio.gather(*runs, return_exceptions=True)
            raise
        if self._stopping is None:
            self._phase = "Succeeded" if all(code == 0 for code in codes) else "Failed"
        self.publish()

    async def _network(self) -> None:
        """Wait until the data plane has written the pod's network file, as for a CNI plugin, without a time limit.

        Without that file, a process would use this machine's own network.
        """
        while self._wait_for_network and not self._paths.network.exists():  # noqa: ASYNC110 - files have no event
            await asyncio.sleep(0.02)

    async def _stop(self, grace_s: float) -> None:
        for each in self._main:
            each.state.ready = False
        self._say("Killing", f"Stopping container {self._main[0].state.name}")
        self.publish()
        await self._end_processes(grace_s)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        metadata = self._pod["metadata"]
        pod = self._store.get("pods", metadata["namespace"], metadata["name"])
        if pod is not None and pod["metadata"]["uid"] == self.uid and "deletionTimestamp" in pod["metadata"]:
            self._store.delete("pods", metadata["namespace"], metadata["name"])
        self._logs.forget(self.uid)
        release_pod_address(self.uid)
        await asyncio.to_thread(shutil.rmtree, self._paths.root, ignore_errors=True)
        self.done.set()

    async def _end_processes(self, grace_s: float) -> None:
        await asyncio.gather(*(each.stop(grace_s) for each in [*self._init, *self._main]))


def grace_of(pod: Obj) -> float:
    """The seconds that are left to a pod that is being deleted."""
    metadata = pod["metadata"]
    grace = float(metadata.get("deletionGracePeriodSeconds") or 0)
    began = datetime.fromisoformat(metadata["deletionTimestamp"])
    # Timestamps are whole seconds: a grace period that has just begun must not lose a second by rounding.
    passed = max((datetime.now(UTC) - began).total_seconds() - 1, 0)
    return max(grace - passed, 0.0)
