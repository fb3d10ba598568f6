"""Reads a pod's log through the API: lines end at newlines only, and reading continues where it was interrupted."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from meshtui.model.errors import ClusterError
from meshtui.model.workload import Pod
from meshtui.sources.kubernetes.api import Api, segment
from meshtui.sources.kubernetes.limits import LOG_LINE_BYTES
from meshtui.sources.ports import Source

CONTAINER = "istio-proxy"
"""The proxy's container in ztunnel, waypoint and gateway pods (istio.io, installation)."""
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) ")
_SILENCE_S = 86400.0


@dataclass(slots=True)
class Position:
    """How far a log has been read: the timestamp of the last line, and how many lines had it.

    After an interruption the log is requested from the second of the last line; lines that were read before are skipped.
    """

    since_s: int
    tail: int
    stamp: bytes = b""
    same: int = 0
    unstamped: int = 0
    """For a source that isn't an API server, and has no timestamps: how many lines were read."""
    _skip: int = 0

    def params(self, *, follow: bool) -> dict[str, str]:
        """The query parameters for the API server (Kubernetes API, PodLogOptions)."""
        asked = {"timestamps": "true"} | ({"follow": "true"} if follow else {})
        self._skip = self.same
        if self.stamp:
            return asked | {"sinceTime": self.stamp.decode()}
        return asked | {"sinceSeconds": str(max(1, self.since_s)), "tailLines": str(self.tail)}

    def fresh(self, raw: bytes) -> bytes | None:
        """The line without its timestamp, or None if it was read before."""
        found = _STAMP.match(raw)
        if found is None:
            return raw
        stamp = found[1]
        if stamp < self.stamp:
            return None
        if stamp == self.stamp:
            if self._skip:
                self._skip -= 1
                return None
            self.same += 1
        else:
            self.stamp, self.same, self._skip = stamp, 1, 0
        return raw[found.end() :]


ReadLog = Callable[[Pod, Position, bool], AsyncIterator[list[bytes]]]
"""Reads a pod's log from a position, following it or not, and yields lists of lines. Raises ClusterError."""


def log_reader(source: Source) -> ReadLog:
    """A function that reads the logs of a source's pods, from its API server or through the source."""

    async def read(pod: Pod, position: Position, follow: bool) -> AsyncIterator[list[bytes]]:
        if source.api is None:
            number = 0
            yield []
            async for line in source.pod_logs(pod.namespace, pod.name, tail=position.tail, follow=follow):
                number += 1
                if number > position.unstamped:
                    position.unstamped = number
                    yield [line.encode()]
            return
        params = position.params(follow=follow)
        try:
            async for lines in _lines(source.api, pod, params, follow=follow):
                yield lines
        except ClusterError as error:
            if "a container name must be specified" not in error.message:
                raise
            async for lines in _lines(source.api, pod, params | {"container": CONTAINER}, follow=follow):
                yield lines

    return read


async def _lines(api: Api, pod: Pod, params: dict[str, str], *, follow: bool) -> AsyncIterator[list[bytes]]:
    path = f"/api/v1/namespaces/{segment(pod.namespace)}/pods/{segment(pod.name)}/log"
    rest = b""
    async with api.stream(path, params, read_timeout_s=_SILENCE_S if follow else None) as response:
        yield []  # the log can be read, even if it is empty
        async for chunk in response.aiter_bytes():
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LOG_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            if lines:
                yield lines
    if rest and not follow:  # after an interruption the last line is sent again
        yield [rest]


def text_of(raw: bytes) -> str:
    """A line as text, with bytes that aren't UTF-8 replaced."""
    return raw.removesuffix(b"\r").decode(errors="replace")
