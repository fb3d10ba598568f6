"""The probe from outside the mesh for ``mesh status --probe``: its question, its run, and what it showed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshtui.cli.notes import note
from meshtui.cli.progress import progress

if TYPE_CHECKING:
    from meshtui.mesh.report import MeshReport
    from meshtui.model.enrolment import Proofs
    from meshtui.model.snapshot import Snapshot
    from meshtui.probe.capture import CapturePlan
    from meshtui.settings import Settings
    from meshtui.sources.kubernetes.live import LiveSource


@dataclass(frozen=True, slots=True)
class Prover:
    """Asks the pods that a look doesn't prove. ``yes``: without a question."""

    settings: Settings
    yes: bool

    def permit(self, source: LiveSource) -> None:
        """Raise ReadOnlyError if nothing may be created, before anything is looked at."""
        from meshtui.model.errors import ReadOnlyError

        if reason := self._read_only(source):
            raise ReadOnlyError(f"nothing is changed: {reason}")

    async def prove(self, source: LiveSource, snapshot: Snapshot, report: MeshReport, nodes: Sequence[str]) -> Proofs:
        """What a probe shows of the pods that aren't proven, after a confirmation. Raises the launcher's errors."""
        from meshtui.cli.ask import confirmed
        from meshtui.cli.source import listed
        from meshtui.engine import Engine
        from meshtui.probe.capture import plan_capture, proofs_of, to_prove
        from meshtui.probe.prove import prove
        from meshtui.sources.kubernetes.writes import Writes

        asked = plan_capture(Engine(snapshot), to_prove(snapshot, report.enrolments, nodes), self.settings.probe)
        if not asked.plan.batches:
            if not asked.left_out:
                note("every pod is proven to be captured: there is nothing to probe")
            return proofs_of(asked, {}, (), snapshot)
        confirmation = confirmed(in_words(asked, source.label.context), self._read_only(source), yes=self.yes)
        api = await source.open()
        async with progress(f"probing {len(asked.pods)} pod(s)", asked.plan.seconds):
            return await prove(api, Writes(api, self.settings), self.settings, asked, confirmation, lambda: listed(source))

    def _read_only(self, source: LiveSource) -> str:
        from meshtui.sources.kubernetes.writes import read_only_reason

        return read_only_reason(self.settings, source.label.context)


def in_words(asked: CapturePlan, context: str) -> list[str]:
    """The lines of the confirmation."""
    from meshtui.probe.capture import in_words as of_batch

    plan = asked.plan
    lines = [
        f"context {context}: port 15008 of {len(asked.pods)} pod(s), {len(plan.batches)} probe pod(s), up to {plan.seconds} s"
    ]
    lines += [f"  pod {of_batch(batch)}" for batch in plan.batches]
    return lines + [f"  left out: {key}: {reason}" for key, reason in asked.left_out.items()]
