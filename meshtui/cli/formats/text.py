"""``-o text``: each command that has it writes it itself."""

from __future__ import annotations

from meshtui.cli.formats import Format

FORMAT = Format("text", "for people: the answer in words", data=False)
