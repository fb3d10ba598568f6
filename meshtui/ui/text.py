"""Formats text for the screen."""

from __future__ import annotations

from textual.content import Content

from meshtui.model.plain import clean

__all__ = ["age", "clean", "titled"]


def titled(*parts: str) -> Content:
    """The title of a frame. Textual reads a plain text there as markup, which names from a cluster aren't."""
    return Content(clean(" · ".join(part for part in parts if part)) or " ")


def age(seconds: float) -> str:
    """A duration in kubectl's format: 12s, 3m, 2h, 5d."""
    seconds = max(0, int(seconds))
    for limit, unit, size in ((120, "s", 1), (7200, "m", 60), (172800, "h", 3600)):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86400}d"
