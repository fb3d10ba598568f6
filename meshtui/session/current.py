"""A Snapshot and the engine on it, as one value."""

from __future__ import annotations

import threading

from meshtui.engine import Engine
from meshtui.model.snapshot import Snapshot


class Current:
    """One Snapshot with its engine, which is created once, on first access from any thread.

    A session replaces the whole value at once, so that the engine always belongs to the Snapshot next to it.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    @property
    def engine(self) -> Engine:
        """The engine on this Snapshot."""
        with self._lock:
            if self._engine is None:
                self._engine = Engine(self.snapshot)
            return self._engine
