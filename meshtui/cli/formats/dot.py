"""``-o dot``: each command that has it writes it itself."""

from __future__ import annotations

from meshtui.cli.formats import Format

FORMAT = Format("dot", "a graph for Graphviz", data=True)
