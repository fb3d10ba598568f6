"""What is typed after ``/``: words, ``!`` and words, ``-l`` and a label selector, ``-f`` and letters. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from meshtui.ui.fuzzy import rank

HINT = "words to look for · !words to leave out · -l app=x a label · -f letters in this order"
"""What may be typed, in the order of use: its beginning is what a narrow terminal shows."""
_TERM = re.compile(r"^(?P<key>[^!=\s,]+)\s*(?P<sign>==|=|!=)\s*(?P<value>[^!=,\s]*)$")


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter: ``holds`` says whether a row with this text (in lower case) and these labels is left."""

    holds: Callable[[str, Mapping[str, str]], bool]
    labelled: bool = False
    """Whether it looks at labels."""
    error: str = ""


def parse(needle: str) -> Filter:
    """The filter for what was typed, as k9s reads it: all words have to be in a row; ``!`` turns this round."""
    text = needle.strip()
    if text.startswith("-l"):
        return _by_labels(text[2:].strip())
    if text.startswith("-f"):
        letters = "".join(text[2:].split())
        return Filter(lambda row, _: not letters or bool(rank(letters, row.split())))  # all in one word: in a row are many
    if text.startswith("!"):
        words = text[1:].lower().split()
        return Filter(lambda row, _: not words or not all(word in row for word in words))
    words = text.lower().split()
    return Filter(lambda row, _: all(word in row for word in words))


def _by_labels(selector: str) -> Filter:
    """A selector of equalities: ``a=b``, ``a!=b``, ``a``, ``!a``, separated by commas."""
    terms: list[Callable[[Mapping[str, str]], bool]] = []
    for part in filter(None, (piece.strip() for piece in selector.split(","))):
        found = _TERM.match(part)
        if found is not None:
            terms.append(_compares(found["key"], found["value"], equal=found["sign"] != "!="))
        elif re.fullmatch(r"!?[^!=\s]+", part):
            terms.append(_has(part.removeprefix("!"), wanted=not part.startswith("!")))
        else:
            return Filter(lambda _row, _labels: False, True, f"{part!r} is no selector: a=b, a!=b, a or !a")
    return Filter(lambda _, labels: all(term(labels) for term in terms), True)


def _compares(key: str, value: str, *, equal: bool) -> Callable[[Mapping[str, str]], bool]:
    return lambda labels: (labels.get(key) == value) is equal


def _has(key: str, *, wanted: bool) -> Callable[[Mapping[str, str]], bool]:
    return lambda labels: (key in labels) is wanted
