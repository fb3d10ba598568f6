"""The ztunnels' log lines about one workload's connections, newest at the bottom."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from meshtui.logs.ztunnel import AccessLine, LineEnd, parse_access_line
from meshtui.model.errors import MeshtuiError
from meshtui.model.ids import Uid
from meshtui.model.workload import Pod, Workload
from meshtui.screens.text import TextScreen
from meshtui.session import Session
from meshtui.ui.actions import bindings, by_id, keys_of
from meshtui.ui.filters import Filter, parse
from meshtui.ui.log_lines import Page, page, read_entries
from meshtui.ui.text import clean
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.status import StatusBar

_KEPT = 1000
_TAIL = 2000
_DRAW_S = 0.2
_AGES_S = 10.0
_LONGEST_PAUSE_S = 30.0
_SIDES = 3
"""The cells beside the text."""


class LogScreen(TextScreen):
    """Follows the logs of the ztunnels on the nodes where the workload's pods run."""

    PLACE = "logs"
    BINDINGS: ClassVar[list[BindingType]] = bindings("logs")

    def __init__(self, session: Session, workload: Workload) -> None:
        super().__init__(session)
        self._workload = workload
        self._names = {pod.name for pod in workload.pods}
        """Of all its pods since the screen was opened."""
        self._being_read: set[Uid] = set()
        self._lines: dict[str, AccessLine] = {}
        """By their text: a log that is read again after a break repeats its end."""
        self._problems: dict[str, str] = {}
        """By ztunnel (NAMESPACE/POD)."""
        self._drawn_soon = False
        self._unfolded = False
        self._follows = True
        self._filter = parse("")
        self._page: Page | None = None

    @property
    def crumb(self) -> str:
        """What the header calls this screen."""
        return f"Log of {self._workload.ref.name}"

    def on_mount(self) -> None:
        """Follow the logs."""
        self.query_one(StatusBar).show(self._session)
        view = self.query_one(DocumentView)
        view.focus()
        self._follow_all()
        self._stop_following = self._session.listen(self._follow_all)
        self._draw()
        self.set_interval(_AGES_S, self._draw)
        self.watch(view, "scroll_y", self._scrolled, init=False)

    def on_unmount(self) -> None:
        """Stop following the session."""
        self._stop_following()

    def _follow_all(self) -> None:
        """Follow the ztunnels of the nodes on which its pods run now."""
        self._workload = self._session.snapshot.workloads.get(self._workload.ref, self._workload)
        self._names |= {pod.name for pod in self._workload.pods}
        ztunnels = self._ztunnels()
        for pod in ztunnels:
            if pod.uid not in self._being_read:
                self._being_read.add(pod.uid)
                self._follow(pod)
        if not ztunnels:
            self._problems[""] = "no ztunnel of the mesh runs on this workload's nodes"
            self._draw_soon()
        elif self._problems.pop("", ""):
            self._draw_soon()

    def _ztunnels(self) -> list[Pod]:
        nodes = {pod.node for pod in self._workload.pods if pod.node}
        return [pod for pod in self._session.snapshot.ztunnels if pod.node in nodes]

    @work(group="follow")
    async def _follow(self, ztunnel: Pod) -> None:
        """Follow a log until its pod is gone; one that breaks off is read again, after longer and longer pauses."""
        pause_s = 1.0
        while True:
            began = monotonic()
            try:
                async for raw in self._session.source.pod_logs(ztunnel.namespace, ztunnel.name, tail=_TAIL, follow=True):
                    self._is_read(ztunnel)
                    self.heard(ztunnel.key, raw)
            except MeshtuiError as error:
                self._problems[ztunnel.key] = f"log of {ztunnel.key}: {error}; it is tried again"
                self._draw_soon()
            if monotonic() - began > _LONGEST_PAUSE_S:  # it was read for a while
                pause_s = 1.0
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            if ztunnel.uid not in self._session.snapshot.pods:
                self._is_read(ztunnel)
                return

    def _is_read(self, ztunnel: Pod) -> None:
        """A log can be read again, or is over."""
        if self._problems.pop(ztunnel.key, ""):
            self._draw_soon()

    def heard(self, ztunnel: str, raw: str) -> None:
        """Keep a line of a ztunnel's log (NAMESPACE/POD) if it is about this workload."""
        parsed = parse_access_line(raw)
        if parsed is not None and parsed.concerns(self._workload.ref.namespace, self._names):
            self._lines[f"{ztunnel} {parsed.raw}"] = parsed
            self._draw_soon()

    # ---- showing

    def on_resize(self) -> None:
        """Draw for the new width."""
        self._draw()

    def _draw_soon(self) -> None:
        """Draw what has come, with what comes in the next moment."""
        if not self._drawn_soon:
            self._drawn_soon = True
            self.set_timer(_DRAW_S, self._draw)

    def _draw(self) -> None:
        self._drawn_soon = False
        if not self.is_there:
            return
        ordered = sorted(self._lines.items(), key=lambda item: item[1].time)[-_KEPT:]
        self._lines = dict(ordered)
        self._page = page(
            f"ztunnel log of {self._workload.ref}",
            read_entries((found for _, found in ordered), self._session.snapshot, self._is_own),
            self._session.clock(),
            holds=lambda text: self._filter.holds(text, {}),
            unfolded=self._unfolded,
            unfolds=self._key_of("logs.unfold"),
            width=self.size.width - _SIDES,
            problems=list(self._problems.values()),
        )
        self.show(self._page.document)
        if self._follows:
            self._to_end()

    def _is_own(self, end: LineEnd) -> bool:
        return end.namespace == self._workload.ref.namespace and end.workload in self._names

    def _key_of(self, action: str) -> str:
        return self.app.get_key_display(Binding(keys_of(by_id()[action], self._session.settings.keys)[0], ""))

    def _scrolled(self, y: float) -> None:
        """Stop following where somebody reads further up, and go on at the end."""
        at_end = y >= self.query_one(DocumentView).max_scroll_y
        if at_end != self._follows:
            self._follows = at_end
            self._say()

    def _say(self) -> None:
        """Whether new lines are followed, how many are shown, and what matters among them."""
        if self._page is None:
            return
        found, key = self._page, self._key_of
        state = "● following" if self._follows else f"○ not following ({key('logs.follow')} follows)"
        bad = len(found.matters)
        failing = len(self._problems.keys() - {""})
        broken = [f"! {failing} log{'s' if failing > 1 else ''} can't be read"] if failing else []
        words = [state, *broken, f"{found.shown} shown", f"{bad} failed" + (f" ({key('logs.next')} next)" if bad else "")]
        words += [f"{found.folded} folded"] if found.folded else []
        words += [f"{found.hidden} left out by /{clean(self._needle)}"] if self._needle else []
        words += [self._filter.error] if self._filter.error else []
        said = self.query_one("#found", Static)
        said.display = True
        said.update(Content(f" {' · '.join(words)}"))

    # ---- actions

    def _search(self, needle: str) -> None:
        """Show only the lines that a filter leaves."""
        self._needle = needle
        self._filter = (
            Filter(lambda _row, _labels: True, error="lines have no labels") if needle.startswith("-l") else parse(needle)
        )
        self._draw()

    def action_follow(self) -> None:
        """Follow the newest lines, or stop that."""
        self._follows = not self._follows
        if self._follows:
            self._to_end()
        self._say()

    def _to_end(self) -> None:
        self.call_after_refresh(self.query_one(DocumentView).scroll_end, animate=False, force=True, immediate=True)

    def action_unfold(self) -> None:
        """Show health checks and metrics scrapes one by one, or fold them."""
        self._unfolded = not self._unfolded
        self._draw()

    def action_matter(self, by: int) -> None:
        """Go to the next line that matters, or the one before; behind the last one is the first."""
        matters = self._page.matters if self._page is not None else ()
        if not matters:
            self.notify("no connection failed", timeout=3)
            return
        view = self.query_one(DocumentView)
        here = view.line
        ahead = [number for number in matters if (number > here if by > 0 else number < here)]
        self._follows = False
        view.go((ahead or matters)[0 if by > 0 else -1])
        self._say()
