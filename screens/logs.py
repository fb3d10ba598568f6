"""What the ztunnels logged about one workload's connections, as it comes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from meshtui.model.errors import MeshtuiError
from meshtui.model.workload import Pod, Workload
from meshtui.session import Session
from meshtui.sources.ztunnel_log import AccessLine, parse_access_line
from meshtui.widgets.document import BAD, DIM, OK, WARN, Document, Line, Section, line
from meshtui.widgets.pane_view import DocumentView
from meshtui.widgets.status import StatusBar

_KEPT = 500
_TAIL = 2000


class LogScreen(Screen[None]):
    """Follows the logs of the ztunnels on the nodes where the workload's pods run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "app.pop_screen", "Back", id="logs.back"),
        Binding("question_mark", "app.help", "Help", key_display="?", id="logs.help"),
    ]

    def __init__(self, session: Session, workload: Workload) -> None:
        super().__init__()
        self._session = session
        self._workload = workload
        self._lines: deque[AccessLine] = deque(maxlen=_KEPT)
        self._problems: list[str] = []

    def compose(self) -> ComposeResult:
        """Header, text, footer."""
        yield StatusBar(id="status")
        yield DocumentView(id="text")
        yield Footer(show_command_palette=False, compact=True)

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
        self.set_interval(0.25, self._draw)

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
            except MeshtuiError as error:
                self._problems.append(f"log of {ztunnel.key}: {error}")
                return
            await asyncio.sleep(1)

    def _draw(self) -> None:
        lines = tuple(_shown(entry) for entry in reversed(self._lines))
        sections = [Section("", tuple(line((problem, BAD)) for problem in self._problems))] if self._problems else []
        if not lines:
            lines = (line(("no connection of this workload is in the log yet", DIM)),)
        sections.append(Section("newest first", lines))
        self.query_one(DocumentView).show(Document(f"ztunnel log of {self._workload.ref}", tuple(sections)))


def _shown(entry: AccessLine) -> Line:
    """One connection: when, who, whom, how it ended."""
    fields = entry.fields
    source = fields.get("src.workload") or fields.get("src.addr", "?")
    target = fields.get("dst.service") or fields.get("dst.workload") or fields.get("dst.addr", "?")
    identity = fields.get("src.identity")
    if entry.error:
        outcome = (f"✗ {entry.error}", BAD)
    else:
        outcome = (f"✓ {fields.get('bytes_sent', '?')} B sent, {fields.get('bytes_recv', '?')} B received", OK)
    who = (f" as {identity}", DIM) if identity else (" plaintext, no identity", WARN)
    return line(
        (f"{entry.time[11:19] or entry.time} ", DIM),
        (f"{fields.get('direction', ''):<8} ", DIM),
        f"{source} → {target}:{entry.port or '?'} ",
        outcome,
        who,
    )
