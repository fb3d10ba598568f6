"""One look at the mesh's own state: each node's ztunnel, and what istiod has sent to it. Nothing is changed.

What isn't allowed is said in ``missing``, and the rest is read. A node that can't be read has ``problems``, and ends nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from meshtui.kinds import KINDS
from meshtui.model.errors import ForbiddenError, MeshtuiError
from meshtui.model.redact import redact
from meshtui.model.workload import Pod
from meshtui.model.ztunnels import SYSTEM, is_ztunnel
from meshtui.sources.kubernetes.api import AnswerError, Api, segment
from meshtui.sources.kubernetes.bounded import ConnectionLostError, NonsenseError
from meshtui.sources.kubernetes.forward import config_dump, syncz
from meshtui.sources.kubernetes.in_flight import InFlight
from meshtui.sources.kubernetes.interrupt import in_thread
from meshtui.sources.kubernetes.limits import BODY_BYTES, DUMPS_IN_FLIGHT_BYTES, MESSAGE_CHARS, METRICS_LINES, size
from meshtui.sources.kubernetes.listing import read_list
from meshtui.sources.kubernetes.mesh_rights import SENT, Rights, rights
from meshtui.ztunnel.dump import NodeDump
from meshtui.ztunnel.look import MeshLook, Metrics, NodeLook, Readiness, Synced
from meshtui.ztunnel.metrics import is_wanted, read_metrics
from meshtui.ztunnel.readiness import read_readiness
from meshtui.ztunnel.reading import Shared, read_dump
from meshtui.ztunnel.syncz import read_syncz

NODES_AT_ONCE = 6
"""Nodes that are read at the same time."""
_STATS, _READINESS = 15020, 15021
_ZTUNNEL, _ISTIOD = "ztunnel", "istiod"
_CONTROL_PLANE = "istio-system"
_VERSION_LABEL = "app.kubernetes.io/version"
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?(?:-(?:alpha|beta|rc|dev)[.\w]*)?")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

Progress = Callable[[int, int], None]
"""Called with how many nodes were read, and how many there are."""
T = TypeVar("T")


async def look_at_mesh(
    api: Api,
    pods: Iterable[Pod] | None = None,
    *,
    namespaces: Collection[str] = SYSTEM,
    nodes: Collection[str] | None = None,
    progress: Progress | None = None,
) -> MeshLook:
    """Look at the ztunnels of all nodes, or of ``nodes``, and ask each istiod what it has sent to them.

    ``pods`` are those of a Snapshot, of which the mesh's own are picked; None: they are listed. ``namespaces`` are those in
    which a pod may be a ztunnel (``Snapshot.ztunnel_namespaces``). Raises no error of the cluster.
    """
    at, missing = datetime.now(UTC), list[str]()
    found = await _listed(api, missing) if pods is None else list(pods)
    ztunnels = _one_for_each_node(pod for pod in found if is_ztunnel(pod, namespaces))
    istiods = sorted((pod for pod in found if _is_running_istiod(pod)), key=lambda pod: pod.key)
    if not ztunnels and not missing:
        missing.append("no ztunnel pod (label app=ztunnel) is in the mesh's namespaces")
    wanted = sorted(ztunnels if nodes is None else set(nodes))
    asked = [ztunnels[node] for node in wanted if node in ztunnels]
    may = await rights(api, (pod.namespace for pod in asked), (pod.namespace for pod in istiods))
    missing += may.missing
    reader = _Reader(api, may, progress or (lambda _done, _all: None), len(wanted))
    async with asyncio.TaskGroup() as tasks:
        looks = [tasks.create_task(reader.look(node, ztunnels.get(node))) for node in wanted]
        synced = tasks.create_task(_synced(api, may, istiods, missing))
    versions = sorted({version for pod in istiods if (version := _version(pod))})
    return MeshLook(at, tuple(look.result() for look in looks), synced.result(), tuple(versions), tuple(missing))


async def _listed(api: Api, missing: list[str]) -> list[Pod]:
    """The pods of the mesh in all namespaces or, if these may not be listed, in that of the control plane."""
    kind, selected = KINDS["Pod"], {"labelSelector": f"app in ({_ZTUNNEL},{_ISTIOD})"}
    try:
        return await read_list(api, kind, selected)
    except ForbiddenError:
        pass
    except MeshtuiError as error:
        missing.append(f"the ztunnels can't be found: {error}")
        return []
    try:
        found = await read_list(api, kind, selected, _CONTROL_PLANE)
    except ForbiddenError:
        missing.append("the ztunnels can't be found: missing verb: list pods")
        return []
    except MeshtuiError as error:
        missing.append(f"the ztunnels can't be found: {error}")
        return []
    missing.append(f"ztunnels and istiods outside of namespace {_CONTROL_PLANE}: missing verb: list pods")
    return found


def _one_for_each_node(ztunnels: Iterable[Pod]) -> dict[str, Pod]:
    """The ztunnel of each node: while two of them change places, the newest one that is ready."""
    found: dict[str, Pod] = {}
    for pod in ztunnels:
        if pod.node and not pod.completed and not pod.derived:
            found[pod.node] = max(found.get(pod.node, pod), pod, key=_preference)
    return found


def _preference(pod: Pod) -> tuple[bool, bool, datetime]:
    return pod.ready, not pod.deleting, pod.meta.created or _LONG_AGO


def _is_running_istiod(pod: Pod) -> bool:
    return pod.labels.get("app") == _ISTIOD and pod.phase == "Running" and not pod.derived


def _version(istiod: Pod) -> str:
    """The version in the tag of an istiod's image, else that of its label."""
    for text in (*(_tag(image) for image in istiod.images), istiod.labels.get(_VERSION_LABEL, "")):
        found = _VERSION.match(text)
        if found:
            return found[0]
    return ""


