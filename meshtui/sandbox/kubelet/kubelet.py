"""Watches the pods that have a node, and keeps a worker for each."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from meshtui.sandbox.apiserver.podlogs import PodLogFiles
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.kubelet.container import Machine
from meshtui.sandbox.kubelet.worker import PodWorker, grace_of
from meshtui.sandbox.ports import Images, Obj, PodPaths
from meshtui.sandbox.runtime import Runtime
from meshtui.sandbox.user import open_folder

_log = logging.getLogger(__name__)


def _ignore(_: int) -> None:
    """Does nothing, if nobody needs the pids of children."""


class Kubelet:
    """Runs the pods of all nodes as local processes.

    ``wait_for_network``: start a pod's first process only after the data plane has written its ``net.json``. ``on_child`` is
    called with the pid of each started process.
    """

    def __init__(
        self,
        store: Store,
        logs: PodLogFiles,
        run_dir: Path,
        images: Images,
        *,
        wait_for_network: bool = True,
        on_child: Callable[[int], None] = _ignore,
        runtime: Runtime | None = None,
    ) -> None:
        self._store = store
        self._pods = run_dir / "p"
        self._machine = Machine(store, logs, images, on_child, runtime or Runtime())
        self._wait_for_network = wait_for_network
        self._workers: dict[str, PodWorker] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def paths(self, uid: str) -> PodPaths:
        """The folder of a pod."""
        return PodPaths(self._pods / hashlib.blake2s(uid.encode(), digest_size=4).hexdigest())

    async def start(self) -> None:
        """Begin to run pods."""
        open_folder(self._pods, self._machine.runtime.user)
        self._store.deferred.add("pods")
        self._task = asyncio.create_task(self._follow(), name="kubelet")

    async def stop(self) -> None:
        """Stop every pod: SIGTERM, and SIGKILL after two seconds."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._store.deferred.discard("pods")
        workers = list(self._workers.values())
        for worker in workers:
            worker.begin_stop(2.0)
        await asyncio.gather(*(worker.done.wait() for worker in workers), *self._ending)
        self._workers.clear()

    async def _follow(self) -> None:
        subscription = self._store.subscribe("pods")
        for pod in self._store.list("pods"):
            self._see(pod)
        while True:
            for change in await subscription.batch():
                if change.type == "DELETED":
                    self._drop(change.entry.obj["metadata"]["uid"])
                else:
                    self._see(change.entry.obj)

    def _see(self, pod: Obj) -> None:
        metadata = pod["metadata"]
        current = self._store.get("pods", metadata["namespace"], metadata["name"])
        if current is None or current["metadata"]["uid"] != metadata["uid"] or not current["spec"].get("nodeName"):
            return
        worker = self._workers.get(metadata["uid"])
        if "deletionTimestamp" in current["metadata"]:
            self._stop(current, worker)
        elif worker is not None:
            worker.publish()
        else:
            self._start(current)

    def _start(self, pod: Obj) -> None:
        uid = pod["metadata"]["uid"]
        try:
            self._workers[uid] = PodWorker(
                self._machine,
                pod,
                self.paths(uid),
                wait_for_network=self._wait_for_network,
            )
        except OSError as error:
            _log.error("pod %s can't start: %s", pod["metadata"]["name"], error)
            status = (pod.get("status") or {}) | {"phase": "Failed", "reason": "NodeError", "message": str(error)}
            self._store.update("pods", pod | {"status": status}, "kubelet", subresource="status")

    def _stop(self, pod: Obj, worker: PodWorker | None) -> None:
        if worker is None:
            self._store.delete("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
        else:
            worker.begin_stop(grace_of(pod))

    def _drop(self, uid: str) -> None:
        worker = self._workers.pop(uid, None)
        if worker is not None and not worker.done.is_set():
            task = asyncio.create_task(worker.kill())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
