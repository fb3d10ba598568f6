"""The findings of one rule, with the change that resolves each and the flows that it would open and close."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meshtui.cli.answer import Answer, Column, key, object_name
from meshtui.cli.check_places import NOWHERE, Places
from meshtui.cli.check_report import finding_to_json, patch_of
from meshtui.cli.diff_report import shift_to_json
from meshtui.cli.terminal import wrapped
from meshtui.engine.whatif.compare import Comparison, compare
from meshtui.engine.whatif.overlay import overlaid
from meshtui.engine.whatif.shifts import Shift, What
from meshtui.model.errors import MeshtuiError
from meshtui.model.finding import Finding, Fix
from meshtui.model.ids import ObjectRef
from meshtui.model.plain import clean
from meshtui.model.snapshot import Snapshot
from meshtui.sources.edits import edited
from meshtui.sources.manifest_yaml import yaml_documents
from meshtui.sources.manifests import read_documents

if TYPE_CHECKING:
    from meshtui.findings import NotEvaluated, Rule

_INDENT = " " * 4
_MOST_SHOWN = 20
_SHOWN = {What.OPENED: "it opens:", What.CLOSED: "it closes:"}


@dataclass(frozen=True, slots=True)
class Explained:
    """One finding. ``comparison`` is what its fix changes; None without a fix, or if ``unknown`` says why it can't be told."""

    finding: Finding
    patch: str = ""
    comparison: Comparison | None = None
    unknown: str = ""
    places: Places = NOWHERE

    def of(self, what: What) -> tuple[Shift, ...] | None:
        """What the fix opens, or closes; None where that isn't known."""
        return self.comparison.of(what) if self.comparison else None


def explained(snapshot: Snapshot, finding: Finding, manifests: Mapping[ObjectRef, str], places: Places = NOWHERE) -> Explained:
    """A finding with the effects of its fix on a snapshot. ``manifests`` has the YAML of the objects that the fix changes."""
    fix = finding.fix
    if fix is None:
        return Explained(finding, places=places)
    try:
        after = overlaid(snapshot, read_documents(_documents(fix, manifests), "the fix"))
    except MeshtuiError as error:
        return Explained(finding, patch_of(fix, manifests), unknown=error.message, places=places)
    return Explained(finding, patch_of(fix, manifests), compare(snapshot, after), places=places)


def _documents(fix: Fix, manifests: Mapping[ObjectRef, str]) -> list[Mapping[str, Any]]:
    """The objects after a fix. Raises MeshtuiError."""
    found: list[Mapping[str, Any]] = []
    for edit in fix.edits:
        text = manifests.get(edit.ref, "")
        if edit.create is None and not text:
            raise MeshtuiError(f"{edit.ref} can't be read again")
        found.append(edited(yaml_documents(str(edit.ref), text.encode())[0] if text else {}, edit))
    return found


def answer(rule: Rule, several: Sequence[Explained], silent: NotEvaluated | None) -> Answer:
    """The findings of a rule as an Answer; ``silent`` says why the rule couldn't look."""
    rows = [_to_json(each) for each in several]
    document = {
        "rule": rule.id,
        "name": rule.name,
        "severity": rule.severity.name.lower(),
        "findings": rows,
        "not_evaluated": silent.reason if silent else None,
    }
    columns = (
        Column("RULE", key("rule")),
        Column("OBJECT", lambda row: object_name(row["objects"][0]) if row["objects"] else ""),
        Column("OPENS", lambda row: "" if row["opens"] is None else str(len(row["opens"]))),
        Column("CLOSES", lambda row: "" if row["closes"] is None else str(len(row["closes"]))),
        Column("FIX", lambda row: row["fix"]["summary"] if row["fix"] else "", wide=True),
        Column("MESSAGE", key("message")),
    )
    own = {"text": lambda: _text(rule, several, silent)}
    return Answer(document, rows, columns, lambda row: [object_name(each) for each in row["objects"]], own)


def _to_json(each: Explained) -> dict[str, Any]:
    """As ``check`` gives it, and what the fix opens and closes; null where that isn't known."""
    fix = {"summary": each.finding.fix.summary, "patch": each.patch} if each.finding.fix else None
    opens, closes = (None if shifts is None else list(map(shift_to_json, shifts)) for shifts in map(each.of, _SHOWN))
    ignored = each.finding.ignored or None
    return {
        **finding_to_json(each.finding, fix, each.places.to_json(each.finding)),
        "ignored": ignored,
        "opens": opens,
        "closes": closes,
    }


def _text(rule: Rule, several: Sequence[Explained], silent: NotEvaluated | None) -> str:
    lines = [f"{rule.id} {rule.name} ({rule.severity.name.lower()}): {len(several)} found"]
    if silent is not None:
        lines += wrapped(clean(f"the rule couldn't look: {silent.reason}"))
    for each in several:
        lines += ["", *wrapped(clean(each.finding.message)), *wrapped(clean(each.finding.why), _INDENT, _INDENT)]
        if each.finding.ignored:
            lines.append(f"{_INDENT}ignored: {clean(each.finding.ignored)}")
        if place := each.places.in_words(each.finding):
            lines += wrapped(f"at: {place}" if each.places.of(each.finding) else place, _INDENT, _INDENT)
        if each.finding.flows:
            lines.append(f"{_INDENT}flows: {each.finding.flows}")
        lines += [f"{_INDENT}{line}" for line in _about_fix(each)]
    return "\n".join(lines) + "\n"


def _about_fix(each: Explained) -> Iterator[str]:
    fix = each.finding.fix
    if fix is None:
        yield "no change is safe to propose"
        return
    yield clean(f"fix: {fix.summary}")
    yield from (f"  {clean(line)}" for line in each.patch.splitlines())
    if each.comparison is None:
        yield clean(f"what it opens and closes isn't known: {each.unknown}")
        return
    if not any(map(each.of, _SHOWN)):
        yield "it opens and closes no flow that was compared"
    for what, title in _SHOWN.items():
        shifts = each.of(what) or ()
        if shifts:
            yield title
            yield from (f"  {clean(shift_to_json(shift)['text'])}" for shift in shifts[:_MOST_SHOWN])
            if len(shifts) > _MOST_SHOWN:
                yield f"  and {len(shifts) - _MOST_SHOWN} more (-o json has them)"
