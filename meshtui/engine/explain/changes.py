"""The changes that would let a denied flow pass, and their effect, as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from meshtui.engine.explain.effect import Effect
from meshtui.engine.explain.proposals import Change
from meshtui.engine.explain.shifts import shift_in_words
from meshtui.engine.explain.wording import effect_words, in_words
from meshtui.engine.whatif.shifts import Shift
from meshtui.model.verdict import Hop

MOST_SHOWN = 5
"""The maximum number of flows that are listed; the others are counted."""


def hop_in_words(hop: Hop) -> str:
    """``a/web → a/db on TCP 15008``."""
    port = f" on {hop.protocol} {hop.port}" if hop.port else ""
    return f"{hop.source} → {hop.destination}{port}"


def change_in_words(change: Change) -> str:
    """One line: the layer, the connection that it blocks, and what to do."""
    return f"{change.layer.value}, {hop_in_words(change.hop)}: {in_words(change.why)}"


def warnings_in_words(effect: Effect | None, most: int = MOST_SHOWN) -> tuple[str, ...]:
    """What else the changes would open or close, with the number of these flows; to be said first. Empty for nothing."""
    if effect is None:
        return ()
    return (*_listed("also_opens", effect.opens, most), *_listed("also_closes", effect.closes, most))


def _listed(word: str, shifts: Sequence[Shift], most: int) -> Iterable[str]:
    if not shifts:
        return ()
    more = (effect_words("more", count=len(shifts) - most),) if len(shifts) > most else ()
    shown = (f"  {shift_in_words(shift)}" for shift in shifts[:most])
    return (effect_words(word, count=len(shifts)), *shown, *(f"  {text}" for text in more))


def conclusion_in_words(changes: Sequence[Change], effect: Effect | None) -> tuple[str, ...]:
    """What the what-if says of all edits together, what has to be filled in, and what wasn't compared."""
    blanks = sorted({blank for change in changes for blank in change.placeholders})
    lines = [effect_words("fill_in", blank=blank) for blank in blanks]
    if effect is None:
        return tuple(lines)
    lines.append(effect_words(_judgement(changes, effect), decision=effect.decision.value))
    return (*lines, effect_words("left_out", what="; ".join(effect.left_out))) if effect.left_out else tuple(lines)


def _judgement(changes: Sequence[Change], effect: Effect) -> str:
    if not effect.enough:
        return "not_enough_alone" if any(change.edit is None for change in changes) else "not_enough"
    blanks = any(change.placeholders for change in changes)
    return "enough" if effect.opens or effect.closes or blanks else "enough_and_exact"


def changes_in_words(changes: Sequence[Change], effect: Effect | None) -> tuple[str, ...]:
    """All of it: the warnings, the changes in order, the conclusion."""
    return (*warnings_in_words(effect), *map(change_in_words, changes), *conclusion_in_words(changes, effect))
