"""YAML with its parts emphasized, and marks at the lines that findings name. Pure functions.

The text is read line by line, as it is written by Kubernetes: no line needs another one, apart from the lines of a block scalar.
What isn't understood is left plain.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from textual.content import Content

from meshtui.model.finding import Finding, Severity
from meshtui.ui.document import BAD, DIM, STYLES, WARN
from meshtui.ui.finding_marks import SEVERITIES
from meshtui.ui.text import clean

KEY, TEXT, NUMBER, COMMENT = "key", "text", "number", "comment"
LOOKS = {
    KEY: "$text-primary",
    TEXT: "",
    NUMBER: "$text-success",
    COMMENT: "italic $foreground-muted",
}
"""By part: variables of the theme; all of them have enough contrast on the background of a text."""
_LINE = re.compile(
    r"""(?P<lead>\s*(?:-\s+)*)"""
    r"""(?:(?P<key>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#'"\[{&*!|>%@`-][^#]*?|-[^\s#][^#]*?):(?=\s|$))?"""
    r"""(?P<gap>\s*)(?P<rest>.*)"""
)
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'')
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?|0x[0-9a-fA-F]+)\Z|(?:true|false|null|~)\Z")
_BLOCK = re.compile(r"[|>][-+0-9]*\s*(?:#.*)?\Z")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_INDEX = re.compile(r"-(?=\s|$)")
Part = tuple[int, int, str]


def parts_of(row: str, *, inside: bool = False) -> list[Part]:
    """The parts of a line: begin, end and kind. ``inside``: it belongs to a block scalar, and is text."""
    if inside:
        return [(0, len(row), TEXT)] if row else []
    if row.lstrip().startswith("#"):
        return [(0, len(row), COMMENT)]
    found = _LINE.match(row)
    if found is None:
        return []
    parts: list[Part] = []
    if found["key"] is not None:
        parts.append((found.start("key"), found.end("key") + 1, KEY))
    start, rest = found.start("rest"), found["rest"]
    value, comment = _without_comment(rest)
    if value:
        parts.append((start, start + len(value), NUMBER if _NUMBER.match(value) else TEXT))
    if comment >= 0:
        parts.append((start + comment, len(row), COMMENT))
    return parts


def _without_comment(rest: str) -> tuple[str, int]:
    """A value, and where a comment begins behind it (-1: there is none)."""
    quoted = _QUOTED.match(rest)
    after = quoted.end() if quoted else 0
    found = _COMMENT.search(rest, after)
    if found is None:
        return rest.rstrip(), -1
    at = found.start() + (len(found[0]) - len(found[0].lstrip()))
    return rest[: found.start()].rstrip(), at


def inside_blocks(rows: Sequence[str]) -> list[bool]:
    """Which lines belong to a block scalar (``|`` or ``>``)."""
    found: list[bool] = []
    indent = -1
    for row in rows:
        depth = len(row) - len(row.lstrip())
        if indent >= 0 and (not row.strip() or depth > indent):
            found.append(True)
            continue
        indent = -1
        found.append(False)
        if row.rstrip()[-1:] in {"|", ">", "-", "+"} or "#" in row:
            match = _LINE.match(row)
            if match is not None and _BLOCK.match(match["rest"]):
                lead = match["lead"]
                indent = len(lead) if match["key"] is not None else len(lead.rstrip().rstrip("-"))
    return found


# ---- where a field is written


def lines_of(rows: Sequence[str], fields: Iterable[str]) -> dict[str, int]:
    """The line of each field, as ``spec.rules[0].from``; of one that isn't written, that of the nearest one above it.

    Fields without any written part aren't in the answer.
    """
    places = dict(_places(rows))
    found: dict[str, int] = {}
    for field in fields:
        path = tuple(name or int(number) for name, number in _STEP.findall(field))
        while path and path not in places:
            path = path[:-1]
        if path:
            found[field] = places[path]
    return found


