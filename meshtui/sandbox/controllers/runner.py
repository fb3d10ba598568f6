"""Runs the controllers. Each reconciles everything whenever an object that it watches has changed."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from meshtui.sandbox.apiserver.errors import ApiError
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.controllers.daemonset import DaemonSetController
from meshtui.sandbox.controllers.deployment import DeploymentController
from meshtui.sandbox.controllers.endpointslice import EndpointSliceController
from meshtui.sandbox.controllers.gateway import GatewayController
from meshtui.sandbox.controllers.job import JobController
from meshtui.sandbox.controllers.namespace import NamespaceController
from meshtui.sandbox.controllers.policystatus import PolicyStatusController
from meshtui.sandbox.controllers.replicaset import ReplicaSetController
from meshtui.sandbox.controllers.scheduler import Scheduler
from meshtui.sandbox.controllers.serviceaccount import ServiceAccountController
from meshtui.sandbox.controllers.statefulset import StatefulSetController

_log = logging.getLogger(__name__)
_RESYNC_S = 1.0


class Controller(Protocol):
    """One controller. ``sync`` brings the cluster closer to the desired state, and is called again after changes."""

    @property
    def watches(self) -> tuple[str, ...]:
        """The plurals whose changes trigger ``sync``."""
        ...

    def sync(self) -> None:
        """Reconcile everything, without waiting."""
        ...


class Controllers:
    """All controllers of the sandbox, as tasks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tasks: list[asyncio.Task[None]] = []
        self._controllers: tuple[Controller, ...] = (
            NamespaceController(store),
            ServiceAccountController(store),
            Scheduler(store),
            DeploymentController(store),
            ReplicaSetController(store),
            StatefulSetController(store),
            DaemonSetController(store),
            JobController(store),
            EndpointSliceController(store),
            GatewayController(store),
            PolicyStatusController(store),
        )

    async def start(self) -> None:
        """Start all controllers."""
        self._store.deferred.add("namespaces")
        for controller in self._controllers:
            name = type(controller).__name__
            self._tasks.append(asyncio.create_task(self._run(controller), name=name))

    async def stop(self) -> None:
        """Stop all controllers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._store.deferred.discard("namespaces")

    async def _run(self, controller: Controller) -> None:
        subscription = self._store.subscribe(*controller.watches)
        while True:
            try:
                controller.sync()
            except ApiError as error:
                _log.warning("%s: %s", type(controller).__name__, error)
            except Exception:  # noqa: BLE001 - a controller with a bug must not silently stop: it says so and tries again
                _log.exception("%s", type(controller).__name__)
            await subscription.batch(_RESYNC_S)
            # Changes that happen together are handled together.
            await asyncio.sleep(0.005)
