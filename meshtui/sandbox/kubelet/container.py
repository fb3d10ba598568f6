"""The lifecycle of one container: its image is looked up, its process started, probed, and restarted by the pod's policy."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from meshtui.sandbox.apiserver.podlogs import PodLogFiles
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.kubelet import environment, probes
from meshtui.sandbox.kubelet.process import ContainerProcess
from meshtui.sandbox.kubelet.state import ContainerState, running, terminated, waiting
from meshtui.sandbox.ports import Image, Images, Obj, PodPaths
from meshtui.sandbox.runtime import Runtime

_BACKOFF_FIRST_S = 0.5
_BACKOFF_MOST_S = 15.0
_STABLE_S = 30.0
_PULL_BACKOFF_S = 2.0
_LONGEST_REASON = 1024


@dataclass(frozen=True, slots=True)
class Machine:
    """Properties that all pods share. ``on_child`` is called with the pid of each started process."""

    store: Store
    logs: PodLogFiles
    images: Images
    on_child: Callable[[int], None]
    runtime: Runtime


@dataclass(frozen=True, slots=True)
class PodContext:
    """Properties that the containers of one pod share."""

    machine: Machine
    pod: Obj
    paths: PodPaths
    address: str
    changed: Callable[[], None]
    say: Callable[..., None]

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return str(self.pod["metadata"]["uid"])


class Container:
    """Runs one container until it has ended for good (``run`` returns), or is stopped."""

    def __init__(self, context: PodContext, spec: Obj, *, restart_policy: str) -> None:
        self.spec = spec
        self.state = ContainerState(spec["name"], spec["image"])
        self._context = context
        self._restart_policy = restart_policy
        self._process: ContainerProcess | None = None
        self._stopped = asyncio.Event()
        self._problem = ""
        self._last_line = ""

    async def run(self) -> int:
        """Run the container, with restarts.

        Returns the exit code of the last run; never returns for a service that keeps running.
        """
        image = await self._pull()
        backoff_s = _BACKOFF_FIRST_S
        while True:
            began = time.monotonic()
            code = await self._run_once(image)
            if self._stopped.is_set() or not self._again(code):
                return code
            backoff_s = _BACKOFF_FIRST_S if time.monotonic() - began > _STABLE_S else backoff_s
            await self._back_off(backoff_s)
            if self._stopped.is_set():
                return code
            backoff_s = min(backoff_s * 2, _BACKOFF_MOST_S)

    async def stop(self, grace_s: float) -> None:
        """End the process and don't start another."""
        self._stopped.set()
        if self._process is not None:
            await self._process.stop(grace_s)

    def _again(self, code: int) -> bool:
        return self._restart_policy == "Always" or (self._restart_policy == "OnFailure" and code != 0)

    async def _pull(self) -> Image:
        """The image. With an unknown one the pod waits, as for a registry that doesn't have it."""
        name = self.spec["image"]
        image = self._context.machine.images(name)
        if image is not None:
            message = f'Container image "{name}" already present on machine'
            self._context.say("Pulled", message, self.state.name)
            return image
        message = f'Failed to pull image "{name}": the sandbox knows no such image'
        while True:
            self._context.say("Failed", message, self.state.name, warning=True)
            self._context.say("Failed", "Error: ErrImagePull", self.state.name, warning=True)
            self._set(waiting("ErrImagePull", message))
            await asyncio.sleep(_PULL_BACKOFF_S)
            self._context.say("BackOff", f'Back-off pulling image "{name}"', self.state.name)
            self._set(waiting("ImagePullBackOff", f'Back-off pulling image "{name}"'))
            await asyncio.Event().wait()

    async def _run_once(self, image: Image) -> int:
        state = self.state
        state.container_id = f"sandbox://{uuid.uuid4().hex}"
        if image.idle:
            state.started = state.ready = True
            self._set(running())
            self._context.say("Started", f"Started container {state.name}", state.name)
            await asyncio.Event().wait()
        try:
            process = await self._start(image)
        except (environment.ConfigError, OSError) as error:
            self._context.say("Failed", f"Error: {error}", state.name, warning=True)
            self._set(terminated(state.state, 128, state.container_id, "StartError", str(error)))
            return 128
        self._process = process
        self._context.machine.on_child(process.pid)
        self._set(running())
        self._context.say("Started", f"Started container {state.name}", state.name)
        prober = asyncio.create_task(self._probe())
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            await process.stop(0)
            state.state = terminated(state.state, 137, state.container_id)
            raise
        finally:
            prober.cancel()
            state.ready = state.started = False
            self._process = None
        # As with terminationMessagePolicy FallbackToLogsOnError: who reads the status sees why.
        self._set(terminated(state.state, code, state.container_id, message=self._last_line if code else ""))
        return code

    async def _start(self, image: Image) -> ContainerProcess:
        context, spec = self._context, self.spec
        logs = context.machine.logs
        env = environment.build(context.machine.store, context.pod, spec, image, context.paths, context.address)
        command = environment.command_of(spec, image, env)
        logs.rotate(context.uid, self.state.name)

        self._last_line = ""

        def line(text: str) -> None:
            if text.strip():
                self._last_line = text.strip()[:_LONGEST_REASON]
            logs.append(context.uid, text, self.state.name)

        context.say("Created", f"Created container: {self.state.name}", self.state.name)
        return await ContainerProcess.start(command, env, context.paths.root / "home", line, context.machine.runtime)

    async def _probe(self) -> None:
        """Run the startup probe first; then readiness and liveness probes concurrently."""
        await self._started()
        self.state.started = True
        self._context.changed()
        watched = []
        if readiness := probes.read(self.spec, "readinessProbe"):
            watched.append(probes.watch(readiness, self._context.paths, self._on_readiness))
        else:
            self._on_readiness(True, "")
        if liveness := probes.read(self.spec, "livenessProbe"):
            watched.append(probes.watch(liveness, self._context.paths, self._killer("Liveness", liveness.failures)))
        await asyncio.gather(*watched)

    async def _started(self) -> None:
        startup = probes.read(self.spec, "startupProbe")
        if startup is None:
            return
        started = asyncio.Event()
        kill = self._killer("Startup", startup.failures)

        def on_change(good: bool, problem: str) -> None:
            if good:
                started.set()
            else:
                kill(good, problem)

        watching = asyncio.create_task(probes.watch(startup, self._context.paths, on_change))
        try:
            await started.wait()
        finally:
            watching.cancel()

    def _on_readiness(self, good: bool, problem: str) -> None:
        if problem and problem != self._problem:
            self._context.say("Unhealthy", f"Readiness probe failed: {problem}", self.state.name, warning=True)
        self._problem = problem
        if self.state.ready != good:
            self.state.ready = good
            self._context.changed()

    def _killer(self, what: str, patience: int) -> Callable[[bool, str], None]:
        """The handler of a startup or liveness probe, which ends the container after too many consecutive failures."""
        seen = 0

        def on_change(good: bool, problem: str) -> None:
            nonlocal seen
            seen = 0 if good else seen + 1
            if problem:
                self._context.say("Unhealthy", f"{what} probe failed: {problem}", self.state.name, warning=True)
            if seen > patience and self._process is not None:
                self._context.say("Killing", f"Container {self.state.name} failed {what.lower()} probe", self.state.name)
                self._process.signal(signal.SIGTERM)

        return on_change

    async def _back_off(self, delay_s: float) -> None:
        state = self.state
        state.last, state.restarts = dict(state.state), state.restarts + 1
        name = self._context.pod["metadata"]["name"]
        message = f"Back-off restarting failed container {state.name} in pod {name}"
        if state.exit_code:
            why = f": {self._last_line}" if self._last_line else ""
            self._context.say("BackOff", f"{message}{why}", state.name, warning=True)
            self._set(waiting("CrashLoopBackOff", f"back-off {delay_s:g}s restarting failed container={state.name}{why}"))
        else:
            self._context.changed()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._stopped.wait()

    def _set(self, state: dict[str, object]) -> None:
        self.state.state = state
        self._context.changed()
