"""Folds the annotation with which kubectl repeats a whole manifest. A pure function on the lines of YAML."""

from __future__ import annotations

import re

_REPEATED = re.compile(r"""(?P<indent>\s*)(?P<key>["']?kubectl\.kubernetes\.io/last-applied-configuration["']?:)(?P<rest>.*)""")


def folded(text: str, unfolds: str) -> str:
    """YAML with the annotation on one line, with its size and the key that unfolds it; unchanged where it isn't there."""
    lines, found = text.split("\n"), []
    at, changed = 0, False
    while at < len(lines):
        match = _REPEATED.fullmatch(lines[at])
        if match is None:
            found.append(lines[at])
            at += 1
            continue
        end = _end(lines, at + 1, len(match["indent"]))
        value = (match["rest"].strip(" |>-+'\""), *(line.strip() for line in lines[at + 1 : end]))
        size = sum(len(line.encode()) for line in value)
        found.append(f"{match['indent']}{match['key']} … {size} B, {unfolds} unfolds")
        at, changed = end, True
    return "\n".join(found) if changed else text


def _end(lines: list[str], at: int, indent: int) -> int:
    """The first line behind a value: one that isn't indented further than its key. Empty lines inside it belong to it."""
    end = at
    for place in range(at, len(lines)):
        line = lines[place]
        if not line.strip():
            continue
        if len(line) - len(line.lstrip()) <= indent:
            break
        end = place + 1
    return end
