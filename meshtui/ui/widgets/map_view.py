"""The map on the screen: its groups open and close, and the cursor stays where it is when the map is drawn anew."""

from __future__ import annotations

from meshtui.model.flow import Flow
from meshtui.ui.document import DIM, Document, line, section
from meshtui.ui.pictures.canvas import Canvas, Picture
from meshtui.ui.pictures.map import MapData, draw_map, map_in_words, opened_by
from meshtui.ui.pictures.map_parts import CENTRE, middled
from meshtui.ui.widgets.picture import PictureView

NOTHING = "the map of a workload, namespace or policy"
"""What is shown while there is no map."""


class MapView(PictureView):
    """Shows a map. Enter on a group opens or closes it; on all else it posts ``Chosen``, as other pictures do."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id)
        self.map: MapData | None = None
        self._opened: frozenset[str] = frozenset()
        self._kept: Flow | None = None

    def show(self, data: MapData | None) -> None:
        """Show a map, or what would be here. The cursor stays on its item, and groups stay open, while the centre is the same."""
        before = self.map
        if before is not None and data == before:
            return
        if before is None or data is None or (before.name, before.ref) != (data.name, data.ref):
            self._opened = frozenset()
            self._kept = None
            self.forget()
        self.map = data
        self.redraw()

    def drawn(self, width: int, height: int) -> Picture:
        """The map for a size in cells."""
        if self.map is not None:
            return draw_map(self.map, width, height, self._opened, self._kept)
        canvas = Canvas(width, height)
        middled(canvas, 0, height // 2, width, NOTHING, DIM)
        return canvas.picture()

    def keep(self, flow: Flow) -> None:
        """Let a flow of this map have an edge, also where it would be hidden in a group."""
        if flow != self._kept:
            self._kept = flow
            if not any(item.link == flow for item in self.picture.items):
                self.redraw()

    def first(self) -> str:
        """The cursor begins in the middle."""
        return CENTRE

    def document(self) -> Document:
        """The map in words."""
        if self.map is None:
            return Document("Map", (section("", line((NOTHING, DIM))),))
        return map_in_words(self.map)

    def action_choose(self) -> None:
        """Open or close the group under the cursor; else as in every picture."""
        opened = opened_by(self.item.id, self._opened) if self.item is not None else None
        if opened is None:
            super().action_choose()
            return
        self._opened = opened
        self.redraw()
        if self.item is not None:
            self.select(self.item.id)  # so that it is in view
