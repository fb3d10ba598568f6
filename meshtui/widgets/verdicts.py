"""How a verdict and an observation look: glyph, word and tone."""

from __future__ import annotations

from datetime import datetime

from meshtui.model.observation import Observation
from meshtui.model.verdict import Decision
from meshtui.widgets.document import BAD, OK, WARN
from meshtui.widgets.text import age

VERDICTS = {
    Decision.ALLOW: ("✓ allow", OK),
    Decision.DENY: ("✗ deny", BAD),
    Decision.MIXED: ("± mixed", WARN),
    Decision.UNKNOWN: ("? unknown", WARN),
}
"""A verdict's glyph, word and tone."""


OLD = "! old"


def agreement(observation: Observation, *, old: bool) -> tuple[str, str]:
    """Whether reality agrees: a glyph, a word, and the tone.

    ``old`` says that the verdict, or a policy that decides it, changed since: then the observation proves nothing.
    """
    if old:
        return OLD, WARN
    return {True: ("= agrees", OK), False: ("≠ DISAGREES", BAD), None: ("~ can't tell", WARN)}[observation.agrees]


def seen_ago(observation: Observation, now: datetime) -> str:
    """``12s ago``: how old an observation is; empty where its time isn't known."""
    return f"{age((now - observation.at).total_seconds())} ago" if observation.at is not None else ""