Path = tuple[str | int, ...]


def _places(rows: Sequence[str]) -> Iterator[tuple[Path, int]]:
    """Each path that is written in block style, and its line."""
    inside = inside_blocks(rows)
    stack: list[tuple[int, Path]] = []  # the indentation of a key or a dash, and the path that it ends
    counts: dict[tuple[Path, int], int] = {}
    for number, row in enumerate(rows):
        text = row.lstrip()
        if inside[number] or not text or text.startswith("#"):
            continue
        at = len(row) - len(text)
        while _INDEX.match(row, at):
            while stack and (stack[-1][0] > at or (stack[-1][0] == at and isinstance(stack[-1][1][-1], int))):
                stack.pop()
            above = stack[-1][1] if stack else ()
            place = counts.get((above, at), -1) + 1
            counts[above, at] = place
            stack.append((at, (*above, place)))
            yield stack[-1][1], number
            at += 1
            at += len(row[at:]) - len(row[at:].lstrip())
        found = _LINE.match(row[at:])
        if found is None or found["key"] is None:
            continue
        while stack and stack[-1][0] >= at:
            stack.pop()
        above = stack[-1][1] if stack else ()
        stack.append((at, (*above, found["key"].strip("\"'"))))
        yield stack[-1][1], number


# ---- marks


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands at a line: a severity, and the rules that say it."""

    severity: Severity
    rules: tuple[str, ...]


def marks_of(rows: Sequence[str], findings: Iterable[Finding]) -> dict[int, Mark]:
    """By line: the findings whose field is written there. A finding about the whole object stands at the first line."""
    about = [finding for finding in findings if not finding.ignored]
    places = lines_of(rows, {finding.field for finding in about if finding.field})
    marks: dict[int, Mark] = {}
    for finding in about:
        number = places.get(finding.field, 0)
        before = marks.get(number)
        severity = min(before.severity, finding.severity) if before else finding.severity
        marks[number] = Mark(severity, tuple(dict.fromkeys((*(before.rules if before else ()), finding.rule))))
    return marks


def emphasized(row: str, *, inside: bool = False, mark: Mark | None = None, margin: bool = False) -> Content:
    """A line as it is shown, cleaned; with a ``margin`` for marks, and with the rules of its mark at its end."""
    text = clean(row)
    content = Content(text)
    for start, end, kind in parts_of(text, inside=inside):
        if LOOKS[kind]:
            content = content.stylize(LOOKS[kind], start, end)
    if not margin:
        return content
    if mark is None:
        return Content("  ").append(content)
    glyph, tone = SEVERITIES[mark.severity]
    rules = Content.styled(f"  {glyph} {', '.join(mark.rules)}", STYLES[tone])
    return Content.styled(f"{glyph} ", STYLES[tone]).append(content).append(rules)


class Rows(Sequence[Content]):
    """The lines of a YAML text, each emphasized when it is drawn: a text of many thousand lines costs nothing more."""

    def __init__(self, text: str, findings: Iterable[Finding] = ()) -> None:
        self._rows = text.split("\n")
        self._inside = inside_blocks(self._rows)
        self.marks: Mapping[int, Mark] = marks_of(self._rows, findings)
        self._known: dict[int, Content] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index):  # type: ignore[no-untyped-def, override]
        """One line; slices are lists of lines."""
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if index not in self._known:
            if len(self._known) > _KEPT:
                self._known.clear()
            marked = bool(self.marks)
            self._known[index] = emphasized(
                self._rows[index], inside=self._inside[index], mark=self.marks.get(index), margin=marked
            )
        return self._known[index]

    def plain(self) -> list[str]:
        """The lines as text, as they are drawn."""
        if not self.marks:
            return [clean(row) for row in self._rows]
        return [self[number].plain if number in self.marks else f"  {clean(row)}" for number, row in enumerate(self._rows)]


_KEPT = 2_000
