"""The input of one line of text."""

from __future__ import annotations

from textual.widgets import Input

from meshtui.ui.text import clean


class Field(Input):
    """An input that shows no control characters, wherever its text comes from: a name, the clipboard, the keyboard."""

    def validate_value(self, value: str) -> str:
        """Clean the text."""
        return clean(value)
