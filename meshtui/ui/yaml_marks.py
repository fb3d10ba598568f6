"""YAML with its parts emphasized, and marks at the lines that findings name. Pure functions.

The text is read line by line, as Kubernetes writes it: no line needs another one, apart from the lines of a block scalar.
What isn't understood is left plain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import overload

from textual.content import Content

from meshtui.model.finding import Finding
from meshtui.model.ids import ObjectRef
from meshtui.ui.document import STYLES, Spot
from meshtui.ui.finding_marks import SEVERITIES
from meshtui.ui.text import clean

KEY, NUMBER, COMMENT = "$text-primary", "$text-success", "italic $foreground-muted"
"""The styles of the parts: variables of the theme. Texts have none."""
_LINE = re.compile(
    r"""\s*(?:-\s+)*"""
    r"""(?:(?P<key>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#'"\[{&*!|>%@`-][^#]*?|-[^\s#][^#]*?):(?=\s|$))?"""
    r"""\s*(?P<rest>.*)"""
)
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'')
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?|0x[0-9a-fA-F]+)\Z|(?:true|false|null|~)\Z")
_BLOCK = re.compile(r"[|>][-+0-9]*\s*(?:#.*)?\Z")
_DASH = re.compile(r"-(?:\s+|\Z)")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_KEPT = 2_000
"""So many lines are kept as they were drawn."""

Path = tuple[str | int, ...]
"""The keys and indices that lead to a value."""


def emphasized(row: str, *, inside: bool = False) -> Content:
    """A line, cleaned, with its key, number and comment emphasized. ``inside``: it belongs to a block scalar, and is text."""
    text = clean(row)
    content = Content(text)
    found = None if inside else _LINE.fullmatch(text)
    if found is None:
        return content
    if found["key"] is not None:
        content = content.stylize(KEY, found.start("key"), found.end("key") + 1)
    start, rest = found.span("rest")[0], found["rest"]
    quoted = _QUOTED.match(rest)
    comment = _COMMENT.search(rest, quoted.end() if quoted else 0)
    value = rest[: comment.start() if comment else None].rstrip()
    if _NUMBER.match(value):
        content = content.stylize(NUMBER, start, start + len(value))
    return content.stylize(COMMENT, start + comment.start()) if comment else content


def inside_blocks(rows: Sequence[str]) -> list[bool]:
    """Which lines belong to a block scalar (``|`` or ``>``)."""
    found: list[bool] = []
    indent = -1
    for row in rows:
        depth = len(row) - len(row.lstrip())
        if indent >= 0 and (not row.strip() or depth > indent):
            found.append(True)
            continue
        found.append(False)
        indent = _indent_of_block(row) if "|" in row or ">" in row else -1
    return found


def _indent_of_block(row: str) -> int:
    """The indentation that the lines of a block scalar, which begins at the end of a line, have to exceed; -1: none begins."""
    match = _LINE.fullmatch(row)
    if match is None or not _BLOCK.match(match["rest"]):
        return -1
    if match["key"] is not None:
        return match.start("key")
    return row.rfind("-", 0, match.start("rest"))


# ---- where a field is written


def lines_of(rows: Sequence[str], fields: Iterable[str]) -> dict[str, int]:
    """The line of each field, as ``spec.rules[0].from``; of one that isn't written, that of the nearest one above it.

    Fields without any written part aren't in the answer.
    """
    places = dict(_places(rows))
    found: dict[str, int] = {}
    for field in fields:
        path: Path = tuple(name or int(number) for name, number in _STEP.findall(field))
        while path and path not in places:
            path = path[:-1]
        if path:
            found[field] = places[path]
    return found


def _places(rows: Sequence[str]) -> Iterator[tuple[Path, int]]:
    """Each path that is written in block style, and its line."""
    above: list[tuple[int, Path]] = []  # the column of a key or a dash, and the path that it ends
    counts: dict[tuple[Path, int], int] = {}
    for number, (row, inside) in enumerate(zip(rows, inside_blocks(rows), strict=True)):
        at = len(row) - len(row.lstrip())
        if inside or row[at : at + 1] in {"", "#"}:
            continue
        while dash := _DASH.match(row, at):
            # A list may stand in the column of its key: only what is in the list ends with the next dash.
            while above and (above[-1][0] > at or (above[-1][0] == at and isinstance(above[-1][1][-1], int))):
                above.pop()
            parent = above[-1][1] if above else ()
            counts[parent, at] = counts.get((parent, at), -1) + 1
            above.append((at, (*parent, counts[parent, at])))
            yield above[-1][1], number
            at = dash.end()
        found = _LINE.fullmatch(row[at:])
        if found is None or found["key"] is None:
            continue
        while above and above[-1][0] >= at:
            above.pop()
        above.append((at, (*(above[-1][1] if above else ()), found["key"].strip("\"'"))))
        yield above[-1][1], number


# ---- marks


def marks_of(rows: Sequence[str], ref: ObjectRef, findings: Iterable[Finding]) -> dict[int, tuple[Finding, ...]]:
    """By line: the findings that name what is written there, the most severe first, one of each rule.

    A finding about the object as a whole stands at the first line.
    """
    about = sorted((each for each in findings if ref in each.at_fault and not each.ignored), key=lambda each: each.severity)
    fields = {id(each): each.field for each in about if each.field and each.objects[0] == ref}
    places = lines_of(rows, fields.values())
    marks: dict[int, dict[str, Finding]] = {}
    for each in about:
        marks.setdefault(places.get(fields.get(id(each), ""), 0), {}).setdefault(each.rule, each)
    return {number: tuple(found.values()) for number, found in marks.items()}


class YamlLines(Sequence[Content]):
    """The lines of an object's YAML, each with its marks at its end, and emphasized only when it is drawn.

    ``plain`` is the YAML without marks; ``texts`` are the lines with them; ``margin`` has what stands before a line.
    """

    def __init__(self, text: str, ref: ObjectRef, findings: Iterable[Finding] = ()) -> None:
        self._rows = text.split("\n")
        self._inside = inside_blocks(self._rows)
        self._known: dict[int, Content] = {}
        self._ends: dict[int, Content] = {}
        self.texts = [clean(row) for row in self._rows]
        self.plain = "\n".join(self.texts)
        self.margin: dict[int, Content] = {}
        self.spots: list[Spot] = []
        self._mark(marks_of(self._rows, ref, findings))

    def _mark(self, marks: Mapping[int, tuple[Finding, ...]]) -> None:
        for number, found in sorted(marks.items()):
            end = Content("")
            for finding in found:
                glyph, tone = SEVERITIES[finding.severity]
                end = end.append(Content.styled(f"  {glyph} ", STYLES[tone]))
                rule = clean(finding.rule)
                start = len(self.texts[number]) + len(end)
                self.spots.append(Spot(number, start, start + len(rule), finding))
                end = end.append(Content.styled(f"{rule} {clean(finding.name)}", STYLES[tone]))
            glyph, tone = SEVERITIES[found[0].severity]
            self.margin[number] = Content.styled(glyph, STYLES[tone])
            self._ends[number] = end
            self.texts[number] += end.plain

    def __len__(self) -> int:
        """The number of lines."""
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Content: ...
    @overload
    def __getitem__(self, index: slice) -> list[Content]: ...
    def __getitem__(self, index: int | slice) -> Content | list[Content]:
        """A line as it is drawn, without the margin."""
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if index not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            content = emphasized(self._rows[index], inside=self._inside[index])
            self._known[index] = content.append(self._ends[index]) if index in self._ends else content
        return self._known[index]
