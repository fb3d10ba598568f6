"""A problem that a rule found, and the smallest change that resolves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from meshtui.model.ids import ObjectRef


class Severity(IntEnum):
    """How severe a finding is; the most severe sorts first."""

    ERROR = 0
    WARNING = 1
    INFO = 2


@dataclass(frozen=True, slots=True)
class Operation:
    """One JSON Patch operation (RFC 6902): ``op`` is add, replace or remove; ``path`` is split into keys.

    ``add`` with the last key ``-`` appends to a list. Missing maps and lists on the path are created.
    """

    op: str
    path: tuple[str | int, ...]
    value: Any = None


@dataclass(frozen=True, slots=True)
class Edit:
    """What becomes of one object: ``operations`` on what is there, or ``create``, the whole manifest of a new one."""

    ref: ObjectRef
    operations: tuple[Operation, ...] = ()
    create: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that resolves a finding: a summary, and the changes of objects in the order in which to apply them."""

    summary: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: the rule (``MTnnn``), the objects, the problem, and why it matters in this cluster.

    ``flows`` counts the flows that it breaks or opens. ``fix`` is None where no change is safe to propose. ``ignored`` is the
    reason in the annotation ``meshtui.dev/ignore`` of its object.
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
    """The objects that are only affected: they are listed, but not marked as faulty."""
    field: str = ""
    """The field of its first object that is wrong, as ``spec.rules[0].from``; empty for the object as a whole."""

    @property
    def at_fault(self) -> tuple[ObjectRef, ...]:
        """The objects that have to be changed."""
        return tuple(ref for ref in self.objects if ref not in self.affected)

    @property
    def namespace(self) -> str:
        """The namespace of its first object."""
        return self.objects[0].namespace if self.objects else ""
