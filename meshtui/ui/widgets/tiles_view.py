"""Tiles on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from meshtui.ui.pictures.canvas import Picture
from meshtui.ui.pictures.tiles import State, Tile, draw_tiles
from meshtui.ui.widgets.following import FollowingView


class TilesView(FollowingView):
    """Shows tiles."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id)
        self.tiles: tuple[Tile, ...] = ()

    def show(self, tiles: Sequence[Tile]) -> None:
        """Show tiles."""
        self.tiles = tuple(tiles)
        self.redraw()

    def drawn(self, width: int, height: int) -> Picture:
        """The tiles for a size."""
        return draw_tiles(self.tiles, width, height)

    def newest(self) -> str:
        """The tile that is in progress, else the first one that failed, else one that was skipped."""
        order = (State.RUNNING, State.FAIL, State.SKIP)
        return next((tile.id for state in order for tile in self.tiles if tile.state is state), "")
