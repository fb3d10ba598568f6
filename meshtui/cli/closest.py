"""Suggestions for misspelled words."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``: did you mean 'x'?`` with the closest known word, or an empty string."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(known), n=1)
    return f": did you mean {found[0]!r}?" if found else ""
