"""``-o jsonl``: one JSON object per line, one for each record."""

from __future__ import annotations

from meshtui.cli.answer import Answer
from meshtui.cli.formats import Format
from meshtui.cli.jsontext import json_text


def _render(answer: Answer) -> str:
    return "".join(f"{json_text(record)}\n" for record in answer.records)


FORMAT = Format("jsonl", "one JSON object a line: the items of the JSON document", render=_render)
