"""Durations in the format of kubectl's flags."""

from __future__ import annotations

import math
import re

from meshtui.model.errors import UsageError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def seconds_of(text: str) -> float:
    """The seconds in ``30s``, ``1m``, ``2m30s``, ``500ms`` or a plain number.

    The result is 0 or more. Raises UsageError for any other text.
    """
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"{text!r} isn't a duration", "write 30s, 1m, 2m30s, or a number of seconds")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def timeout_of(text: str) -> float:
    """The same for a timeout: as in kubectl, 0 means no timeout (infinity). Raises UsageError."""
    seconds = seconds_of(text)
    return seconds if seconds > 0 else math.inf
