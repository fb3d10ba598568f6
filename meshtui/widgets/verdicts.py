"""How a verdict and an observation look: glyph, word and tone."""

from __future__ import annotations

from meshtui.model.observation import Observation
from meshtui.model.verdict import Decision
from meshtui.widgets.document import BAD, DIM, OK, WARN

VERDICTS = {
    Decision.ALLOW: ("✓ allow", OK),
    Decision.DENY: ("✗ deny", BAD),
    Decision.MIXED: ("± mixed", WARN),
    Decision.UNKNOWN: ("? unknown", WARN),
}
"""A verdict's glyph, word and tone."""


def agreement(observation: Observation | None) -> tuple[str, str]:
    """Whether reality agrees: a glyph, a word, and the tone."""
    if observation is None:
        return "", DIM
    return {True: ("= agrees", OK), False: ("≠ DISAGREES", BAD), None: ("~ can't tell", WARN)}[observation.agrees]
