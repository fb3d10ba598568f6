"""Runs a plan. No other code starts pods. All objects that a run creates are removed, however it ends."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from meshtui.kinds import KINDS, Kind
from meshtui.logs.ztunnel import AccessLine
from meshtui.model.constants import PROXY_LAYERS
from meshtui.model.errors import ClusterError, ForbiddenError, MeshtuiError, NotFoundError
from meshtui.model.flow import Flow
from meshtui.model.membership import AMBIENT_REDIRECTION
from meshtui.model.observation import Observation, ProbePod
from meshtui.model.verdict import NOT_SETTLED, UNKNOWN, StepResult, Verdict
from meshtui.model.workload import Pod
from meshtui.probe import disturb, podspec
from meshtui.probe.capture import Tried
from meshtui.probe.classify import classify, is_last_line, parse_attempt
from meshtui.probe.disturb import Selecting, selecting_of
from meshtui.probe.evidence import Evidence
from meshtui.probe.plan import Batch, Plan, Target
from meshtui.probe.protocols import PROTOCOLS, Attempt
from meshtui.sources.kubernetes.api import Api, NotServedError, segment
from meshtui.sources.kubernetes.listing import read_all, read_object
from meshtui.sources.kubernetes.writes import Access, Confirmation, Writes

if TYPE_CHECKING:
    from meshtui.settings import Settings

_POLL_S = 0.25
_FRESH_S = 1.0
_PULL_FAILURES = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_START_FAILURES = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}

_GONE = "the probe pod was evicted or deleted before it was done"

Progress = Callable[[Observation], None]
Answered = Callable[[Flow], None]


def _nobody(_: Flow) -> None:
    """What is called with a flow's answer where nobody asks."""


def needed(plan: Plan) -> list[Access]:
    """The permissions that a plan needs, by namespace.

    They include listing everything that selects pods: an object that isn't visible could adopt a probe, or send traffic to it.
    """
    return [
        access
        for namespace in plan.namespaces
        for access in (
            Access("create", "jobs", "batch", namespace),
            Access("delete", "jobs", "batch", namespace),
            Access("create", "pods", "", namespace),
            Access("get", "pods", "", namespace),
            Access("delete", "pods", "", namespace),
            Access("get", "pods", "", namespace, "log"),
            Access("list", "poddisruptionbudgets", "policy", namespace),
            Access("list", "replicasets", "apps", namespace),
            Access("list", "daemonsets", "apps", namespace),
            Access("list", "replicationcontrollers", "", namespace),
            Access("list", "jobs", "batch", namespace),
            Access("list", "services", "", namespace),
        )
    ]


async def check_access(plan: Plan, writes: Writes) -> None:
    """Check the permissions before the start. Raises ForbiddenError that names the first missing one."""
    wanted = needed(plan)
    answers = await asyncio.gather(*(writes.allowed(access) for access in wanted))
    for access, (allowed, reason) in zip(wanted, answers, strict=True):
        if not allowed:
            raise ForbiddenError(access.verb, access.resource, f"a probe needs: {access}{' — ' + reason if reason else ''}")


