"""Runs a plan that asks HBONE's port from outside the mesh."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from meshtui.model.enrolment import Proofs
from meshtui.model.snapshot import Snapshot
from meshtui.probe.capture import CapturePlan, proofs_of
from meshtui.probe.launch import Launcher
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.writes import Confirmation, Writes

if TYPE_CHECKING:
    from meshtui.settings import Settings


async def prove(
    api: Api,
    writes: Writes,
    settings: Settings,
    asked: CapturePlan,
    confirmation: Confirmation,
    snapshot: Callable[[], Awaitable[Snapshot]],
    progress: Callable[[], None] = lambda: None,
) -> Proofs:
    """Ask the pods of a plan. ``progress`` is called when one has answered. Raises the launcher's errors.

    ``snapshot`` is asked when the run is over: a pod that has ended meanwhile refuses connections, too.
    """
    launcher = Launcher(api, writes, settings, lambda _: progress())
    observations = await launcher.run(asked.plan, confirmation, [])
    return proofs_of(asked, launcher.tried, observations, await snapshot())
