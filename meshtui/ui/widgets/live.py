"""Map and path that follow the session: computed in a thread once the cursor rests, and again when the cluster changes."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from textual import work
from textual.timer import Timer
from textual.worker import Worker, get_current_worker

from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.session import Session
from meshtui.ui.known_path import known_path
from meshtui.ui.mapping import map_of
from meshtui.ui.pictures.map import MapData
from meshtui.ui.pictures.path import PathData, draw_path
from meshtui.ui.text import titled
from meshtui.ui.widgets.map_view import MapView
from meshtui.ui.widgets.path_view import PathView
from meshtui.ui.widgets.picture import PictureView

_DELAY_S = 0.06
"""A picture is computed after the cursor has rested for so many seconds, so that moving isn't slowed down."""
_ROOMY = 9
"""The rows that a path is laid out for, to learn how many it needs."""
_AGAIN_S = 1.0
"""Minimum interval between updates while the cluster changes continuously, in seconds."""


class _Pace:
    """When to compute: soon after the cursor moved, and seldom while the cluster changes."""

    def __init__(self) -> None:
        self._timer: Timer | None = None
        self._at = 0.0

    def soon(self, view: PictureView, work_out: Callable[[], None], *, renewed: bool) -> None:
        """Call ``work_out`` after the delay. A renewal is part of what is due already, if something is."""
        if self._timer is not None:
            if renewed:
                return
            self._timer.stop()
        delay = max(_DELAY_S, self._at + _AGAIN_S - monotonic()) if renewed else _DELAY_S
        self._timer = view.set_timer(delay, work_out)

    def done(self) -> None:
        """The work is being done now."""
        self._at, self._timer = monotonic(), None


class LiveMap(MapView):
    """The map of one object."""

    def __init__(self, session: Session, *, id: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id)
        self._session = session
        self._about: ObjectRef | None = None
        self._drawn_of: ObjectRef | None = None
        self._pace = _Pace()

    @property
    def about(self) -> ObjectRef | None:
        """The object in its middle."""
        return self._about

    @property
    def drawn_of(self) -> ObjectRef | None:
        """The object whose map is shown: the one before ``about``, while that is computed."""
        return self._drawn_of

    def of(self, ref: ObjectRef | None) -> None:
        """Show the map of another object."""
        if ref != self._about:
            self._about = ref
            self._pace.soon(self, self._work_out, renewed=False)

    def renew(self) -> None:
        """The cluster has changed."""
        self._pace.soon(self, self._work_out, renewed=True)

    def on_show(self) -> None:
        """Compute what wasn't computed while it was hidden."""
        self._pace.soon(self, self._work_out, renewed=False)

    def _work_out(self) -> None:
        self._pace.done()
        if self._about is None:
            self._drawn_of = None
            self.show(None)
        elif self.display:
            self._read(self._about)

    @work(thread=True, exclusive=True, group="map")
    def _read(self, about: ObjectRef) -> None:
        worker: Worker[None] = get_current_worker()
        data = map_of(self._session, about)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._take, about, data)

    def _take(self, about: ObjectRef, data: MapData | None) -> None:
        if about == self._about:
            self._drawn_of = about
            self.show(data)
            self.post_message(self.Moved(self, self.item))


class LivePath(PathView):
    """The path of one flow."""

    def __init__(self, session: Session, *, id: str | None = None, share: float = 0.5) -> None:  # noqa: A002  (as above)
        super().__init__(id=id, share=share)
        self._session = session
        self._rows_at: tuple[PathData, int, int] | None = None
        self._about: Flow | None = None
        self._pace = _Pace()

    @property
    def about(self) -> Flow | None:
        """The flow."""
        return self._about

    def rows_for(self, width: int) -> int:
        """The rows of the picture at a width; 0 without one."""
        if self.data is None or width <= 0:
            return 0
        if self._rows_at is None or self._rows_at[0] is not self.data or self._rows_at[1] != width:
            self._rows_at = self.data, width, draw_path(self.data, width, _ROOMY).height
        return self._rows_at[2]

    def of(self, flow: Flow | None) -> None:
        """Show the path of another flow."""
        if flow != self._about:
            self._about = flow
            self._pace.soon(self, self._work_out, renewed=False)

    def renew(self) -> None:
        """The cluster has changed."""
        self._pace.soon(self, self._work_out, renewed=True)

    def _work_out(self) -> None:
        self._pace.done()
        if self._about is None:
            self.border_title = titled("Path")
            self.show(None)
            self.post_message(self.Moved(self, None))
        else:
            self._read(self._about)

    @work(thread=True, exclusive=True, group="path")
    def _read(self, flow: Flow) -> None:
        worker: Worker[None] = get_current_worker()
        session = self._session
        data = known_path(session, flow, session.verdict(flow))
        if not worker.is_cancelled:
            self.app.call_from_thread(self._take, flow, data)

    def _take(self, flow: Flow, data: PathData) -> None:
        if flow == self._about:
            self.border_title = titled("Path", data.title)
            self.show(data)
            self.post_message(self.Moved(self, self.item))
