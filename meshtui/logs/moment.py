"""Times in log lines: anybody may choose one, and it is calculated with in every time zone."""

from __future__ import annotations

from datetime import UTC, datetime

_YEARS = range(1970, 9999)
"""In these every time zone has the moment, and some days before and after it."""


def moment_of(text: str) -> datetime | None:
    """The moment that a line names, in UTC, also where it names no zone; None if it names none that can be calculated with."""
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found.year in _YEARS else None
