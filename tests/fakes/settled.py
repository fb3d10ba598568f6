"""Waiting for a program to have done what it was going to do."""

from __future__ import annotations

import contextlib
from typing import Any

from textual.pilot import Pilot
from textual.worker import WorkerCancelled

ENDLESS = {"follow", "probe"}
"""Groups of workers that don't end by themselves."""


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until all messages are handled, and every worker that ends by itself has ended."""
    await pilot.pause()
    while waiting := [w for w in pilot.app.workers if w.group not in ENDLESS and not w.is_finished]:
        with contextlib.suppress(WorkerCancelled):  # a newer one took its place
            await pilot.app.workers.wait_for_complete(waiting)
    await pilot.pause()
