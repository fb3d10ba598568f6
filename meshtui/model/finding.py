"""What is wrong, before anybody asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from meshtui.model.ids import ObjectRef


class Severity(IntEnum):
    """How bad a finding is; the worst sorts first."""

    ERROR = 0
    WARNING = 1
    INFO = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: the rule (``MTnnn``), what it is about, what is wrong, and why that matters here."""

    rule: str
    name: str
    severity: Severity
    objects: tuple[ObjectRef, ...]
    message: str
    why: str = ""

    @property
    def namespace(self) -> str:
        """The namespace of its first object."""
        return self.objects[0].namespace if self.objects else ""
