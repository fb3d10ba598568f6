"""The base class of the screens that buy at the shop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import ClassVar

from textual.app import ComposeResult

from meshtui.model.errors import MeshtuiError, ReadOnlyError
from meshtui.session import Session
from meshtui.ui.action_screen import ActionScreen
from meshtui.ui.document import PLAIN, WARN, Document, Line, line
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.status import StatusBar

_PATIENCE_S = 15.0
"""How long the screen waits for the rest of the cluster to be read, in seconds."""

_STOPPED = ("! stopped; requests that were sent already are not taken back", WARN)


class BuyingScreen(ActionScreen):
    """Starts a run when it is opened. There is one run at a time, which ends with the screen."""

    RUN: ClassVar[str]
    """The group of the worker that runs, and what a run is called."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._message: tuple[str, str] = ("", PLAIN)
        self.stopped: Line = ()
        """What is said of a run that somebody stopped; else empty."""

    def compose(self) -> ComposeResult:
        """Header, text, footer."""
        yield StatusBar(id="status")
        yield DocumentView(id="text")
        yield Footer()

    def on_mount(self) -> None:
        """Follow the session, and begin."""
        self._stop_listening = self._session.listen(self._show_status)
        self._show_status()
        self.focus_first()
        self.begin()

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()

    def focus_first(self) -> None:
        """Give something the focus when the screen opens."""
        self.query_one(DocumentView).focus()

    def begin(self) -> None:
        """Start a run."""
        raise NotImplementedError

    def draw(self) -> None:
        """Show what is known now."""
        raise NotImplementedError

    def _show_document(self, document: Document) -> None:
        for view in self.query(DocumentView):  # none, while the screen is being closed
            view.show(document)

    def _show_status(self) -> None:
        for bar in self.query(StatusBar):
            bar.show(self._session)

    @property
    def running(self) -> bool:
        """Whether a run is in progress."""
        return any(worker.group == self.RUN and not worker.is_finished for worker in self.workers)

    def _runs(self) -> bool:
        """Whether a run is in progress; if so, show a message."""
        if self.running:
            self.notify(f"one {self.RUN} at a time: the last one still runs", markup=False)
        return self.running

    def interrupt(self) -> bool:
        """Stop the run. Returns whether one was in progress."""
        running = self.running
        if running:
            self.workers.cancel_group(self, self.RUN)
            self.stopped = line(_STOPPED)
            self._say(*_STOPPED)
        return running

    @property
    def _left(self) -> bool:
        """Whether the screen was closed before the run started. Then nothing is sent."""
        return self not in self.app.screen_stack

    def _say(self, text: str, tone: str) -> None:
        self._message = (text, tone)
        self.draw()


async def may_buy(session: Session, nothing: str) -> None:
    """Wait until everything is read, for a limited time.

    Raises MeshtuiError if nothing can be bought; ``nothing`` is the screen's phrase for that.
    """
    if session.read_only:
        raise ReadOnlyError(f"{nothing}: {session.read_only}")
    await settled(session)


async def settled(session: Session) -> None:
    """Wait until everything is read, for a while. Raises MeshtuiError where nothing is known then."""
    news = asyncio.Event()
    stop = session.listen(news.set)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                while not (session.settled or session.error):
                    await news.wait()
                    news.clear()
    finally:
        stop()
    if session.error is not None:
        raise session.error
    if session.loading:
        raise MeshtuiError("the cluster isn't known yet", "wait a moment, then press r")