def _tag(image: str) -> str:
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]


class _Reader:
    """Reads nodes, some at a time, and keeps what their dumps have in common once."""

    def __init__(self, api: Api, may: Rights, progress: Progress, count: int) -> None:
        self._api = api
        self._may = may
        self._progress = progress
        self._count = count
        self._done = 0
        self._turn = asyncio.Semaphore(NODES_AT_ONCE)
        self._room = InFlight(DUMPS_IN_FLIGHT_BYTES)
        self._decoding = asyncio.Lock()
        self._shared = Shared()

    async def look(self, node: str, pod: Pod | None) -> NodeLook:
        """One node, whatever happens."""
        if pod is None:
            look = NodeLook(node, problems=("no ztunnel pod is on this node",))
        else:
            async with self._turn:
                look = await self._look(node, pod)
        self._done += 1
        self._progress(self._done, self._count)
        return look

    async def _look(self, node: str, pod: Pod) -> NodeLook:
        problems: list[str] = []
        forward, proxy = pod.namespace in self._may.forward, pod.namespace in self._may.proxy
        dump, metrics, readiness = await asyncio.gather(
            _unless_it_fails(self._dump(pod), "config dump", problems) if forward else _nothing(),
            _unless_it_fails(_metrics(self._api, pod), "metrics", problems) if proxy else _nothing(),
            _unless_it_fails(_readiness(self._api, pod), "readiness", problems) if proxy else _nothing(),
        )
        at, content = dump or (datetime.now(UTC), None)
        image = pod.images[0] if pod.images else ""
        return NodeLook(node, pod.key, image, at, content, metrics, readiness, problems=tuple(sorted(problems)))

    async def _dump(self, pod: Pod) -> tuple[datetime, NodeDump]:
        async with self._room.reader() as make_room:
            raw = await config_dump(self._api, pod, make_room)
            at = datetime.now(UTC)
            async with self._decoding:
                return at, await in_thread(partial(read_dump, raw, self._shared))


async def _metrics(api: Api, pod: Pod) -> Metrics:
    """A few numbers; the lines of other metrics are dropped as they come."""
    lines, received, limit_s = list[str](), 0, api.timeouts.request_s
    async with _within(limit_s), api.stream(f"{_proxied(pod, _STATS)}/metrics", {}) as response:
        async for line in response.aiter_lines():
            received += len(line) + 1
            if received > BODY_BYTES:
                raise NonsenseError(f"they have more than {size(BODY_BYTES)}")
            if is_wanted(line):
                lines.append(line)
                if len(lines) > METRICS_LINES:
                    raise NonsenseError(f"the wanted ones have more than {METRICS_LINES:,} lines")
    return read_metrics(lines)


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise ConnectionLostError(f"they took longer than {seconds:g} s", "--request-timeout waits longer") from error


async def _readiness(api: Api, pod: Pod) -> Readiness:
    try:
        status, text = 200, (await api.get(f"{_proxied(pod, _READINESS)}/healthz/ready")).decode(errors="replace")
    except AnswerError as error:
        status, text = error.code, error.said
        if read_readiness(status, text) is None:
            raise
    found = read_readiness(status, text)
    if found is None:
        raise NonsenseError("this isn't the answer of a ztunnel")
    return found


def _proxied(pod: Pod, port: int) -> str:
    return f"/api/v1/namespaces/{segment(pod.namespace)}/pods/{segment(pod.name)}:{port}/proxy"


async def _synced(api: Api, may: Rights, istiods: Collection[Pod], missing: list[str]) -> tuple[Synced, ...] | None:
    """What all istiods say together; None if none could be asked. What fails is added to ``missing``."""
    if not istiods:
        missing.append(f"{SENT}: no istiod pod (label app=istiod) is there")
    problems: list[str] = []
    allowed = [pod for pod in istiods if pod.namespace in may.forward]
    turn = asyncio.Semaphore(NODES_AT_ONCE)
    said = await asyncio.gather(
        *(_unless_it_fails(_synced_by(api, pod, turn), f"{SENT}: {pod.key}", problems) for pod in allowed)
    )
    missing += sorted(problems)
    answers = [each for each in said if each is not None]
    return tuple(each for answer in answers for each in answer) if answers else None


async def _synced_by(api: Api, istiod: Pod, turn: asyncio.Semaphore) -> tuple[Synced, ...]:
    async with turn:
        return read_syncz(bytes(await syncz(api, istiod)), istiod.key)


async def _nothing() -> None:
    """What may not be asked."""


async def _unless_it_fails(work: Awaitable[T], what: str, problems: list[str]) -> T | None:
    """The result, or None with the reason in ``problems``."""
    try:
        return await work
    except MeshtuiError as error:
        said = str(error)
    except Exception as error:  # noqa: BLE001  (one node that says something unheard of must not end the look)
        said = f"an error in meshtui: {type(error).__name__}: {error}"
    problems.append(redact(f"{what}: {' '.join(said.split())}")[:MESSAGE_CHARS])
    return None
