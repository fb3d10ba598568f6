"""The matrix in all formats. Each format is a stream of text; the words of equal cells are computed once."""

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
from meshtui.engine.explain.ports import ON_REQUEST, Answer, answers, answers_of_services, ports_in_words
from meshtui.engine.matrix.cells import Cell
from meshtui.engine.matrix.groups import Group
from meshtui.model.plain import clean
from meshtui.model.verdict import Decision

if TYPE_CHECKING:
    from meshtui.cli.commands.matrix import Words

Rows = Iterator[tuple[Group, list[Cell | None]]]


def in_scope(groups: Sequence[Group], rows: Rows, namespace: str) -> Rows:
    """The pairs with an end in the requested namespace."""
    for source, cells in rows:
        if not namespace or source.namespace == namespace:
            yield source, cells
        else:
            yield source, [c if g.namespace == namespace else None for g, c in zip(groups, cells, strict=True)]


def counted(rows: Rows, total: int) -> Rows:
    """The same rows, with progress on standard error."""
    progress = Progress("judging all pairs", total)
    for row in rows:
        yield row
        progress.step()
    progress.end()


class _Memo(dict[Cell, str]):
    """Cache of the printed text by cell: there are few different cells, and many pairs."""

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
    """The open pairs by source; closed pairs are counted."""
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
    if not closed and all(answer.decision is Decision.DENY for answer in (*found, *answers_of_services(cell))):
        return ""
    open_ports = [a for a in found if a.decision is not Decision.DENY]
    shown = [*(open_ports if open_ports and not closed else found), *answers_of_services(cell)]
    return clean("; ".join(f"{_sign(a)} {a.ports} ({a.by})" for a in shown)) + "\n"


def _sign(answer: Answer) -> str:
    return f"◇ {ON_REQUEST}" if answer.on_request else _SIGNS[answer.decision]


_SIGNS = {Decision.ALLOW: "✓", Decision.DENY: "✗", Decision.MIXED: "± mixed", Decision.UNKNOWN: "? unknown"}


# ---- csv


_COLUMNS = "from,to,allowed,mixed,unknown,allowed_by,denied_by,unknown_by,depends_on_request\n"


def _csv(groups: Sequence[Group], rows: Rows, _: Words) -> Iterator[str]:
    memo = _Memo(_csv_of)
    starts = [f"{csv_cell(group.name)}," for group in groups]
    yield _COLUMNS
    for source, cells in rows:
        yield _lines(starts, memo, f"{csv_cell(source.name)},", cells)


def _csv_of(cell: Cell) -> str:
    found = answers(cell)
    columns = [_all_ports(cell, found, decision) for decision in (Decision.ALLOW, Decision.MIXED, Decision.UNKNOWN)]
    depends = [answer for answer in found if answer.on_request]
    columns += [_all_by(found, decision) for decision in (Decision.ALLOW, Decision.DENY, Decision.UNKNOWN)]
    columns.append("; ".join(answer.ports for answer in depends))
    return ",".join(map(csv_cell, columns)) + "\n"


def _all_ports(cell: Cell, found: Sequence[Answer], decision: Decision) -> str:
    """The ports of all answers with one verdict, as text."""
    ports = [answer.ports for answer in found if answer.decision is decision]
    return ports_in_words(cell, decision) if len(ports) > 1 else "".join(ports)


def _all_by(found: Sequence[Answer], decision: Decision) -> str:
    wanted = {decision, Decision.MIXED} if decision is Decision.DENY else {decision}
    return "; ".join(dict.fromkeys(answer.by for answer in found if answer.decision in wanted))


# ---- json


def _json(groups: Sequence[Group], rows: Rows, _: Words) -> Iterator[str]:
    """One array with one object per line: from, to, and the answers with ports, verdict and deciding object."""
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
    found = answers(cell)
    body: dict[str, Any] = {"allowed": _all_ports(cell, found, Decision.ALLOW), "answers": [_answer(a) for a in found]}
    if cell.services:
        through = zip(cell.services, answers_of_services(cell), strict=True)
        body["services"] = [
            {"service": each.service, "port": each.port, **_answer(answer, ports=False)} for each, answer in through
        ]
    return f"{json_text(body, compact=True)[1:]},\n"


def _answer(answer: Answer, *, ports: bool = True) -> dict[str, Any]:
    return {
        "verdict": answer.decision.value,
        **({"ports": answer.ports} if ports else {}),
        "layer": answer.ruling.layer.value,
        "decided_by": answer.decided_by,
        **({"depends_on": "request"} if answer.on_request else {}),
    }


# ---- dot


def _dot(groups: Sequence[Group], rows: Rows, _: Words) -> Iterator[str]:
    """A graph with an edge for each pair with open ports, which are its label."""
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
    verdict = ON_REQUEST if "depends_on" in answer else answer["verdict"]
    return f"{verdict} {answer['ports']} ({answer['layer']} {object_name(answer['decided_by']) or 'no policy'})"


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
