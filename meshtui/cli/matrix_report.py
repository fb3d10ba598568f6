"""The matrix in its forms. Pairs are many, so each form is a stream of text, and words are made once for all equal cells."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from meshtui.cli.answer import Answer as Whole
from meshtui.cli.answer import Column, key, object_name
from meshtui.cli.formats import rendered
from meshtui.cli.formats.csv import cell as csv_cell
from meshtui.cli.jsontext import json_text
from meshtui.cli.progress import Progress
from meshtui.engine.explain.ports import Answer, answers, ports_in_words
from meshtui.engine.matrix.cells import Cell
from meshtui.engine.matrix.groups import Group
from meshtui.model.plain import clean
from meshtui.model.verdict import Decision

if TYPE_CHECKING:
    from meshtui.cli.commands.matrix import Words

Rows = Iterator[tuple[Group, list[Cell | None]]]


def in_scope(groups: Sequence[Group], rows: Rows, namespace: str) -> Rows:
    """Only pairs with an end in the namespace that was asked for."""
    for source, cells in rows:
        if not namespace or source.namespace == namespace:
            yield source, cells
        else:
            yield source, [c if g.namespace == namespace else None for g, c in zip(groups, cells, strict=True)]


def counted(rows: Rows, total: int) -> Rows:
    """The same rows, with a word on standard error about how far they are."""
    progress = Progress("judging all pairs", total)
    for row in rows:
        yield row
        progress.step()
    progress.end()


class _Memo(dict[Cell, str]):
    """What is printed for a cell; cells are few, pairs are many."""

    def __init__(self, words: Callable[[Cell], str]) -> None:
        super().__init__()
        self._words = words

    def __missing__(self, cell: Cell) -> str:
        text = self[cell] = self._words(cell)
        return text


def _lines(starts: Sequence[str], memo: _Memo, head: str, cells: Sequence[Cell | None]) -> str:
    return "".join([f"{head}{start}{memo[cell]}" for start, cell in zip(starts, cells, strict=True) if cell is not None])


# ---- text


def _text(groups: Sequence[Group], rows: Rows, words: Words) -> Iterator[str]:
    """The open pairs under their source; closed ones are counted."""
    memo = _Memo(lambda cell: _text_of(cell, closed=words.closed))
    names = [clean(group.name) for group in groups]
    width = max(map(len, names), default=0)
    starts = [f"  → {name:<{width}}  " for name in names]
    total = shown = 0
    for source, cells in rows:
        lines = [start + text for start, cell in zip(starts, cells, strict=True) if cell is not None and (text := memo[cell])]
        total += sum(cell is not None for cell in cells)
        shown += len(lines)
        if lines:
            yield f"{clean(source.name)}\n{''.join(lines)}"
    closed = total - shown
    rest = f"; {closed} have no open port (--closed, or -o csv, lists them)" if closed else ""
    yield f"\n{total} pairs by {words.by}{rest}\n"


def _text_of(cell: Cell, *, closed: bool) -> str:
    found = answers(cell)
    if not closed and all(answer.decision is Decision.DENY for answer in found):
        return ""
    open_ports = [a for a in found if a.decision is not Decision.DENY]
    shown = open_ports if open_ports and not closed else found
    return clean("; ".join(f"{_SIGNS[a.decision]} {a.ports} ({a.by})" for a in shown)) + "\n"


_SIGNS = {Decision.ALLOW: "✓", Decision.DENY: "✗", Decision.MIXED: "± mixed", Decision.UNKNOWN: "? unknown"}


# ---- csv


_COLUMNS = "from,to,allowed,mixed,unknown,allowed_by,denied_by,unknown_by\n"


def _csv(groups: Sequence[Group], rows: Rows, _: Words) -> Iterator[str]:
    memo = _Memo(_csv_of)
    starts = [f"{csv_cell(group.name)}," for group in groups]
    yield _COLUMNS
    for source, cells in rows:
        yield _lines(starts, memo, f"{csv_cell(source.name)},", cells)


def _csv_of(cell: Cell) -> str:
    found = answers(cell)
    columns = [_all_ports(cell, found, decision) for decision in (Decision.ALLOW, Decision.MIXED, Decision.UNKNOWN)]
    columns += [_all_by(found, decision) for decision in (Decision.ALLOW, Decision.DENY, Decision.UNKNOWN)]
    return ",".join(map(csv_cell, columns)) + "\n"


def _all_ports(cell: Cell, found: Sequence[Answer], decision: Decision) -> str:
    """The ports of all answers with one verdict."""
    ports = [answer.ports for answer in found if answer.decision is decision]
    return ports_in_words(cell, decision) if len(ports) > 1 else "".join(ports)


def _all_by(found: Sequence[Answer], decision: Decision) -> str:
    wanted = {decision, Decision.MIXED} if decision is Decision.DENY else {decision}
    return "; ".join(dict.fromkeys(answer.by for answer in found if answer.decision in wanted))


# ---- json


def _json(groups: Sequence[Group], rows: Rows, _: Words) -> Iterator[str]:
    """One array, an object a line: from, to, and the answers, each with its ports, verdict and deciding object."""
    memo = _Memo(_json_of)
    starts = [f'"to":{json_text(group.name)},' for group in groups]
    separator = "[\n"
    for source, cells in rows:
        text = _lines(starts, memo, f'{{"from":{json_text(source.name)},', cells)
        if text:
            yield separator + text[:-2]
            separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def _json_of(cell: Cell) -> str:
    found = [
        {
            "verdict": answer.decision.value,
            "ports": answer.ports,
            "layer": answer.ruling.layer.value,
            "decided_by": answer.decided_by,
        }
        for answer in answers(cell)
    ]
    allowed = _all_ports(cell, answers(cell), Decision.ALLOW)
    body = json_text({"allowed": allowed, "answers": found}, compact=True)
    return f"{body[1:]},\n"


# ---- dot


def _dot(groups: Sequence[Group], rows: Rows, _: Words) -> Iterator[str]:
    """A graph of who reaches whom; the label of an edge is its open ports."""
    memo = _Memo(_dot_of)
    targets = [f"{json_text(group.name)} " for group in groups]
    yield "digraph reachability {\n  rankdir=LR;\n  node [shape=box];\n"
    for group in groups:
        yield f"  {json_text(group.name)};\n"
    for source, cells in rows:
        head = f"  {json_text(source.name)} -> "
        edges = zip(targets, cells, strict=True)
        yield "".join([head + target + memo[cell] for target, cell in edges if cell is not None and memo[cell]])
    yield "}\n"


def _dot_of(cell: Cell) -> str:
    for decision, style in ((Decision.ALLOW, "solid"), (Decision.MIXED, "dashed"), (Decision.UNKNOWN, "dotted")):
        ports = ports_in_words(cell, decision)
        if ports:
            return f'[label="{ports}", style={style}];\n'
    return ""


# ---- the forms that other commands have too: from the rows of the JSON


def _records(groups: Sequence[Group], rows: Rows, words: Words) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads("".join(_json(groups, rows, words)))
    return found


def _generic(name: str) -> Form:
    def form(groups: Sequence[Group], rows: Rows, words: Words) -> Iterator[str]:
        records = _records(groups, rows, words)
        columns = (
            Column("FROM", key("from")),
            Column("TO", key("to")),
            Column("ALLOWED", key("allowed")),
            Column("BY", lambda row: "; ".join(_by(answer) for answer in row["answers"]), wide=True),
        )
        yield rendered(Whole(records, records, columns), name)

    return form


def _by(answer: dict[str, Any]) -> str:
    return f"{answer['verdict']} {answer['ports']} ({answer['layer']} {object_name(answer['decided_by']) or 'no policy'})"


Form = Callable[[Sequence[Group], Rows, "Words"], Iterator[str]]

FORMATS: dict[str, Form] = {
    "text": _text,
    "csv": _csv,
    "json": _json,
    "dot": _dot,
    "table": _generic("table"),
    "wide": _generic("wide"),
    "jsonl": _generic("jsonl"),
    "yaml": _generic("yaml"),
}
"""By the word after ``-o``."""
