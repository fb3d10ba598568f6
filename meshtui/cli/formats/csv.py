"""``-o csv``: CSV as in RFC 4180, safe to open in a spreadsheet."""

from __future__ import annotations

import unicodedata

from meshtui.cli.answer import Answer
from meshtui.cli.formats import Format
from meshtui.model.plain import clean

_FORMULA = frozenset("=+-@＝＋－＠")
"""First characters of cells that spreadsheets evaluate as formulas (OWASP, CSV injection), with their full-width forms."""


def cell(text: str) -> str:
    """One cell: never a formula, always one line, quoted as in RFC 4180.

    A cell that begins like a formula or with a control character gets a leading apostrophe, which marks text in spreadsheets.
    """
    plain = clean(text)
    if text and (text[0] in _FORMULA or unicodedata.category(text[0]) == "Cc"):
        plain = "'" + plain
    return '"' + plain.replace('"', '""') + '"' if any(sign in plain for sign in ",\"'") else plain


def line(cells: list[str]) -> str:
    """One row with its line end."""
    return ",".join(map(cell, cells)) + "\n"


def _render(answer: Answer) -> str:
    titles, *rows = answer.rows(wide=True)
    return line([title.lower().replace(" ", "_") for title in titles]) + "".join(map(line, rows))


FORMAT = Format("csv", "comma-separated values with a header (RFC 4180); no cell can be taken for a formula", render=_render)
