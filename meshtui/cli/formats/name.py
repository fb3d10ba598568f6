"""``-o name``: the references of the records' objects, one per line, without duplicates."""

from __future__ import annotations

from meshtui.cli.answer import Answer
from meshtui.cli.formats import Format
from meshtui.model.plain import clean


def _render(answer: Answer) -> str:
    names = dict.fromkeys(name for record in answer.records for name in answer.names(record))
    return "".join(f"{clean(name)}\n" for name in names)


FORMAT = Format("name", "only the names, one a line, as other commands take them (NS/KIND/NAME)", data=False, render=_render)
