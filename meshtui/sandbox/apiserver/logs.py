"""Answers ``kubectl logs``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from meshtui.sandbox.apiserver.errors import ApiError
from meshtui.sandbox.apiserver.podlogs import LogReader, PodLogFiles
from meshtui.sandbox.apiserver.request import Ask, is_true
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.apiserver.streams import ByteStream, Streams
from meshtui.sandbox.ports import Obj

_TEXT = "text/plain"
_OVER = {"Succeeded", "Failed"}
_LOOK_S = 0.3
"""How often it is checked whether the pod of a silent log has ended, in seconds."""


def pod_log(store: Store, logs: PodLogFiles, streams: Streams, request: Request, ask: Ask) -> Response | ByteStream:
    """A container's log: whole, its end, or followed."""
    pod = store.require("pods", ask.namespace, ask.name)
    container = _container(pod, request.query_params.get("container", ""))
    uid = pod["metadata"]["uid"]
    if is_true(request, "previous"):
        lines = logs.previous(uid, container)
        if lines is None:
            message = f'previous terminated container "{container}" in pod "{ask.name}" not found'
            raise ApiError(400, message)
        return Response(b"".join(_selected(request, lines)), media_type=_TEXT)
    reader = logs.reader(uid, container)
    if reader is None:
        _demand_started(pod, container)
        if not is_true(request, "follow"):
            return Response(b"", media_type=_TEXT)
        logs.begin(uid, container)
        reader = logs.reader(uid, container)
        assert reader is not None  # noqa: S101 - begin() has just made it
    first = b"".join(_selected(request, list(reader.lines())))
    if not is_true(request, "follow"):
        return Response(first, media_type=_TEXT)

    def is_over() -> bool:
        now = store.get("pods", ask.namespace, ask.name)
        return now is None or now["metadata"]["uid"] != uid or (now.get("status") or {}).get("phase") in _OVER

    return streams.open(_follow(reader, first, is_over, stamps=is_true(request, "timestamps")), _TEXT)


async def _follow(reader: LogReader, first: bytes, is_over: Callable[[], bool], *, stamps: bool) -> AsyncIterator[bytes]:
    """New lines, until the log is removed, or its pod has ended and everything was read."""
    if first:
        yield first
    while True:
        over = is_over()
        chunk = b"".join(_plain(reader.lines(), stamps=stamps))
        if chunk:
            yield chunk
        if over:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                if not await reader.changed():
                    return


def _container(pod: Obj, asked: str) -> str:
    spec = pod["spec"]
    names = [c["name"] for c in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]]
    if asked:
        if asked not in names:
            raise ApiError(400, f"container {asked} is not valid for pod {pod['metadata']['name']}")
        return asked
    if len(spec.get("containers") or []) > 1:
        listed = " ".join(c["name"] for c in spec["containers"])
        raise ApiError(400, f"a container name must be specified for pod {pod['metadata']['name']}, choose one of: [{listed}]")
    return str(names[0])


def _demand_started(pod: Obj, container: str) -> None:
    """Raise the kubelet's error if the container has not started."""
    status = pod.get("status") or {}
    for found in [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]:
        waiting = (found.get("state") or {}).get("waiting")
        if found["name"] == container and waiting:
            why = waiting.get("reason") or "ContainerCreating"
            text = "trying and failing to pull image" if "Pull" in why else why
            name = pod["metadata"]["name"]
            raise ApiError(400, f'container "{container}" in pod "{name}" is waiting to start: {text}')


def _selected(request: Request, lines: list[bytes]) -> Iterator[bytes]:
    """The lines after ``sinceSeconds``/``sinceTime``, the last ``tailLines`` of them."""
    since = _since(request)
    if since is not None:
        text = since.strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
        lines = [line for line in lines if line[: len(text)] >= text]
    tail = request.query_params.get("tailLines", "")
    if tail.isdigit():
        lines = lines[len(lines) - min(int(tail), len(lines)) :]
    return _plain(lines, stamps=is_true(request, "timestamps"))


def _plain(lines: Iterable[bytes], *, stamps: bool) -> Iterator[bytes]:
    for line in lines:
        yield line if stamps else line.partition(b" ")[2]


def _since(request: Request) -> datetime | None:
    seconds, time = request.query_params.get("sinceSeconds", ""), request.query_params.get("sinceTime", "")
    if seconds.isdigit():
        return datetime.now(UTC) - timedelta(seconds=int(seconds))
    if not time:
        return None
    try:
        return datetime.fromisoformat(time).astimezone(UTC)
    except ValueError as error:
        raise ApiError(400, f"invalid sinceTime: {time}") from error
