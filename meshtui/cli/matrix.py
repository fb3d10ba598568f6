"""``meshtui matrix``: all pairs, with the allowed ports and who decides."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from meshtui.cli.command import Command
from meshtui.cli.source import one_snapshot
from meshtui.engine.explain.ports import Answer, answers, ports_in_words
from meshtui.engine.matrix.cells import Cell
from meshtui.engine.matrix.groups import BY, Group, groups_of, pairs
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.proxied import Proxied
from meshtui.engine.path.waypoint import services_with_waypoint
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision

if TYPE_CHECKING:
    from meshtui.settings import Settings


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", choices=BY, default="workload", help="what the rows and columns are (default: workload)")
    parser.add_argument("-o", "--output", choices=list(_FORMATS), default="text")
    parser.add_argument("--closed", action="store_true", help="text: list the pairs without an open port too")


def _run(args: argparse.Namespace, settings: Settings) -> int:
    snapshot = one_snapshot(settings)
    gc.disable()  # this process ends soon, and makes many objects but no circles of them
    matrix = Matrix(snapshot)
    groups = groups_of(matrix, args.by)
    scope = "" if settings.all_namespaces else settings.namespace
    proxied = Proxied(matrix, lambda *ends: not scope or scope in ends)
    chosen = _in_scope(groups, pairs(proxied.rows(), groups), scope)
    write = sys.stdout.write
    for text in _FORMATS[args.output](groups, chosen, args):
        write(text)
    for note in _notes(snapshot, proxied):
        sys.stderr.write(f"{note}\n")
    return 0


def _notes(snapshot: Snapshot, proxied: Proxied) -> Iterator[str]:
    """What a reader must know to read the answers right."""
    behind = services_with_waypoint(snapshot)
    if behind:
        some = f"{behind[0].meta.ref}" + (f" and {len(behind) - 1} more" if len(behind) > 1 else "")
        yield f"note: pairs are pods' own addresses; {some} sends callers through a waypoint: meshtui explain FROM TO"
    if proxied.left:
        yield f"note: {proxied.left} pairs behind proxies were too many to ask about, and say unknown: -n NAMESPACE narrows them"


Rows = Iterator[tuple[Group, list[Cell | None]]]


def _in_scope(groups: Sequence[Group], rows: Rows, namespace: str) -> Rows:
    """Only pairs with an end in the namespace that was asked for."""
    for source, cells in rows:
        if not namespace or source.namespace == namespace:
            yield source, cells
        else:
            yield source, [c if g.namespace == namespace else None for g, c in zip(groups, cells, strict=True)]


class _Words(dict[Cell, str]):
    """What is printed for a cell; cells are few, pairs are many."""

    def __init__(self, words: Callable[[Cell], str]) -> None:
        super().__init__()
        self._words = words

    def __missing__(self, cell: Cell) -> str:
        text = self[cell] = self._words(cell)
        return text


def _lines(starts: Sequence[str], words: _Words, head: str, cells: Sequence[Cell | None]) -> str:
    return "".join([f"{head}{start}{words[cell]}" for start, cell in zip(starts, cells, strict=True) if cell is not None])


# ---- text


def _text(groups: Sequence[Group], rows: Rows, args: argparse.Namespace) -> Iterator[str]:
    """The open pairs under their source; closed ones are counted."""
    words = _Words(lambda cell: _text_of(cell, closed=args.closed))
    width = max((len(group.name) for group in groups), default=0)
    starts = [f"  → {group.name:<{width}}  " for group in groups]
    total = shown = 0
    for source, cells in rows:
        lines = [start + text for start, cell in zip(starts, cells, strict=True) if cell is not None and (text := words[cell])]
        total += sum(cell is not None for cell in cells)
        shown += len(lines)
        if lines:
            yield f"{source.name}\n{''.join(lines)}"
    closed = total - shown
    rest = f"; {closed} have no open port (--closed, or -o csv, lists them)" if closed else ""
    yield f"\n{total} pairs by {args.by}{rest}\n"


def _text_of(cell: Cell, *, closed: bool) -> str:
    found = answers(cell)
    if not closed and all(answer.decision is Decision.DENY for answer in found):
        return ""
    open_ports = [a for a in found if a.decision is not Decision.DENY]
    shown = open_ports if open_ports and not closed else found
    return "; ".join(f"{_SIGNS[a.decision]} {a.ports} ({a.by})" for a in shown) + "\n"


_SIGNS = {Decision.ALLOW: "✓", Decision.DENY: "✗", Decision.MIXED: "± mixed", Decision.UNKNOWN: "? unknown"}


# ---- csv


_COLUMNS = "from,to,allowed,mixed,unknown,allowed_by,denied_by,unknown_by\n"


def _csv(groups: Sequence[Group], rows: Rows, _args: argparse.Namespace) -> Iterator[str]:
    words = _Words(_csv_of)
    starts = [f"{_quoted(group.name)}," for group in groups]
    yield _COLUMNS
    for source, cells in rows:
        yield _lines(starts, words, f"{_quoted(source.name)},", cells)


def _csv_of(cell: Cell) -> str:
    found = answers(cell)
    columns = [_all_ports(cell, found, decision) for decision in (Decision.ALLOW, Decision.MIXED, Decision.UNKNOWN)]
    columns += [_all_by(found, decision) for decision in (Decision.ALLOW, Decision.DENY, Decision.UNKNOWN)]
    return ",".join(map(_quoted, columns)) + "\n"


def _all_ports(cell: Cell, found: Sequence[Answer], decision: Decision) -> str:
    """The ports of all answers with one verdict."""
    ports = [answer.ports for answer in found if answer.decision is decision]
    return ports_in_words(cell, decision) if len(ports) > 1 else "".join(ports)


def _all_by(found: Sequence[Answer], decision: Decision) -> str:
    wanted = {decision, Decision.MIXED} if decision is Decision.DENY else {decision}
    return "; ".join(dict.fromkeys(answer.by for answer in found if answer.decision in wanted))


def _quoted(text: str) -> str:
    """RFC 4180; a name can't hold a quote or a comma, but a manifest may say anything."""
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\n\r') else text