class Launcher:
    """One run of a plan on one cluster. ``progress`` is called with each Observation as soon as it is settled.

    ``answered`` is called with a flow once its last attempt is known: the Observation follows when its pod has ended, with what
    the ztunnels logged.
    """

    def __init__(self, api: Api, writes: Writes, settings: Settings, progress: Progress, answered: Answered = _nobody) -> None:
        self._api = api
        self._writes = writes
        self._settings = settings
        self._progress = progress
        self._answered = answered
        self._slots = asyncio.Semaphore(settings.probe.max_pods)
        self._made: list[tuple[str, str]] = []
        self._looks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._selecting: dict[str, tuple[float, Selecting]] = {}
        self.run_id = secrets.token_hex(4)
        self.tried: dict[str, Tried] = {}
        """Every attempt by the target's id, for those who read more in it than an outcome."""

    async def run(self, plan: Plan, confirmation: Confirmation, gateway_urls: list[str]) -> list[Observation]:
        """Run the whole plan and return all Observations, including those of refused flows (outcome unknown).

        Raises ReadOnlyError before anything is sent; ForbiddenError if a verb is missing, before anything is created;
        ClusterError.
        """
        self._writes.permit(confirmation)
        observations = [self._tell(_refused(r.flow, r.predicted, r.reason)) for r in plan.refused]
        if plan.batches:
            await check_access(plan, self._writes)
        evidence = Evidence(self._api, plan.ztunnels_in)
        try:
            owners = {namespace: await self._owner(namespace, confirmation) for namespace in plan.namespaces}
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(self._batch(number, batch, owners[batch.namespace], confirmation, evidence))
                    for number, batch in enumerate(plan.batches)
                ]
                outside = [tasks.create_task(self._external(target, gateway_urls)) for target in plan.external]
        except BaseExceptionGroup as group:
            raise _first(group) from group
        finally:
            await asyncio.shield(asyncio.ensure_future(self._remove(confirmation)))
        for task in running:
            observations += task.result()
        return observations + [task.result() for task in outside]

    def _tell(self, observation: Observation) -> Observation:
        self._progress(observation)
        return observation

    async def _owner(self, namespace: str, confirmation: Confirmation) -> str:
        body = podspec.job(self.run_id, namespace, self._settings.probe, datetime.now(UTC))
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        uid = str((await self._writes.create(path, body, confirmation))["metadata"]["uid"])
        self._made.append((f"{path}/{body['metadata']['name']}", uid))
        return uid

    async def _batch(
        self, number: int, batch: Batch, owner_uid: str, confirmation: Confirmation, evidence: Evidence
    ) -> list[Observation]:
        """Run one pod, from its creation to its removal."""
        async with self._slots:
            started = datetime.now(UTC)
            try:
                batch = await self._checked_again(batch)
            except ClusterError as error:
                return [self._tell(_refused(t.flow, t.predicted, error.message)) for t in batch.targets]
            body = podspec.pod(self.run_id, number, batch, owner_uid, self._settings.probe, started)
            path = f"/api/v1/namespaces/{batch.namespace}/pods"
            try:
                created = await self._writes.create(path, body, confirmation)
            except ClusterError as error:
                return [self._tell(_refused(t.flow, t.predicted, error.message)) for t in batch.targets]
            name, uid = body["metadata"]["name"], str(created["metadata"]["uid"])
            self._made.append((f"{path}/{name}", uid))
            who = ProbePod(batch.namespace, name, batch.service_account)
            try:
                async with asyncio.timeout(self._settings.probe.deadline_s + 10):
                    pod = await self._started(f"{path}/{name}")
                    return await self._read(pod, batch, who, evidence, started)
            except NotFoundError:
                reason = _GONE
            except TimeoutError:
                reason = f"the probe pod did not finish within {self._settings.probe.deadline_s} s"
            except ClusterError as error:
                reason = error.message
            finally:
                await asyncio.shield(asyncio.ensure_future(self._delete(f"{path}/{name}", uid, confirmation)))
            return [self._tell(_failed(t, who, reason)) for t in batch.targets]

    async def _checked_again(self, batch: Batch) -> Batch:
        """The batch, after a check against everything that selects pods now: the plan's Snapshot may be minutes old.

        Raises ClusterError if something would be disturbed, or if that can't be determined.
        """
        selecting, final = await self._selecting_in(batch.namespace), batch.final_labels(self.run_id)
        reason = disturb.harm(selecting, final)
        if reason:
            raise ClusterError(f"not probed: {reason}")
        return replace(batch, controlled=bool(disturb.adopters(selecting.controllers, final)))

    async def _selecting_in(self, namespace: str) -> Selecting:
        """Everything that selects pods in a namespace, at most ``_FRESH_S`` old.

        Pods that are created together share one request.
        """
        async with self._looks[namespace]:
            listed_at, selecting = self._selecting.get(namespace, (-_FRESH_S, Selecting()))
            if time.monotonic() - listed_at < _FRESH_S:
                return selecting
            began = time.monotonic()
            listed = await asyncio.gather(*(self._list(KINDS[name], namespace) for name in disturb.KINDS))
            selecting = selecting_of(obj for objects in listed for obj in objects)
            self._selecting[namespace] = (began, selecting)
            return selecting

    async def _list(self, kind: Kind, namespace: str) -> list[Any]:
        """All objects of a kind in a namespace; empty if the kind isn't installed. Raises ClusterError."""
        try:
            return await read_all(self._api, kind, kind.path_in(kind.versions[0], segment(namespace)))
        except NotServedError:
            if kind.optional:
                return []
            raise

    async def _get(self, path: str) -> Pod:
        pod: Pod = await read_object(self._api, KINDS["Pod"], path)
        return pod

    async def _started(self, path: str) -> Pod:
        """Wait until the container runs or has ended. Raises ClusterError if it can't start."""
        while True:
            pod = await self._get(path)
            if pod.phase in {"Running", "Succeeded"} or (pod.phase == "Failed" and pod.status != "Evicted"):
                return pod
            if pod.status in _PULL_FAILURES:
                raise ClusterError(f"{pod.status}: the node can't pull {', '.join(pod.images)}; --probe-image names another")
            if pod.status in _START_FAILURES or pod.phase == "Failed":
                raise ClusterError(f"the probe pod could not run: {pod.status}")
            await asyncio.sleep(_POLL_S)

    async def _read(self, pod: Pod, batch: Batch, who: ProbePod, evidence: Evidence, started: datetime) -> list[Observation]:
        """Follow the pod's output, tell of each flow that has its last attempt, and report all when the pod has ended."""
        attempts: dict[str, list[Attempt]] = {target.id: [] for target in batch.targets}
        waiting = {target.id: target.flow for target in batch.targets}
        ended = ""
        path = f"/api/v1/namespaces/{batch.namespace}/pods/{who.name}"
        try:
            while not await self._follow(path, attempts, waiting):
                pod = await self._get(path)
                if pod.phase in {"Succeeded", "Failed"}:
                    ended = _GONE if pod.status == "Evicted" else ""
                    break
                await asyncio.sleep(_POLL_S)
            else:
                pod = await self._get(path)
        except NotFoundError:
            ended = _GONE
        enabled = pod.meta.annotations.get(AMBIENT_REDIRECTION) == "enabled"
        self.tried |= {number: Tried(tuple(seen), enabled) for number, seen in attempts.items()}
        captured = not batch.ambient or enabled
        lines, alone = await evidence.about(pod, started), len(batch.targets) == 1
        return [
            self._tell(_observed(target, attempts[target.id], who, lines, captured=captured, ended=ended, alone=alone))
            for target in batch.targets
        ]

    async def _follow(self, path: str, attempts: dict[str, list[Attempt]], waiting: dict[str, Flow]) -> bool:
        """Read the pod's output from its beginning while the stream lasts. Returns whether its last line was read.

        Flows with their last attempt are taken from ``waiting``.
        """
        for seen in attempts.values():
            seen.clear()
        params = {"follow": "true"}
        async with self._api.stream(f"{path}/log", params, read_timeout_s=self._settings.probe.deadline_s) as response:
            async for line in response.aiter_lines():
                attempt = parse_attempt(line)
                if attempt is not None and attempt.id in attempts:
                    attempts[attempt.id].append(attempt)
                    if attempt.id in waiting and podspec.is_last_attempt(attempts[attempt.id]):
                        self._answered(waiting.pop(attempt.id))
                if is_last_line(line):
                    return True
        return False

    async def _external(self, target: Target, urls: list[str]) -> Observation:
        """Send a flow from outside: meshtui itself connects to the gateway's address."""
        import httpx

        if not urls:
            return self._tell(_refused(target.flow, target.predicted, "no address of a gateway is known: set checkout.gateway"))
        request, timeout_s = target.request, self._settings.probe.attempt_timeout_s
        began = time.perf_counter()
        asked = target.flow.http.host if target.flow.http else ""
        headers = {"Host": asked or self._settings.checkout.host, **dict(request.headers)}
        problem = ""
        async with httpx.AsyncClient(timeout=timeout_s, trust_env=False) as client:
            for url in urls:
                try:
                    response = await client.request(request.method, f"{url}{request.path}", headers=headers)
                except httpx.HTTPError as error:
                    problem = f"{url}: {error or type(error).__name__}"
                    continue
                proxied = "x-envoy-upstream-service-time" not in response.headers
                return self._tell(
                    Observation(
                        target.flow,
                        f"http_{response.status_code}",
                        target.predicted,
                        http_status=response.status_code,
                        total_ms=(time.perf_counter() - began) * 1000,
                        bytes_received=len(response.content),
                        from_proxy=proxied,
                        at=datetime.now(UTC),
                    )
                )
        return self._tell(_refused(target.flow, target.predicted, problem))

    async def _delete(self, path: str, uid: str, confirmation: Confirmation) -> None:
        """Remove one pod. If that fails, what was observed still counts, and ``_remove`` tries again."""
        try:
            await self._writes.delete(path, uid, confirmation, grace_s=0)
        except ClusterError:
            return
        self._made = [(p, u) for p, u in self._made if u != uid]

    async def _remove(self, confirmation: Confirmation) -> None:
        """Remove all remaining objects of this run. If that fails, the cluster removes them by the Job's TTL."""
        for path, uid in reversed(self._made):
            try:
                await self._writes.delete(path, uid, confirmation, grace_s=0)
            except ClusterError:
                continue
        self._made.clear()


