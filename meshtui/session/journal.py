"""What this run of the program did to the cluster: probes, fixes, purchases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that was done: when it ended, what, its outcome, and how it is undone (empty: nothing is to be undone)."""

    at: datetime
    what: str
    outcome: str
    undo: str = ""
    failed: bool = False


@dataclass(slots=True)
class Outcome:
    """What comes of something that is being done: set by those who do it. ``stopped`` is what is said if it is interrupted."""

    says: str = ""
    failed: bool = False
    stopped: str = "stopped"