# ---- json


def _json(groups: Sequence[Group], rows: Rows, _args: argparse.Namespace) -> Iterator[str]:
    """One array, an object a line: from, to, and the answers, each with its ports, verdict and deciding object."""
    words = _Words(_json_of)
    starts = [f'"to":{json.dumps(group.name, ensure_ascii=False)},' for group in groups]
    separator = "[\n"
    for source, cells in rows:
        text = _lines(starts, words, f'{{"from":{json.dumps(source.name, ensure_ascii=False)},', cells)
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
    body = json.dumps({"allowed": allowed, "answers": found}, ensure_ascii=False, separators=(",", ":"))
    return f"{body[1:]},\n"


# ---- dot


def _dot(groups: Sequence[Group], rows: Rows, _args: argparse.Namespace) -> Iterator[str]:
    """A graph of who reaches whom; the label of an edge is its open ports."""
    words = _Words(_dot_of)
    targets = [f"{json.dumps(group.name, ensure_ascii=False)} " for group in groups]
    yield "digraph reachability {\n  rankdir=LR;\n  node [shape=box];\n"
    for group in groups:
        yield f"  {json.dumps(group.name, ensure_ascii=False)};\n"
    for source, cells in rows:
        head = f"  {json.dumps(source.name, ensure_ascii=False)} -> "
        edges = zip(targets, cells, strict=True)
        yield "".join([head + target + words[cell] for target, cell in edges if cell is not None and words[cell]])
    yield "}\n"


def _dot_of(cell: Cell) -> str:
    for decision, style in ((Decision.ALLOW, "solid"), (Decision.MIXED, "dashed"), (Decision.UNKNOWN, "dotted")):
        ports = ports_in_words(cell, decision)
        if ports:
            return f'[label="{ports}", style={style}];\n'
    return ""


_FORMATS: dict[str, Callable[[Sequence[Group], Rows, argparse.Namespace], Iterator[str]]] = {
    "text": _text,
    "csv": _csv,
    "json": _json,
    "dot": _dot,
}

COMMAND = Command("matrix", "all pairs: allowed ports and who decides", _arguments, _run)