def _early(line: AccessLine, target: Target, *, alone: bool) -> bool:
    """Whether a line is about this flow though it failed before the application's port was known."""
    return line.before_the_tunnel and (alone or line.destination.address == target.address)


def _observed(
    target: Target,
    attempts: list[Attempt],
    who: ProbePod,
    lines: list[AccessLine],
    *,
    captured: bool,
    ended: str = "",
    alone: bool = True,
) -> Observation:
    """A flow's Observation from its attempts and the ztunnels' lines.

    ``ended`` is why the pod was ended early, or empty; ``alone``: the pod probes nothing else.
    """
    seen = classify(attempts, target.protocol)
    attempt = seen.attempt
    ports = {target.port, *target.backend_ports}
    outcome, detail = seen.outcome, seen.detail
    if ended and not seen.settled:
        detail = ended
    if not captured:
        outcome, detail = NOT_SETTLED, "the mesh has not captured the probe pod: this is not what its workload would see"
    return Observation(
        flow=target.flow,
        outcome=outcome,
        predicted=target.predicted,
        http_status=attempt.status if attempt and PROTOCOLS[target.protocol].has_status else None,
        connect_ms=attempt.connect_s * 1000 if attempt and attempt.connect_s else None,
        total_ms=attempt.total_s * 1000 if attempt else None,
        bytes_received=attempt.bytes_received if attempt else 0,
        evidence=tuple(line.raw for line in lines if line.port in ports or _early(line, target, alone=alone))[-4:],
        pod=who,
        detail=detail,
        from_proxy=_from_proxy(target, attempt),
        at=datetime.now(UTC),
    )


def _from_proxy(target: Target, attempt: Attempt | None) -> bool:
    """Whether a proxy on the way answered itself.

    Envoy sets itself as the server; if it forwards an application's answer, it adds the upstream's time (Envoy: router filter,
    response headers).
    """
    on_the_way = any(step.layer in PROXY_LAYERS and step.result is not StepResult.SKIP for step in target.predicted.steps)
    return on_the_way and attempt is not None and "envoy" in attempt.server.lower() and not attempt.upstream


def _refused(flow: Flow, predicted: Verdict, reason: str) -> Observation:
    """The Observation of a flow that wasn't sent."""
    return Observation(flow, UNKNOWN, predicted, detail=reason, at=datetime.now(UTC))


def _failed(target: Target, who: ProbePod, reason: str) -> Observation:
    """The Observation of a flow whose pod failed."""
    return Observation(target.flow, NOT_SETTLED, target.predicted, pod=who, detail=reason, at=datetime.now(UTC))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Of several errors, the first that a person can resolve, else the first."""
    flat: list[BaseException] = []
    pending: list[BaseException] = [group]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending += error.exceptions
        else:
            flat.append(error)
    return next((error for error in flat if isinstance(error, MeshtuiError)), flat[0])
