"""Truncation of long values."""

from __future__ import annotations

from typing import Any

_SHOWN_ITEMS = 5
_SHOWN_TEXT = 2000


def shortened(value: Any) -> Any:
    """A long list or text truncated, with a note that it was truncated."""
    if isinstance(value, list) and len(value) > _SHOWN_ITEMS:
        return [*value[:_SHOWN_ITEMS], f"… {len(value) - _SHOWN_ITEMS} more"]
    if isinstance(value, str) and len(value) > _SHOWN_TEXT:
        return f"{value[:_SHOWN_TEXT]}… {len(value) - _SHOWN_TEXT} characters more"
    return value
