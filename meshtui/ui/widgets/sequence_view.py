"""A sequence diagram on the screen. While a run is in progress, the cursor follows its newest arrow."""

from __future__ import annotations

from textual import events

from meshtui.ui.document import DIM, Line, line
from meshtui.ui.pictures.canvas import Picture
from meshtui.ui.pictures.sequence import Diagram, State, arrow_in_words, draw_sequence, step_in_words
from meshtui.ui.widgets.picture import PictureView


class SequenceView(PictureView):
    """Shows a diagram. The cursor follows the run until somebody moves it."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id)
        self.data = Diagram()
        self._follows = True

    def show(self, data: Diagram) -> None:
        """Show a diagram."""
        self.data = data
        self.redraw()
        newest = self._newest()
        if self._follows and newest and newest != (self.item.id if self.item else ""):
            self.select(newest)

    def follow(self) -> None:
        """Let the cursor follow the run again: a new one begins."""
        self._follows = True

    def drawn(self, width: int, height: int) -> Picture:
        """The diagram for a size."""
        return draw_sequence(self.data, width, height)

    def fit(self, width: int, most: int) -> None:
        """Take as many rows as the diagram needs in a widget of ``width`` cells, and at most ``most``."""
        inner = max(1, width - self.gutter.width - self.styles.scrollbar_size_vertical)
        rows = draw_sequence(self.data, inner, max(1, most)).height
        self.styles.height = max(1, min(rows, most))

    def about(self) -> Line:
        """What the item under the cursor is, in a line that isn't cut by the diagram's width."""
        item = self.item
        kind, _, name = (item.id if item is not None else "").partition(" ")
        for step in self.data.steps:
            if kind in {"step", "stop"} and step.id == name:
                return step_in_words(self.data, step)[0 if kind == "step" else -1]
            for arrow in step.arrows:
                if kind == "arrow" and arrow.id == name:
                    facts = ", ".join(each for each in (step.status, step.took) if each)
                    return line(f"{step.title}: {arrow_in_words(self.data, arrow)}", (f", {facts}" if facts else "", DIM))
        party = next((each for each in self.data.parties if kind == "party" and each.id == name), None)
        return line(str(party.link or party.name)) if party is not None else line()

    def _newest(self) -> str:
        """The id of the item to follow: what failed first, else what is in progress or came last."""
        begun = [step for step in self.data.steps if step.arrows]
        inner = [step for step in begun if step.state is State.FAILED and step.inner]
        failed = [*inner, *(step for step in begun if step.state is State.FAILED)]
        step = failed[0] if failed else begun[-1] if begun else None
        return f"arrow {step.arrows[-1].id}" if step is not None else ""

    def action_walk(self, right: int, down: int) -> None:
        """Move the cursor, which doesn't follow the run any more."""
        self._follows = False
        super().action_walk(right, down)

    def action_edge(self, last: bool) -> None:
        """Move the cursor to an end."""
        self._follows = False
        super().action_edge(last)

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor too."""
        del event
        self._follows = False
