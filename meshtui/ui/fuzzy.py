"""Which names are meant by what was typed, best first. A pure function for every list that is searched by typing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_EDGE = re.compile(r"[\s/:._-]")


def rank(typed: str, names: Iterable[str], called: Callable[[str], str] | None = None) -> list[str]:
    """The names that have all typed characters in this order, best first; each name once.

    First the name itself, then those that begin with it, those with a word that begins with it, those that have it anywhere,
    and those with gaps, the narrowest first. Equally good ones keep their order, as all do if nothing is typed. ``called`` gives
    the part of a name by which people call it: of two that fit equally, the one that fits by this part is first.
    """
    wanted = "".join(typed.lower().split())
    unique = list(dict.fromkeys(names))
    if not wanted:
        return unique
    scored = [(score, place) for place, name in enumerate(unique) if (score := _best(wanted, name, called)) is not None]
    return [unique[place] for _, place in sorted(scored)]


def _best(wanted: str, name: str, called: Callable[[str], str] | None) -> tuple[int, int, int] | None:
    """How well a name fits, as a whole or by the part that it is called by: the smaller the better; None if it doesn't."""
    whole = _score(wanted, name.lower())
    if whole is None:
        return None
    part = _score(wanted, called(name).lower()) if called is not None else None
    fits = [(whole[0], 1, whole[1])] + ([(part[0], 0, part[1])] if part is not None else [])
    return min(fits)


def _score(wanted: str, name: str) -> tuple[int, int] | None:
    """How well a name fits: the smaller the better; None if it doesn't."""
    if name == wanted:
        return 0, 0
    if name.startswith(wanted):
        return 1, 0
    at = name.find(wanted)
    if at >= 0:
        edge = any(_EDGE.match(name[place - 1]) for place in _places(wanted, name))
        return (2 if edge else 3), 0
    spread = _spread(wanted, name)
    return None if spread is None else (4, spread)


def _places(wanted: str, name: str) -> Iterable[int]:
    at = name.find(wanted)
    while at >= 0:
        yield at
        at = name.find(wanted, at + 1)


def _spread(wanted: str, name: str) -> int | None:
    """The length of the part of a name over which the characters are spread; None if it doesn't have them in this order."""
    at = -1
    for char in wanted:
        at = name.find(char, at + 1)
        if at < 0:
            return None
    end = at
    for char in reversed(wanted[:-1]):  # from the first end backwards: the narrowest part that ends there
        at = name.rfind(char, 0, at)
    return end - at + 1
