"""A flow is told of as soon as its probe pod printed its last attempt, and not when the pod has ended."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from meshtui.probe.launch import Launcher
from meshtui.probe.podspec import is_last_attempt
from meshtui.probe.protocols import Attempt
from meshtui.settings import Settings


def attempt(number: int, exit_code: int = 0, first: str = "200") -> Attempt:
    return Attempt("a", number, exit_code, first, 0.1, 0.2, 0, "", "", "")


@pytest.mark.parametrize(
    ("attempts", "last"),
    [
        pytest.param([], False, id="none"),
        pytest.param([attempt(1)], False, id="one"),
        pytest.param([attempt(1), attempt(2)], True, id="two alike"),
        pytest.param([attempt(1, 56, ""), attempt(2)], False, id="two that differ"),
        pytest.param([attempt(1, 56, ""), attempt(2), attempt(3)], True, id="the last two alike"),
        pytest.param([attempt(1), attempt(2, first="403")], False, id="other statuses"),
        pytest.param([attempt(n, n) for n in range(5)], True, id="five"),
    ],
)
def test_the_last_attempt_is_known(attempts, last):
    assert is_last_attempt(attempts) is last


def printed(flow: str, number: int) -> str:
    return json.dumps({"id": flow, "attempt": number, "exit": 0, "result": "200|0.1|0.2|9|||none|0"})


class Stream:
    """An API server that streams lines; ``heard`` is what was told before each of them."""

    def __init__(self, lines: list[str], told: list[str]) -> None:
        self.lines, self.told = lines, told
        self.heard: list[list[str]] = []

    @asynccontextmanager
    async def stream(self, *_args: object, **_kwargs: object) -> AsyncIterator[SimpleNamespace]:
        async def lines() -> AsyncIterator[str]:
            for each in self.lines:
                self.heard.append(list(self.told))
                yield each

        yield SimpleNamespace(aiter_lines=lines)


async def test_each_flow_is_told_of_once_while_the_pod_runs():
    told: list[str] = []
    rows = [printed("a", 1), printed("b", 1), printed("a", 2), printed("b", 2), printed("a", 3), '{"done":true}']
    api = Stream(rows, told)
    launcher = Launcher(api, None, Settings(), lambda _: None, told.append)
    waiting = {"a": "flow a", "b": "flow b"}
    attempts: dict[str, list[Attempt]] = {"a": [], "b": []}
    assert await launcher._follow("/p", attempts, waiting)
    assert api.heard[3:5] == [["flow a"], ["flow a", "flow b"]]
    assert await launcher._follow("/p", attempts, waiting), "the pod's output is read again after a break"
    assert told == ["flow a", "flow b"]
