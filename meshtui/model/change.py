"""A verdict that changed while it was watched: before, after, when, and the objects that caused it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Verdict

CREATED, EDITED, DELETED = "created", "edited", "deleted"


@dataclass(frozen=True, slots=True)
class Cause:
    """An object that changed between two Snapshots. ``what`` is created, edited or deleted; ``by`` its last field manager."""

    ref: ObjectRef
    what: str
    by: str = ""

    def __str__(self) -> str:
        """``NetworkPolicy ecom/ecom-netpol was edited by kubectl``; for a deletion the author isn't known."""
        return f"{self.ref} was {self.what}" + (f" by {self.by}" if self.by and self.what != DELETED else "")


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A flow's verdict before and after, when the change was noticed, and the changed objects that explain it."""

    flow: Flow
    before: Verdict
    after: Verdict
    at: datetime
    because: tuple[Cause, ...] = ()
