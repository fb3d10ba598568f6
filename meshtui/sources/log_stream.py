"""A pod's log over the API, byte for byte: split at newlines only, resumed where it was cut."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from meshtui.model.errors import ClusterError
from meshtui.model.workload import Pod
from meshtui.sources.api import Api, segment
from meshtui.sources.limits import LOG_LINE_BYTES
from meshtui.sources.ports import Source

CONTAINER = "istio-proxy"
"""The proxy's container in ztunnel, waypoint and gateway pods (istio.io, installation)."""
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) ")
_SILENCE_S = 86400.0


@dataclass(slots=True)
class Position:
    """How far a log has been read: the kubelet's stamp of the last line, and how many lines had the same.

    A log that is asked for again begins at the second of the last line; what was read before is left out.
    """

    since_s: int
    tail: int
    stamp: bytes = b""
    same: int = 0
    unstamped: int = 0
    """Lines read from a source that isn't an API server, and has no stamps."""
    _skip: int = 0

    def params(self, *, follow: bool) -> dict[str, str]:
        """What to ask the API server for (Kubernetes API, PodLogOptions)."""
        asked = {"timestamps": "true"} | ({"follow": "true"} if follow else {})
        self._skip = self.same
        if self.stamp:
            return asked | {"sinceTime": self.stamp.decode()}
        return asked | {"sinceSeconds": str(max(1, self.since_s)), "tailLines": str(self.tail)}

    def fresh(self, raw: bytes) -> bytes | None:
        """The line without its stamp, or None when it was read before."""
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
"""Reads a pod's log from a position, following it or not: lists of lines with their stamps. Raises ClusterError."""


def log_reader(source: Source) -> ReadLog:
    """Read the logs of a source's pods: from its API server, else whatever lines it has."""

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
        yield []  # it can be read, whether or not anything is in it
        async for chunk in response.aiter_bytes():
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LOG_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            if lines:
                yield lines
    if rest and not follow:  # a followed log that is cut gives its last line again
        yield [rest]


def text_of(raw: bytes) -> str:
    """A line as text; bytes that are no UTF-8 are replaced."""
    return raw.removesuffix(b"\r").decode(errors="replace")
