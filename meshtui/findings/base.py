"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from meshtui.model.finding import Finding, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: ``look`` yields (objects, message, why) for each place where it fires."""

    id: str
    name: str
    severity: Severity
    look: Callable[[Snapshot], Iterable[tuple[tuple[ObjectRef, ...], str, str]]]

    def findings(self, snapshot: Snapshot) -> list[Finding]:
        """All findings of this rule."""
        found = self.look(snapshot)
        return [Finding(self.id, self.name, self.severity, objects, message, why) for objects, message, why in found]
