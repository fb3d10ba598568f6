"""A verdict that changed while somebody watched: from what to what, when, and because of which objects."""

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
        """``NetworkPolicy ecom/ecom-netpol was edited by kubectl``; who deleted an object isn't written anywhere."""
        return f"{self.ref} was {self.what}" + (f" by {self.by}" if self.by and self.what != DELETED else "")


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A flow's verdict before and after, when it was noticed, and the changed objects that explain it."""

    flow: Flow
    before: Verdict
    after: Verdict
    at: datetime
    because: tuple[Cause, ...] = ()
