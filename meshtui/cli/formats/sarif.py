"""``-o sarif``: each command that has it writes it itself."""

from __future__ import annotations

from meshtui.cli.formats import Format

FORMAT = Format("sarif", "SARIF 2.1.0, for code scanning", data=True)
