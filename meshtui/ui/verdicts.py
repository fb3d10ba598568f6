"""How a verdict and an observation look: glyph, word and tone."""

from __future__ import annotations

from datetime import datetime

from meshtui.model.observation import Observation
from meshtui.model.verdict import Decision
from meshtui.ui.document import BAD, OK, WARN
from meshtui.ui.text import age

VERDICTS = {
    Decision.ALLOW: ("✓ allow", OK),
    Decision.DENY: ("✗ deny", BAD),
    Decision.MIXED: ("± mixed", WARN),
    Decision.UNKNOWN: ("? unknown", WARN),
}
"""A verdict's glyph, word and tone."""


OLD = "! old"


def agreement(observation: Observation, *, old: bool) -> tuple[str, str]:
    """Whether an observation agrees: glyph, word and tone.

    ``old``: the verdict, or a policy that decides it, has changed since; the observation no longer counts.
    """
    if old:
        return OLD, WARN
    return {True: ("= agrees", OK), False: ("≠ DISAGREES", BAD), None: ("~ can't tell", WARN)}[observation.agrees]


def seen_ago(observation: Observation, now: datetime) -> str:
    """The age of an observation, ``12s ago``; empty if its time isn't known."""
    return f"{age((now - observation.at).total_seconds())} ago" if observation.at is not None else ""
