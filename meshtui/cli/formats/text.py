"""``-o text``: written by the commands that have it."""

from __future__ import annotations

from meshtui.cli.formats import Format

FORMAT = Format("text", "for people: the answer in words", data=False)
