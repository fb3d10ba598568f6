"""Gauges on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from meshtui.ui.pictures.canvas import Picture
from meshtui.ui.pictures.gauge import Gauge, draw_gauges
from meshtui.ui.widgets.picture import PictureView


class GaugeView(PictureView, can_focus=False):
    """Shows gauges; there is nothing in them to choose."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id)
        self.gauges: tuple[Gauge, ...] = ()

    def show(self, gauges: Sequence[Gauge]) -> None:
        """Show gauges; without any, the widget takes no room."""
        self.gauges = tuple(gauges)
        self.display = bool(gauges)
        self.redraw()

    def drawn(self, width: int, height: int) -> Picture:
        """The gauges for a size."""
        return draw_gauges(self.gauges, width, height)
