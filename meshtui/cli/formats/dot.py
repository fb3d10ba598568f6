"""``-o dot``: written by the commands that have it."""

from __future__ import annotations

from meshtui.cli.formats import Format

FORMAT = Format("dot", "a graph for Graphviz", data=True)
