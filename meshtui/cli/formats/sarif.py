"""``-o sarif``: written by the commands that have it."""

from __future__ import annotations

from meshtui.cli.formats import Format

FORMAT = Format("sarif", "SARIF 2.1.0, for code scanning", data=True)
