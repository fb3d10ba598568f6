"""Which lines of the ztunnels' logs are evidence of a run, and whether there can be any."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import cast

import pytest

from meshtui.journeys import observe
from meshtui.journeys.hops import Hop
from meshtui.journeys.observe import Observer
from meshtui.model.errors import ClusterError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod
from meshtui.sources.kubernetes.api import Api
from tests.fakes.frozen import bookstore
from tests.fakes.ztunnel_lines import TIMED_OUT, access_line

EVERY = Flow(*[FlowEndpoint(EndpointKind.POD, "ecom", "any")] * 2, 1)


class Logs:
    """An API server of which only the ztunnels' logs are asked: a text for each pod, or a refusal."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.forbidden: set[str] = set()

    async def get(self, path: str, _: Mapping[str, str]) -> bytes:
        name = path.split("/")[-2]
        if name in self.forbidden:
            raise ClusterError(f"{name}: forbidden")
        return "\n".join(self.texts.get(name, ())).encode()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> tuple[Logs, Snapshot, list[Pod]]:
    snapshot, logs = bookstore(), Logs()
    ztunnels = sorted((pod for pod in snapshot.pods.values() if pod.labels.get("app") == "ztunnel"), key=lambda pod: pod.node)

    async def listed(*_: object) -> list[Pod]:
        return ztunnels

    monkeypatch.setattr("meshtui.sources.kubernetes.ztunnels.read_list", listed)
    return logs, snapshot, ztunnels


def observer(logs: Logs, snapshot: Snapshot, pods: Iterable[Pod]) -> Observer:
    return Observer(cast("Api", logs), [Hop(EVERY, tuple(pods))], snapshot.ztunnel_namespaces)


def a_line(*, error: str = "", duration: str = "5ms", carried: bool = True) -> str:
    text = access_line("ecom/a", "ecom/b", 5432, error=error).replace('duration="5ms"', f'duration="{duration}"')
    return text if carried else text.replace("bytes_sent=185 bytes_recv=98765", "bytes_sent=0 bytes_recv=0")


async def test_lines_that_only_say_that_a_connection_began_are_left_out(world):
    logs, snapshot, ztunnels = world
    logs.texts[ztunnels[0].name] = [a_line().replace("connection complete", "connection opened"), a_line()]
    (line,) = await observer(logs, snapshot, ztunnels).lines()
    assert line.message == "connection complete"


async def test_a_connection_that_began_before_stays_old_however_long_one_waits(world, monkeypatch):
    logs, snapshot, ztunnels = world
    clock = [100.0]
    monkeypatch.setattr(observe.time, "monotonic", lambda: clock[0])
    seen = observer(logs, snapshot, ztunnels)
    await seen.mark()
    logs.texts[ztunnels[0].name] = [a_line(error=TIMED_OUT, duration="10002ms", carried=False)]
    for clock[0] in (102.5, 109.0, 110.5, 120.0):
        assert await seen.lines() == []
    logs.texts[ztunnels[0].name].append(a_line(error=TIMED_OUT, duration="10003ms", carried=False))
    assert [line.duration_ms for line in await seen.lines()] == [10003]


async def test_attempts_from_before_are_told_if_they_are_asked_for(world):
    logs, snapshot, ztunnels = world
    seen = observer(logs, snapshot, ztunnels)
    await seen.mark()
    logs.texts[ztunnels[0].name] = [
        a_line(error=TIMED_OUT, duration="10002ms", carried=False),
        a_line(error="io error: Connection reset by peer", duration="9000ms"),
        a_line(error="io error: Connection timed out (os error 110)", duration="900000ms", carried=False),
    ]
    assert await seen.lines() == []
    assert [line.duration_ms for line in await seen.lines(begun_before=True)] == [10002]


async def test_only_the_logs_that_are_asked_count_as_readable(world):
    logs, snapshot, ztunnels = world
    first, second = ztunnels
    on_first = [pod for pod in snapshot.pods.values() if pod.node == first.node]
    seen = observer(logs, snapshot, on_first)
    assert not seen.readable
    await seen.lines()
    assert seen.readable
    logs.forbidden = {first.name}
    await seen.lines()
    assert not seen.readable, f"{second.name} was never asked"
    async with asyncio.timeout(1):
        assert await seen.lines_of(Hop(EVERY), 30) == [], "waiting is useless"
