"""``-o json``: one JSON document."""

from __future__ import annotations

from meshtui.cli.answer import Answer
from meshtui.cli.formats import Format
from meshtui.cli.jsontext import document


def _render(answer: Answer) -> str:
    return document(answer.document)


FORMAT = Format("json", "one JSON document; `meshtui schema` describes it", render=_render)
