"""``-o table``: a table without the wide columns."""

from __future__ import annotations

from meshtui.cli.answer import Answer
from meshtui.cli.formats import Format
from meshtui.cli.tables import laid_out


def _render(answer: Answer) -> str:
    return laid_out(answer.rows(wide=False))


FORMAT = Format("table", "a row an item; a name is never broken, and a pipe gets whole rows", data=False, render=_render)
