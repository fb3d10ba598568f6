"""The types of rules and of their results."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from meshtui.findings.context import Context
from meshtui.findings.fixes import opens_mesh
from meshtui.model.finding import Finding, Fix, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import KindStatus

MESH = "mesh"
"""The name of the evidence of a look at the ztunnels: a ``MeshReport``."""
NOT_LOOKED = "needs a look at the ztunnels"
_SEEN = {KindStatus.SYNCED, KindStatus.NOT_INSTALLED, KindStatus.STALE}


class NotKnownError(Exception):
    """Raised by a rule that can't be evaluated after all; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Found:
    """One result of a rule.

    ``severity`` None means the rule's own. ``flows`` is the number of flows that the problem breaks or opens: pairs of workloads
    and a port. ``affected`` are those of its objects that are affected without being the cause.
    ``field`` is the path of what is wrong in the first object, as ``spec.rules[0].from``; empty for all of it.
    """

    objects: tuple[ObjectRef, ...]
    message: str
    why: str
    severity: Severity | None = None
    flows: int = 0
    fix: Fix | None = None
    affected: frozenset[ObjectRef] = frozenset()
    field: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    ``reads`` are the kinds that the rule needs: when one of them can't be read, the rule isn't evaluated. Most rules conclude
    something from missing objects, so a kind that was only listed in some namespaces counts as unreadable, unless ``partial``.
    ``observed`` names the application of which the rule needs evidence that a snapshot doesn't contain.
    ``breaks`` says that a finding means connections that fail: denials by its first object are evidence of it.
    """

    id: str
    name: str
    severity: Severity
    look: Callable[[Context], Iterable[Found]]
    reads: tuple[str, ...] = ()
    partial: bool = False
    observed: str = ""
    breaks: bool = False
    asks_mesh: bool = False
    """Whether it reads the last look at the ztunnels (evidence ``mesh``), which only a live cluster has."""

    def blind(self, context: Context) -> str:
        """The reason why the rule can't be evaluated, or an empty string."""
        if self.observed and self.observed not in context.evidence:
            return f"needs observation of a running {self.observed}"
        if self.asks_mesh and context.snapshot.live and MESH not in context.evidence:
            return NOT_LOOKED
        for kind in self.reads:
            state = context.snapshot.kind_state(kind)
            if state.status not in _SEEN:
                return f"{kind} objects can't be seen ({state.status.value}{': ' + state.message if state.message else ''})"
            if state.missing and not self.partial:
                return f"{kind} objects can't all be seen ({state.missing})"
            if state.scope and not self.partial:
                return f"{kind} objects were listed in some namespaces only ({state.scope})"
        return ""

    def findings(self, context: Context) -> list[Finding]:
        """All findings of this rule. A fix that would allow more in the root namespace is left out. Raises NotKnownError."""
        return [
            Finding(
                self.id,
                self.name,
                self.severity if found.severity is None else found.severity,
                found.objects,
                found.message,
                found.why,
                None if found.fix is not None and opens_mesh(context, found.fix) else found.fix,
                found.flows,
                context.ignored(self.id, found.objects),
                found.affected,
                found.field,
            )
            for found in self.look(context)
        ]
