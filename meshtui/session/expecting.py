"""What is expected of flows, by the file of expectations."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from meshtui.engine import Engine
from meshtui.engine.expect.expectations import Entry, expand
from meshtui.model.errors import MeshtuiError
from meshtui.model.flow import Flow
from meshtui.model.snapshot import Snapshot


class Expecting:
    """The expected result of each flow that the file names."""

    def __init__(self) -> None:
        self._entries: Sequence[Entry] | None = None
        self._of: object = None
        self._by_flow: dict[Flow, str] = {}

    def take(self, entries: Sequence[Entry]) -> None:
        """Replace the file's entries."""
        self._entries, self._of, self._by_flow = entries, None, {}

    def is_due(self, snapshot: Snapshot) -> bool:
        """Whether ``expand`` may give something else: the workloads, pods or Services aren't those of the last time."""
        return self._entries is not None and self._of != _ends(snapshot)

    def expand(self, engine: Engine) -> None:
        """Find the flows of all entries. Of two expectations of one flow the first counts.

        An entry that can't be used, because its pattern matches nothing (yet) or is wrong, says nothing about any flow.
        """
        found: dict[Flow, str] = {}
        for entry in self._entries or ():
            with suppress(MeshtuiError):
                for each in expand(engine, (entry,)):
                    found.setdefault(_bare(each.flow), each.expected)
        self._of, self._by_flow = _ends(engine.snapshot), found

    def of(self, flow: Flow) -> str:
        """``allow``, ``deny`` or an outcome; empty if the file says nothing about this very flow."""
        return self._by_flow.get(_bare(flow), "")


def _ends(snapshot: Snapshot) -> object:
    """What patterns are matched with."""
    return frozenset(snapshot.workloads), frozenset(snapshot.services), frozenset(snapshot.pods)


def _bare(flow: Flow) -> Flow:
    """A flow without the id that a file gives it."""
    return replace(flow, id="") if flow.id else flow
