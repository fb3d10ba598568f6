"""The effects of a change as text and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from meshtui.cli.answer import Answer, Column, end_name, key, object_name
from meshtui.cli.flowfile import decider_to_json
from meshtui.engine.decision.ruling import Decided
from meshtui.engine.explain.shifts import asked_in_words, ports_in_words, shift_in_words
from meshtui.engine.whatif.compare import Comparison
from meshtui.engine.whatif.shifts import Shift, What
from meshtui.model.ids import ObjectRef
from meshtui.model.plain import clean

_MOST_LINES = 200
_TITLES = {
    What.OPENED: ("+", "opened"),
    What.CLOSED: ("-", "closed"),
    What.UNSURE: ("?", "can't be told any more"),
    What.SETTLED: ("!", "couldn't be told before"),
}


@dataclass(frozen=True, slots=True)
class Report:
    """A comparison, the changed objects, and for each opened flow the ports that ``--allow`` doesn't cover."""

    comparison: Comparison
    objects: tuple[tuple[ObjectRef, str], ...] = ()
    unwanted: Mapping[Shift, Shift | None] = field(default_factory=dict)

    def is_wanted(self, shift: Shift) -> bool:
        """Whether an entry of the file covers all ports of an opened flow."""
        return shift in self.unwanted and self.unwanted[shift] is None

    @property
    def exit_code(self) -> int:
        """1 when an unwanted flow is opened, 4 when a verdict becomes unknown, else 0 (docs/contracts.md, Exit codes)."""
        if not all(map(self.is_wanted, self.comparison.of(What.OPENED))):
            return 1
        return 4 if self.comparison.of(What.UNSURE) else 0


def _text(report: Report) -> str:
    lines = [f"{ref} {what}" for ref, what in report.objects] or ["no object that a verdict rests on is another"]
    for what, (sign, title) in _TITLES.items():
        shifts = report.comparison.of(what)
        if not shifts:
            continue
        lines += ["", f"{title}: {_count(shifts)}"]
        lines += [f"  {sign} {_line(report, shift)}" for shift in shifts[:_MOST_LINES]]
        if len(shifts) > _MOST_LINES:
            lines.append(f"  … and {len(shifts) - _MOST_LINES} more: -o json has all of them")
    comparison = report.comparison
    lines += ["", "nothing else changes among:" if comparison.shifts else "nothing changes among:"]
    lines += [f"  {text}" for text in comparison.covered]
    lines += ["not computed:", *(f"  {text}" for text in comparison.left_out)]
    return "".join(f"{clean(line)}\n" for line in lines)


def _line(report: Report, shift: Shift) -> str:
    text = shift_in_words(shift)
    if shift not in report.unwanted:
        return text
    left = report.unwanted[shift]
    if left is None:
        return f"{text}  (allowed)"
    return text if left.ports == shift.ports else f"{text}  (not allowed: {ports_in_words(left.ports)})"


def _count(shifts: tuple[Shift, ...]) -> str:
    pairs = len({(shift.source, shift.destination) for shift in shifts})
    return f"{pairs} {'pair' if pairs == 1 else 'pairs'}"


def to_json(report: Report) -> dict[str, Any]:
    """The JSON answer (docs/contracts.md, diff)."""
    comparison = report.comparison
    return {
        "objects": [{"kind": r.kind, "namespace": r.namespace, "name": r.name, "what": what} for r, what in report.objects],
        **{what.value: [_shift(report, shift) for shift in comparison.of(what)] for what in What},
        "covered": list(comparison.covered),
        "not_covered": list(comparison.left_out),
    }


def _shift(report: Report, shift: Shift) -> dict[str, Any]:
    answer = shift_to_json(shift)
    if shift.what is What.OPENED:
        left = report.unwanted.get(shift, shift)
        answer["not_allowed"] = None if left is None else ports_in_words(left.ports)
    return answer


def shift_to_json(shift: Shift) -> dict[str, Any]:
    """A shift as JSON (docs/contracts.md, A shift)."""
    http = shift.flow.http if shift.flow else None
    answer: dict[str, Any] = {
        "from": _end(shift.source),
        "to": _end(shift.destination),
        "ports": ports_in_words(shift.ports),
        "before": _side(shift.before),
        "after": _side(shift.after),
        "some": shift.some,
        "text": f"{shift.source} → {shift.destination} {asked_in_words(shift)}",
    }
    if http is not None:
        answer["http"] = {"method": http.method, "path": http.path} | ({"host": http.host} if http.host else {})
        answer["http"] |= {"headers": dict(http.headers)} if http.headers else {}
    return answer


def _end(name: str) -> dict[str, Any]:
    """One end of a flow (docs/contracts.md, A flow), from its name in a shift."""
    if name == "external":
        return {"external": True}
    namespace, kind, own = name.split("/", 2)
    if kind in {"Service", "Pod"}:
        return {kind.lower(): f"{namespace}/{own}"}
    return {"workload": name}


def _side(decided: Decided | None) -> dict[str, Any] | None:
    if decided is None:
        return None
    return {
        "verdict": decided.decision.value,
        "outcome": decided.ruling.outcome,
        "layer": decided.ruling.layer.value,
        "decided_by": decider_to_json(decided.ruling.decider),
    }


def answer(report: Report) -> Answer:
    """The report as an Answer with all formats; rows are shifts."""
    found = to_json(report)
    rows = [{"what": what.value, **shift} for what in What for shift in found[what.value]]
    columns = (
        Column("WHAT", key("what")),
        Column("FROM", lambda row: end_name(row["from"])),
        Column("TO", lambda row: end_name(row["to"])),
        Column("PORTS", key("ports")),
        Column("BEFORE", lambda row: _short(row["before"]), wide=True),
        Column("AFTER", lambda row: _short(row["after"])),
        Column("NOT ALLOWED", key("not_allowed"), wide=True),
    )
    return Answer(found, rows, columns, own={"text": lambda: _text(report)})


def _short(side: dict[str, Any] | None) -> str:
    if side is None:
        return ""
    by = object_name(side["decided_by"])
    return f"{side['verdict']}{' by ' + by if by else ''}"
