"""The path of a flow on the screen. Its height follows the picture, up to a maximum; then it scrolls."""

from __future__ import annotations

from textual.geometry import Size

from meshtui.ui.pictures.canvas import Picture
from meshtui.ui.pictures.path import PathData, draw_path
from meshtui.ui.widgets.picture import PictureView


class PathView(PictureView):
    """Shows one path, or nothing. ``share`` is the part of its container's height that it takes at most."""

    def __init__(self, *, id: str | None = None, share: float = 0.4) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id)
        self._data: PathData | None = None
        self._share = share
        self._most = 0

    @property
    def data(self) -> PathData | None:
        """What is shown."""
        return self._data

    def show(self, data: PathData | None) -> None:
        """Show a path. Without one the widget isn't there."""
        self.display = data is not None
        if data == self._data:
            return
        if self._data is None or data is None or data.title != self._data.title:
            self._here = ""  # of another path, the cursor begins where its line breaks
            self.scroll_home(animate=False)
        before, self._data = self.picture.height, data
        self.redraw()
        if self.picture.height != before or not self.picture.height:
            self.refresh(layout=True)

    def first(self) -> str:
        """The cursor begins at the station at which the line breaks, on the object that decides."""
        data = self._data
        if data is None or data.stop is None:
            return ""
        station = data.stations[data.stop]
        return f"{station.id} {station.refs[0]}" if station.refs else station.id

    def drawn(self, width: int, height: int) -> Picture:
        """The path for a width; roomy where its share of the container's height allows it."""
        if self._data is None:
            return Picture(width, 0)
        return draw_path(self._data, width, max(height, self._most))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """The number of rows of the picture, as far as its share of the container allows."""
        del viewport
        if self._data is None:
            return 0
        self._most = max(3, int(container.height * self._share))
        return min(self._most, draw_path(self._data, width, self._most).height)
