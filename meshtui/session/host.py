"""What the parts of a session see of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, Protocol

from meshtui.engine import Engine
from meshtui.model.snapshot import Snapshot
from meshtui.settings import Settings
from meshtui.sources.api import Api
from meshtui.sources.ports import Source, SourceLabel

SMALL = 1000
"""Pods up to which everything is worked out at once; beyond, what takes long is done in a thread, and told when it is there."""


class Host(Protocol):
    """The session, for its parts."""

    @property
    def source(self) -> Source:
        """Where the data comes from."""

    @property
    def settings(self) -> Settings:
        """How it is to be read."""

    @property
    def snapshot(self) -> Snapshot:
        """The current one."""

    @property
    def engine(self) -> Engine:
        """The engine on the current Snapshot."""

    @property
    def label(self) -> SourceLabel:
        """The source's name, and what may be done with it."""

    @property
    def running(self) -> bool:
        """Whether the source is being followed."""

    @property
    def settled(self) -> bool:
        """Whether no kind is still being read for the first time."""

    def in_background(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run something beside the event loop's other work; when it fails, the screens say that what they show isn't live."""

    def clock(self) -> datetime:
        """The time of day."""

    def api(self) -> Api:
        """The API server. Raises UsageError when there is no cluster."""

    def tell(self) -> None:
        """Tell all listeners that something changed."""
