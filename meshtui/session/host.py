"""The interface of a session for its parts."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from meshtui.engine import Engine
from meshtui.findings.evidence import Recent
from meshtui.mesh.report import MeshReport
from meshtui.model.denial import Denial
from meshtui.model.snapshot import Snapshot
from meshtui.session.application import Application
from meshtui.session.journal import Outcome
from meshtui.settings import Settings
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.writes import Writes
from meshtui.sources.ports import Source, SourceLabel

SMALL = 1000
"""The number of pods up to which everything is computed synchronously; above it, slow work is done in a thread."""


class Host(Protocol):
    """The session, as its parts use it."""

    @property
    def source(self) -> Source:
        """The source of the data."""

    @property
    def settings(self) -> Settings:
        """The settings."""

    @property
    def applications(self) -> Sequence[Application]:
        """The applications known to findings."""

    @property
    def snapshot(self) -> Snapshot:
        """The current Snapshot."""

    @property
    def engine(self) -> Engine:
        """The engine on the current Snapshot."""

    @property
    def label(self) -> SourceLabel:
        """The source's name and properties."""

    @property
    def running(self) -> bool:
        """Whether the source is being followed."""

    @property
    def settled(self) -> bool:
        """Whether no kind is still being read for the first time."""

    def in_background(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a background task; when it fails, listeners are notified and screens mark its data as not live."""

    def clock(self) -> datetime:
        """The current local time."""

    def denied(self) -> Recent:
        """Recent denials, as evidence of findings; empty when no log is read."""

    def capture_log(self) -> tuple[Mapping[str, datetime], Sequence[Denial]]:
        """What the ztunnels' logs show of pods' capture: when each was carried last, and denials; empty if none is read."""

    def seen_of_mesh(self, report: MeshReport) -> None:
        """Use a new report about the mesh's own parts."""

    def api(self) -> Api:
        """The client of the API server. Raises UsageError when there is no cluster."""

    def writes(self) -> Writes:
        """The gate for changes. Raises UsageError when there is no cluster to change."""

    def doing(self, what: str) -> AbstractContextManager[Outcome]:
        """Write into the journal what a block does to the cluster."""

    def tell(self) -> None:
        """Notify all listeners of a change."""
