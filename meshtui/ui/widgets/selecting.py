"""What the mouse selects in widgets that draw their lines themselves."""

from __future__ import annotations

from collections.abc import Sequence

from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget


def extracted(selection: Selection, lines: Sequence[str], height: int) -> tuple[str, str]:
    """The selected part of lines that a widget of a height shows, and what comes after it; below them is nothing."""
    padded = [*lines, *[""] * (height - len(lines))]
    text = selection.extract("\n".join(padded) + " ")  # a last line without any text would be no line
    return (text.rstrip(" ") if text.strip() else ""), "\n"


def with_selection(widget: Widget, strip: Strip, line: int) -> Strip:
    """A line of a widget's text (0 is the first) as it is drawn: what is selected of it is marked, and Textual can find it."""
    selection = widget.text_selection
    span = selection.get_span(line) if selection is not None else None
    if span is not None:
        start, end = span[0], strip.cell_length if span[1] == -1 else span[1]
        marked = strip.crop(start, end).apply_style(widget.screen.get_component_rich_style("screen--selection"))
        strip = Strip.join([strip.crop(0, start), marked, strip.crop(end)])
    return strip.apply_offsets(0, line)
