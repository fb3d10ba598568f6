"""``-o yaml``."""

from __future__ import annotations

from meshtui.cli.answer import Answer
from meshtui.cli.formats import Format


def _render(answer: Answer) -> str:
    import yaml

    text: str = yaml.safe_dump(answer.document, sort_keys=False, allow_unicode=True, width=120)
    return text


FORMAT = Format("yaml", "the JSON document as YAML", render=_render)
