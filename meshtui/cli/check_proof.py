"""Fixes are judged by what-if before they are offered: one that doesn't end its finding, or makes an error, isn't."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from meshtui.cli.check_fixes import collected
from meshtui.engine.whatif.overlay import overlaid
from meshtui.model.errors import MeshtuiError
from meshtui.model.finding import Finding, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.sources.manifests import read_documents

Evaluate = Callable[[Snapshot], Sequence[Finding]]
"""A function that evaluates the rules on a snapshot."""


def proven(
    snapshot: Snapshot,
    findings: Sequence[Finding],
    known: Sequence[Finding],
    manifests: Mapping[ObjectRef, str],
    evaluate: Evaluate,
) -> tuple[list[Finding], list[str]]:
    """The findings, without the fixes that don't keep their promise; and a line about each of these fixes.

    ``known`` are all findings in the snapshot, also those that aren't shown. All fixes are tried together; if a finding is left
    then, or an error is new, the fixes that are the cause are searched by halves. One that can't be applied isn't tried.
    """
    trial = _Trial(snapshot, known, manifests, evaluate)
    broken = trial.broken(collected(findings, manifests).fixed)
    lines = [f"no fix is offered for {f.rule} {f.objects[0]}: {broken[id(f)]}" for f in findings if id(f) in broken]
    return [replace(finding, fix=None) if id(finding) in broken else finding for finding in findings], lines


class _Trial:
    """Tries fixes on one snapshot."""

    def __init__(
        self, snapshot: Snapshot, known: Sequence[Finding], manifests: Mapping[ObjectRef, str], evaluate: Evaluate
    ) -> None:
        self._snapshot = snapshot
        self._manifests = manifests
        self._evaluate = evaluate
        self._known: dict[str, list[frozenset[ObjectRef]]] = {}
        for finding in known:
            self._known.setdefault(finding.rule, []).append(frozenset(finding.objects))

    def broken(self, group: Sequence[Finding]) -> dict[int, str]:
        """Why some findings' fixes don't keep their promise, by the findings' ``id``."""
        if not group:
            return {}
        left, errors = self._tried(group)
        suspects = group if errors else left
        if len(group) == 1 and suspects:
            return {id(group[0]): "it doesn't end the finding" if left else f"it would make an error: {errors[0]}"}
        if len(suspects) < len(group):
            return self.broken(suspects)
        half = len(group) // 2
        return self.broken(group[:half]) | self.broken(group[half:])

    def _tried(self, group: Sequence[Finding]) -> tuple[list[Finding], list[str]]:
        """What of a group is still found after its fixes, and the messages of errors that weren't there before."""
        objects = collected(group, self._manifests).objects.values()
        try:
            after = self._evaluate(overlaid(self._snapshot, read_documents(objects, "the fixes")))
        except MeshtuiError as error:
            return [], [error.message]
        found = {(finding.rule, finding.objects, finding.message) for finding in after}
        left = [finding for finding in group if (finding.rule, finding.objects, finding.message) in found]
        return left, [f.message for f in after if f.severity is Severity.ERROR and not f.ignored and self._is_new(f)]

    def _is_new(self, finding: Finding) -> bool:
        """Whether it isn't one of before, or what is left of one."""
        return not any(objects >= frozenset(finding.objects) for objects in self._known.get(finding.rule, ()))
