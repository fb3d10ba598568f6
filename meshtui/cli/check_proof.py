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
    snapshot: Snapshot, findings: Sequence[Finding], manifests: Mapping[ObjectRef, str], evaluate: Evaluate
) -> tuple[list[Finding], list[str]]:
    """The findings, without the fixes that don't keep their promise; and a line about each of these fixes.

    All fixes are tried together. Only if a finding is left then, or an error is new, the fixes that may be the cause are tried
    one by one. A fix that can't be applied to the manifests at hand isn't tried.
    """
    fixable = collected(findings, manifests).fixed
    if not fixable:
        return list(findings), []
    known = {(finding.rule, finding.objects) for finding in findings}
    left, errors = _tried(snapshot, fixable, manifests, evaluate, known)
    suspects = fixable if errors else [finding for finding in fixable if (finding.rule, finding.objects) in left]
    broken: dict[int, str] = {}
    for finding in suspects:
        left, errors = _tried(snapshot, [finding], manifests, evaluate, known)
        if (finding.rule, finding.objects) in left:
            broken[id(finding)] = "it doesn't end the finding"
        elif errors:
            broken[id(finding)] = f"it would make an error: {errors[0]}"
    lines = [f"no fix is offered for {f.rule} {f.objects[0]}: {broken[id(f)]}" for f in suspects if id(f) in broken]
    return [replace(finding, fix=None) if id(finding) in broken else finding for finding in findings], lines


_Key = tuple[str, tuple[ObjectRef, ...]]


def _tried(
    snapshot: Snapshot, fixable: Sequence[Finding], manifests: Mapping[ObjectRef, str], evaluate: Evaluate, known: set[_Key]
) -> tuple[set[_Key], list[str]]:
    """What is still found after some fixes, and the messages of errors that weren't there before."""
    try:
        after = evaluate(overlaid(snapshot, read_documents(collected(fixable, manifests).objects.values(), "the fixes")))
    except MeshtuiError as error:
        return {(finding.rule, finding.objects) for finding in fixable}, [error.message]
    new = [f.message for f in after if f.severity is Severity.ERROR and not f.ignored and (f.rule, f.objects) not in known]
    return {(finding.rule, finding.objects) for finding in after}, new
