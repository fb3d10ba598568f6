"""``-o tap``: written by the commands that have it."""

from __future__ import annotations

from meshtui.cli.formats import Format

FORMAT = Format("tap", "TAP version 14 (testanything.org)", data=True)
