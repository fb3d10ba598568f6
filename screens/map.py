"""The map of one object on the whole screen."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from meshtui.model.ids import ObjectRef
from meshtui.screens.acting import LinkScreen
from meshtui.session import Session
from meshtui.ui.actions import bindings
from meshtui.ui.links import Link
from meshtui.ui.mapped import has_map
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.live import LiveMap
from meshtui.ui.widgets.picture import PictureView
from meshtui.ui.widgets.status import StatusBar


class MapScreen(LinkScreen):
    """Who calls an object and whom it calls. Enter puts what the cursor is on into the middle."""

    PLACE = "map"
    BINDINGS: ClassVar[list[BindingType]] = bindings("map")

    def __init__(self, session: Session, ref: ObjectRef) -> None:
        super().__init__(session)
        self._refs = [ref]

    @property
    def crumb(self) -> str:
        """What the header calls this screen."""
        return f"Map of {self._refs[-1].name}"

    def compose(self) -> ComposeResult:
        """Header, map, footer."""
        yield StatusBar(id="status")
        yield LiveMap(self._session, id="map")
        yield Footer()

    def on_mount(self) -> None:
        """Follow the session."""
        self._stop_listening = self._session.listen(self._refresh)
        self._map.of(self._refs[-1])
        self._map.focus()
        self._refresh()

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()

    @property
    def _map(self) -> LiveMap:
        return self.query_one(LiveMap)

    def _refresh(self) -> None:
        if self.is_there:
            self.query_one(StatusBar).show(self._session)
            self._map.renew()

    @property
    def link(self) -> Link | None:
        """What the cursor rests on; without that, the object in the middle."""
        return self._map.link or self._refs[-1]

    @on(PictureView.Chosen)
    def _chosen(self, event: PictureView.Chosen) -> None:
        link = event.item.link if event.item is not None else None
        if isinstance(link, ObjectRef) and link != self._refs[-1] and has_map(self._session.snapshot, link):
            self._refs.append(link)
            self._map.of(link)
        elif link is not None:
            self.open_link(link)

    def action_back(self) -> None:
        """To the map before, else to the screen below."""
        if len(self._refs) > 1:
            self._refs.pop()
            self._map.of(self._refs[-1])
        else:
            super().action_back()
