"""The fixes of findings as files: one for each object, as it is after all of them, and what all of them do together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meshtui.engine.whatif.compare import Comparison, compare
from meshtui.engine.whatif.overlay import overlaid
from meshtui.engine.whatif.shifts import What
from meshtui.model.errors import UsageError
from meshtui.model.finding import Edit, Finding
from meshtui.model.ids import ObjectRef
from meshtui.model.plain import clean
from meshtui.model.snapshot import Snapshot
from meshtui.sources.edits import EditError, edited, to_yaml, written
from meshtui.sources.manifest_yaml import yaml_documents
from meshtui.sources.manifests import read_documents

_MOST_SHOWN = 20
_NOT_IN_NAMES = re.compile(r"[^a-z0-9.-]+")


@dataclass(slots=True)
class Fixes:
    """Objects after all fixes, with the fixes that each is for; ``left_out`` are those that can't be written, with the reason."""

    objects: dict[ObjectRef, dict[str, Any]] = field(default_factory=dict)
    reasons: dict[ObjectRef, list[str]] = field(default_factory=dict)
    fixed: list[Finding] = field(default_factory=list)
    left_out: list[tuple[Finding, str]] = field(default_factory=list)


def collected(findings: Sequence[Finding], manifests: Mapping[ObjectRef, str]) -> Fixes:
    """The fixes of findings, one after the other; one that doesn't fit what others have made of an object is left out."""
    found = Fixes()
    for finding in findings:
        if finding.fix is None:
            continue
        objects = dict(found.objects)
        try:
            for edit in finding.fix.edits:
                objects[edit.ref] = written(edited(_before(edit, objects, manifests), edit))
        except EditError as error:
            found.left_out.append((finding, error.message))
            continue
        found.objects = objects
        found.fixed.append(finding)
        for edit in finding.fix.edits:
            found.reasons.setdefault(edit.ref, []).append(f"{finding.rule}: {finding.fix.summary}")
    return found


def _before(edit: Edit, made: Mapping[ObjectRef, dict[str, Any]], manifests: Mapping[ObjectRef, str]) -> dict[str, Any]:
    """An object before an edit: as other fixes have made it, else as it is. Raises EditError."""
    there, text = made.get(edit.ref), manifests.get(edit.ref, "")
    if edit.create is not None:
        if there is not None and there != edit.create:
            raise EditError(f"another fix creates {edit.ref}")
        return {}
    if there is not None:
        return there
    if not text:
        raise EditError(f"{edit.ref} can't be read again")
    document: dict[str, Any] = yaml_documents(str(edit.ref), text.encode())[0]
    return document


def write_fixes(folder: str, fixes: Fixes) -> list[Path]:
    """Write one file for each object into a folder that doesn't exist yet, or is empty. Raises UsageError."""
    path = Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{folder} is there already", "name a folder that is new or empty")
    files = []
    try:
        path.mkdir(parents=True, exist_ok=True)
        for number, (ref, document) in enumerate(fixes.objects.items(), 1):
            parts = filter(None, (ref.kind.partition(".")[0], ref.namespace, ref.name))
            name = _NOT_IN_NAMES.sub("-", "-".join(parts).lower())
            file = path / f"{number:03}-{name}.yaml"
            head = "".join(f"# {clean(line)}\n" for line in dict.fromkeys(fixes.reasons[ref]))
            file.write_text(head + to_yaml(document), encoding="utf-8")
            files.append(file)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from error
    return files


def together(snapshot: Snapshot, fixes: Fixes) -> Comparison:
    """What all fixes change."""
    return compare(snapshot, overlaid(snapshot, read_documents(fixes.objects.values(), "the fixes")))


def in_words(fixes: Fixes, comparison: Comparison) -> list[str]:
    """What the fixes do together, line by line."""
    from meshtui.cli.diff_report import shift_to_json

    opened, closed = (comparison.of(what) for what in (What.OPENED, What.CLOSED))
    lines = [f"together they open {len(opened)} and close {len(closed)} of the flows that were compared"]
    for sign, shifts in (("+", opened), ("-", closed)):
        lines += [f"  {sign} {shift_to_json(shift)['text']}" for shift in shifts[:_MOST_SHOWN]]
        lines += [f"  {sign} and {len(shifts) - _MOST_SHOWN} more: meshtui diff shows them"] if len(shifts) > _MOST_SHOWN else []
    lines += [f"left out: {finding.rule} {finding.message}: {why}" for finding, why in fixes.left_out]
    return [clean(line) for line in lines]
