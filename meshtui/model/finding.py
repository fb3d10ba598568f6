"""What is wrong, before anybody asks; and the smallest change that would put it right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from meshtui.model.ids import ObjectRef


class Severity(IntEnum):
    """How bad a finding is; the worst sorts first."""

    ERROR = 0
    WARNING = 1
    INFO = 2


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a change to a manifest, as RFC 6902 has it: ``op`` is add, replace or remove; ``path`` is in pieces.

    ``add`` at the piece ``-`` appends to a list. Maps and lists that are missing on the way are made.
    """

    op: str
    path: tuple[str | int, ...]
    value: Any = None


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one object: ``operations`` on what is there, or ``create``, the whole manifest of a new one."""

    ref: ObjectRef
    operations: tuple[Operation, ...] = ()
    create: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that would put a finding right, in one line, and object by object in the order to apply it."""

    summary: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: the rule (``MTnnn``), what it is about, what is wrong, and why that matters here.

    ``flows`` counts the flows that it breaks or opens. ``fix`` is there where a change is safe to propose.
    ``ignored`` is the reason that an annotation ``meshtui.dev/ignore`` of its object gives.
    """

    rule: str
    name: str
    severity: Severity
    objects: tuple[ObjectRef, ...]
    message: str
    why: str = ""
    fix: Fix | None = None
    flows: int = 0
    ignored: str = ""
    affected: frozenset[ObjectRef] = frozenset()
    """Those of its objects that only feel it: they are named, and not marked as what is wrong."""

    @property
    def at_fault(self) -> tuple[ObjectRef, ...]:
        """The objects that are to be changed."""
        return tuple(ref for ref in self.objects if ref not in self.affected)

    @property
    def namespace(self) -> str:
        """The namespace of its first object."""
        return self.objects[0].namespace if self.objects else ""
