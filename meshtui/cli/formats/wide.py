"""``-o wide``: a table with all columns."""

from __future__ import annotations

from meshtui.cli.answer import Answer
from meshtui.cli.formats import Format
from meshtui.cli.tables import laid_out


def _render(answer: Answer) -> str:
    return laid_out(answer.rows(wide=True))


FORMAT = Format("wide", "the table with all of its columns", data=False, render=_render)
