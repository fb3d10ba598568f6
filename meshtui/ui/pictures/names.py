"""Short forms of names, for the heads of columns and lifelines. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len


def short_names(names: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Names that fit, no two alike: whole, else shortened so that they begin no other name, else a number."""
    taken = {name for name, width in zip(names, widths, strict=True) if cell_len(name) <= width}
    found = []
    for number, (name, width) in enumerate(zip(names, widths, strict=True), 1):
        short = name
        if cell_len(name) > width:
            others = [each for each in names if each != name]
            fitting = (each for each in _ways(name, number) if cell_len(each) <= width and each not in taken)
            short = next(each for each in fitting if not any(other.startswith(each) for other in others))
        taken.add(short)
        found.append(short)
    return found


def _ways(name: str, number: int) -> Iterator[str]:
    """Short forms of a name, the best first: without its last words, the beginnings of some, consonants, initials."""
    words = [word for word in re.split(r"[-/.]", name) if word]
    for count in range(len(words) - 1, 0, -1):
        yield "-".join(words[:count])
    if len(words) > 1:
        yield f"{words[0][:3]}-{words[-1][:4]}"
        yield f"{words[0][:2]}-{words[-1][:2]}"
        yield "".join(word[0] for word in words)
    elif words:
        yield from (words[0][:count] for count in (6, 5, 4, 3))
        consonants = words[0][0] + re.sub("[aeiou]", "", words[0][1:])
        yield from (consonants[:count] for count in (6, 5, 4, 3))
    yield f"#{number}"
    yield from (f"#{number}{extra}" for extra in "abcdefgh")
