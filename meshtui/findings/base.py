"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from meshtui.findings.context import Context
from meshtui.model.finding import Finding, Fix, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import KindStatus

_SEEN = {KindStatus.SYNCED, KindStatus.NOT_INSTALLED, KindStatus.STALE}


class NotKnownError(Exception):
    """Raised by a rule that finds out on the way that it can't tell; the text says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """One place where a rule fires.

    ``severity`` None means the rule's own. ``flows`` counts the flows that it breaks or opens: pairs of workloads and a port.
    ``affected`` are those of its objects that only feel it.
    """

    objects: tuple[ObjectRef, ...]
    message: str
    why: str
    severity: Severity | None = None
    flows: int = 0
    fix: Fix | None = None
    affected: frozenset[ObjectRef] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    ``reads`` are the kinds without which it can't tell: when one of them can't be seen, the rule is not evaluated. Most
    rules conclude something from what isn't there; so a kind that was listed in some namespaces only counts as not seen,
    unless ``partial``. ``observed`` rules need evidence that a snapshot doesn't hold.
    """

    id: str
    name: str
    severity: Severity
    look: Callable[[Context], Iterable[Found]]
    reads: tuple[str, ...] = ()
    partial: bool = False
    observed: bool = False

    def blind(self, context: Context) -> str:
        """Why it can't be evaluated, or empty."""
        if self.observed and context.evidence is None:
            return "needs observation of a running bookstore"
        for kind in self.reads:
            state = context.snapshot.kind_state(kind)
            if state.status not in _SEEN:
                return f"{kind} objects can't be seen ({state.status.value}{': ' + state.message if state.message else ''})"
            if state.scope and not self.partial:
                return f"{kind} objects were listed in some namespaces only ({state.scope})"
        return ""

    def findings(self, context: Context) -> list[Finding]:
        """All findings of this rule. Raises NotKnownError."""
        return [
            Finding(
                self.id,
                self.name,
                self.severity if found.severity is None else found.severity,
                found.objects,
                found.message,
                found.why,
                found.fix,
                found.flows,
                context.ignored(self.id, found.objects),
                found.affected,
            )
            for found in self.look(context)
        ]
