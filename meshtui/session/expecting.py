"""What is expected of flows, by the file of expectations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from meshtui.engine.expect.expectations import Expected
from meshtui.model.flow import Flow


class Expecting:
    """The expected result of each flow that the file names."""

    def __init__(self) -> None:
        self._by_flow: dict[Flow, str] = {}

    def take(self, expected: Iterable[Expected]) -> None:
        """Replace what is expected. Of two expectations of one flow the first counts."""
        found: dict[Flow, str] = {}
        for each in expected:
            found.setdefault(_bare(each.flow), each.expected)
        self._by_flow = found

    def of(self, flow: Flow) -> str:
        """``allow``, ``deny`` or an outcome; empty if the file says nothing about this very flow."""
        return self._by_flow.get(_bare(flow), "")


def _bare(flow: Flow) -> Flow:
    """A flow without the id that a file gives it."""
    return replace(flow, id="") if flow.id else flow
