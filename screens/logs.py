"""The ztunnels' log lines about one workload's connections, as they are logged."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import ClassVar

from textual import work
from textual.binding import BindingType

from meshtui.logs.failures import WORDS, Failure, failure_of
from meshtui.logs.ztunnel import AccessLine, parse_access_line
from meshtui.model.errors import MeshtuiError
from meshtui.model.workload import Pod, Workload
from meshtui.screens.text import TextScreen
from meshtui.session import Session
from meshtui.ui.actions import bindings
from meshtui.ui.document import BAD, DIM, OK, WARN, Document, Line, Section, line
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.status import StatusBar

_KEPT = 500
_TAIL = 2000
_DRAW_S = 0.2
_DIRECTIONS = {True: "inbound", False: "outbound", None: ""}


class LogScreen(TextScreen):
    """Follows the logs of the ztunnels on the nodes where the workload's pods run."""

    PLACE = "logs"
    BINDINGS: ClassVar[list[BindingType]] = bindings("logs")

    def __init__(self, session: Session, workload: Workload) -> None:
        super().__init__(session)
        self._workload = workload
        self._lines: deque[AccessLine] = deque(maxlen=_KEPT)
        self._problems: list[str] = []
        self._drawn_soon = False

    def on_mount(self) -> None:
        """Follow the logs."""
        self.query_one(StatusBar).show(self._session)
        self.query_one(DocumentView).focus()
        ztunnels = self._ztunnels()
        if not ztunnels:
            self._problems.append("no ztunnel pod (label app=ztunnel) runs on this workload's nodes")
        for pod in ztunnels:
            self._follow(pod)
        self._draw()

    def _ztunnels(self) -> list[Pod]:
        nodes = {pod.node for pod in self._workload.pods if pod.node}
        pods = self._session.snapshot.pods.values()
        return [pod for pod in pods if pod.labels.get("app") == "ztunnel" and pod.node in nodes and not pod.completed]

    @work(group="follow")
    async def _follow(self, ztunnel: Pod) -> None:
        names = frozenset(pod.name for pod in self._workload.pods)
        while True:
            try:
                async for raw in self._session.source.pod_logs(ztunnel.namespace, ztunnel.name, tail=_TAIL, follow=True):
                    parsed = parse_access_line(raw)
                    if parsed is not None and parsed.concerns(self._workload.ref.namespace, names):
                        self._lines.append(parsed)
                        self._draw_soon()
            except MeshtuiError as error:
                self._problems.append(f"log of {ztunnel.key}: {error}")
                self._draw_soon()
                return
            await asyncio.sleep(1)

    def _draw_soon(self) -> None:
        """Draw what has come, with what comes in the next moment."""
        if not self._drawn_soon:
            self._drawn_soon = True
            self.set_timer(_DRAW_S, self._draw)

    def _draw(self) -> None:
        self._drawn_soon = False
        lines = tuple(_shown(entry) for entry in reversed(self._lines))
        sections = [Section("", tuple(line((problem, BAD)) for problem in self._problems))] if self._problems else []
        if not lines:
            lines = (line(("no connection of this workload is in the log yet", DIM)),)
        sections.append(Section("newest first", lines))
        self.show(Document(f"ztunnel log of {self._workload.ref}", tuple(sections)))


def _shown(entry: AccessLine) -> Line:
    """One connection: time, source, destination, result."""
    source = entry.source.workload or entry.source.address or "?"
    target = entry.service or entry.destination.workload or entry.destination.address or "?"
    identity = entry.source.identity
    if entry.error:
        words = WORDS[failure_of(entry) or Failure.UNKNOWN]
        outcome = (f"✗ {entry.error}{f' ({words})' if words else ''}", BAD)
    else:
        outcome = (f"✓ {_known(entry.bytes_sent)} B sent, {_known(entry.bytes_received)} B received", OK)
    who = (f" as {identity}", DIM) if identity else (" plaintext, no identity", WARN)
    return line(
        (f"{entry.time[11:19] or entry.time} ", DIM),
        (f"{_DIRECTIONS[entry.inbound]:<8} ", DIM),
        f"{source} → {target}:{entry.port or '?'} ",
        outcome,
        who,
    )


def _known(number: int | None) -> str:
    return "?" if number is None else str(number)
