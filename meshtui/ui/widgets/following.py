"""A picture of a run, whose cursor follows the run until somebody moves it."""

from __future__ import annotations

from textual import events

from meshtui.ui.widgets.picture import PictureView


class FollowingView(PictureView):
    """Subclasses say with ``newest`` which item the cursor follows."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id)
        self._follows = True

    def newest(self) -> str:
        """The id of the item to follow; empty for none."""
        raise NotImplementedError

    def follow(self) -> None:
        """Follow the run again: a new one begins."""
        self._follows = True

    def redraw(self) -> None:
        """Lay the picture out again, and follow the run."""
        super().redraw()
        newest = self.newest()
        if self._follows and newest and newest != (self.item.id if self.item else ""):
            self.select(newest)

    def fit(self, width: int, most: int) -> None:
        """Take as many rows as the picture needs in a widget of ``width`` cells, and at most ``most``."""
        inner = max(1, width - self.gutter.width - self.styles.scrollbar_size_vertical)
        self.styles.height = max(1, min(self.drawn(inner, max(1, most)).height, most))

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
