"""Changes of an object as replacements in the text of its file, which leave comments and order as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from meshtui.model.finding import Edit, Operation
from meshtui.sources.manifest_lines import nodes_of
from meshtui.sources.manifest_yaml import yaml_text

_ANCHOR = re.compile(rb"(?:^|[\s\[{,])&[^\s&]")
"""What may be an anchor: with one, a change in one place may be a change in others."""
Position = tuple[int, int]
"""A line and a column, both from 1."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """A piece of a file's text, and what comes in its place. ``start`` equals ``end`` where text is only inserted."""

    start: Position
    end: Position
    text: str


def replacements(file: str, edit: Edit) -> tuple[Replacement, ...]:
    """The changes of one object in its file; empty where they can't be written as such, and for an object that is created.

    Operations add to lists and maps that are there, or make them, and replace values. All are relative to the text as it is: two
    of them never change the same place.
    """
    content = _content(file)
    if edit.create is not None or _ANCHOR.search(content):
        return ()
    lines = content.decode(errors="replace").split("\n")
    node = dict(nodes_of(Path(file))).get(edit.ref)
    found = [_replacement(node, operation) for operation in edit.operations] if node is not None else []
    made = [each for each in found if each is not None]
    made = [each for each in made if each.start == each.end or not each.text.startswith(" ") or _is_after_colon(lines, each)]
    whole = len(made) == len(edit.operations) and len({each.start for each in made}) == len(made)
    return tuple(made) if whole else ()


def _is_after_colon(lines: Sequence[str], made: Replacement) -> bool:
    """Whether a value's place begins after its key's colon: there may be blanks between the key and it."""
    line, column = made.start
    return lines[line - 1][column - 2 : column - 1] == ":"


def _content(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError:
        return b""


def applied(text: str, several: Sequence[Replacement]) -> str:
    """A text after replacements."""
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))

    def offset(position: Position) -> int:
        line, column = position
        return min(starts[min(line - 1, len(lines))] + column - 1, len(text))

    for each in sorted(several, key=lambda each: each.start, reverse=True):
        text = text[: offset(each.start)] + each.text + text[offset(each.end) :]
    return text


def _replacement(node: Any, operation: Operation) -> Replacement | None:
    """One operation, applied to the deepest node of its path that is there."""
    value: Any = operation.value
    path, start = list(operation.path), _position(node.start_mark)
    while path:
        child = _child(node, path[0])
        if child is None:
            break
        key, node = child
        start = _position(node.start_mark if key is None else key.end_mark)
        path.pop(0)
    inserts = operation.op == "add" and isinstance(operation.path[-1], int)  # before what is there
    if operation.op not in {"add", "replace"} or not _is_written(node) or inserts:
        return None
    if path and (operation.op == "replace" or any(isinstance(key, int) for key in path)):
        return None
    if not path:
        after_key = isinstance(operation.path[-1], str)
        return Replacement((start[0], start[1] + after_key), _end(node), f"{' ' * after_key}{_flow(value)}")
    for key in reversed(path[1:]):
        value = [value] if key == "-" else {str(key): value}
    if isinstance(node, yaml.SequenceNode) and path[0] == "-":
        return _into(node, value, key=None)
    if isinstance(node, yaml.MappingNode) and isinstance(path[0], str) and path[0] != "-":
        return _into(node, value, key=path[0])
    return None


def _child(node: Any, key: str | int) -> tuple[Any, Any] | None:
    """The node of a key, or of a member of a list, after that of the key itself, if it has one."""
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
        return (None, node.value[key]) if key < len(node.value) else None
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    found = [(name, value) for name, value in pairs if isinstance(name, yaml.ScalarNode) and name.value == str(key)]
    return found[-1] if found and not _is_null(found[-1][1]) else None


def _is_null(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value in {"", "~", "null"} and node.style is None


def _is_written(node: Any) -> bool:
    """Whether a node has a place of its own: an alias of another one has not."""
    return isinstance(node, (yaml.MappingNode, yaml.SequenceNode, yaml.ScalarNode))


def _into(node: Any, value: Any, *, key: str | None) -> Replacement | None:
    """A new last member of a list or map."""
    if node.flow_style:
        place = _end(node)[0], _end(node)[1] - 1  # before the bracket
        head = f"{json.dumps(key)}: " if key is not None else ""
        return Replacement(place, place, f"{', ' if node.value else ''}{head}{_flow(value)}")
    if not node.value or (key is not None and any(name.value == key for name, _ in node.value)):
        return None  # a key with nothing after it
    first, last = node.value[0], node.value[-1]
    mark = (first[0] if key is not None else first).start_mark
    column = mark.column if key is not None else _dash(node)
    line, at = _end(last[1] if key is not None else last)
    indent = " " * column
    block = yaml_text({key: value} if key is not None else [value]).rstrip("\n")
    text = "".join(f"\n{indent}{each}" if each else "\n" for each in block.split("\n"))
    return Replacement((line, at), (line, at), text)


def _dash(node: Any) -> int:
    """The column of the dashes of a block sequence."""
    return int(node.start_mark.column)


def _position(mark: Any) -> Position:
    return mark.line + 1, mark.column + 1


def _end(node: Any) -> Position:
    """Where a node's text ends. Blocks end, for the parser, where the next token begins: their last leaf counts."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return _position(node.end_mark)
    last = node.value[-1]
    return _end(last[1] if isinstance(node, yaml.MappingNode) else last)


def _flow(value: Any) -> str:
    """A value as JSON in one line, which is YAML too."""
    return json.dumps(value, ensure_ascii=False)
