"""Explains a flow while it is typed."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.suggester import Suggester
from textual.widgets import Footer, Input, Static
from textual.worker import get_current_worker

from meshtui.engine.path.references import parse_flow, parse_reference
from meshtui.engine.path.relations import workload_endpoint
from meshtui.model.errors import UsageError
from meshtui.model.flow import Flow, HttpRequest
from meshtui.model.snapshot import Snapshot
from meshtui.session import Session
from meshtui.ui.action_screen import ActionScreen
from meshtui.ui.actions import bindings
from meshtui.ui.advising import Adviser
from meshtui.ui.document import BAD, DIM, STRONG, Document, Line, Section, line
from meshtui.ui.ladder import why
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.status import StatusBar

_MOST_NAMES = 8
_FIELDS = (
    ("from", "FROM", "ecom/deploy/ecom-service, a pod NS/NAME, an address, external"),
    ("to", "TO:PORT", "inventory/svc/inventory-service:8000"),
    ("request", "METHOD /PATH", "optional"),
)
"""The id, title and placeholder of each field."""
_METHOD = re.compile(r"[A-Z]+\Z")


def source_names(snapshot: Snapshot) -> Iterator[str]:
    """Possible sources of a flow, as references: workloads, external, pods."""
    yield from sorted(str(workload_endpoint(ref)) for ref in snapshot.workloads if ref.kind != "Pod")
    yield "external"
    yield from sorted(pod.key for pod in snapshot.pods.values() if not pod.completed)


def destination_names(snapshot: Snapshot) -> Iterator[str]:
    """Possible destinations of a flow, as references: Services with their ports, workloads and pods with theirs."""
    services = snapshot.services.values()
    yield from sorted(f"{s.meta.namespace}/svc/{s.meta.name}:{port.number}" for s in services for port in s.ports)
    for ref, workload in snapshot.workloads.items():
        if ref.kind != "Pod":
            ports = sorted({p.number for pod in workload.pods if not pod.completed for p in pod.ports})
            yield from (f"{workload_endpoint(ref)}:{port}" for port in ports)
    yield from sorted(f"{pod.key}:{port.number}" for pod in snapshot.pods.values() if not pod.completed for port in pod.ports)


class _Names:
    """The names in the current Snapshot, computed when they are first used."""

    def __init__(self, session: Session, names: Callable[[Snapshot], Iterator[str]]) -> None:
        self._session = session
        self._read = names
        self._of: Snapshot | None = None
        self._ordered: list[str] = []
        self._sorted: list[tuple[str, int]] = []

    def _refresh(self) -> None:
        if self._of is not self._session.snapshot:
            self._of = self._session.snapshot
            self._ordered = list(dict.fromkeys(self._read(self._of)))
            self._sorted = sorted((name, index) for index, name in enumerate(self._ordered))

    def beginning(self, text: str) -> str | None:
        """The first name with a prefix, in the order of the kinds."""
        self._refresh()
        at = bisect_left(self._sorted, (text, -1))
        best: int | None = None
        while at < len(self._sorted) and self._sorted[at][0].startswith(text):
            best = self._sorted[at][1] if best is None else min(best, self._sorted[at][1])
            at += 1
        return None if best is None else self._ordered[best]

    def holding(self, text: str) -> list[str]:
        """Some names that contain every part of a text."""
        self._refresh()
        words = [word for word in re.split(r"[\s/:]+", text.lower()) if word]
        found = (name for name in self._ordered if all(word in name for word in words))
        return [name for name, _ in zip(found, range(_MOST_NAMES), strict=False)]


class _Completion(Suggester):
    """Completes names in an input."""

    def __init__(self, names: _Names) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._names = names

    async def get_suggestion(self, value: str) -> str | None:
        """A name with the typed prefix."""
        return self._names.beginning(value) if value else None


class FlowScreen(ActionScreen):
    """Fields for FROM, TO:PORT and a request; below them the explained verdict, updated live."""

    AUTO_FOCUS = "Input.-first"
    PLACE = "flow"
    BINDINGS: ClassVar[list[BindingType]] = bindings("flow")

    def __init__(self, session: Session, source: str = "", destination: str = "") -> None:
        super().__init__(session)
        self._given = {"from": source, "to": destination}
        self._names = {"from": _Names(session, source_names), "to": _Names(session, destination_names)}
        self._flow: Flow | None = None
        self._adviser = Adviser(session.clock)
        self._unwatch: Callable[[], None] = lambda: None

    def compose(self) -> ComposeResult:
        """Header, three inputs, the ladder, footer."""
        yield StatusBar(id="status")
        with Horizontal(id="ends"):
            for field, title, hint in _FIELDS:
                with Horizontal(classes="end -small" if field == "request" else "end"):
                    yield Static(title.removesuffix(" /PATH"), classes="label", markup=False)
                    names = self._names.get(field)
                    completion = _Completion(names) if names else None
                    box = Input(self._given.get(field, ""), placeholder=hint, id=field, suggester=completion)
                    box.border_title = title
                    box.set_class(field == ("to" if self._given["from"] else "from"), "-first")
                    yield box
        yield DocumentView(id="said")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Follow the session; the first empty field gets the focus."""
        self._stop_listening = self._session.listen(self._judge_typed)
        self.set_interval(1.0, self._tick)
        self.call_after_refresh(self._judge_typed)

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()
        self._unwatch()

    def on_resize(self) -> None:
        """Put each field on its own line if they don't fit side by side."""
        self.set_class(self.size.width < 110, "-narrow")

    def _field(self, name: str) -> Input:
        return self.query_one(f"#{name}", Input)

    def _tick(self) -> None:
        self.query_one(StatusBar).show(self._session)
        if self._flow is not None and self._session.change_of(self._flow) is not None:
            self._judge_typed()

    # ---- judging

    @on(Input.Changed)
    def _typed(self) -> None:
        self._judge_typed()

    def _judge_typed(self) -> None:
        """Parse the fields and evaluate the flow, or show what is incomplete."""
        if not self.query(DocumentView) or len(self.query(Input)) < len(_FIELDS):
            return
        self.query_one(StatusBar).show(self._session)
        try:
            flow = self._read()
        except _NotYetError as error:
            self._watch(None)
            self.query_one(DocumentView).show(error.document)
            return
        self._watch(flow)
        self._judge(flow)

    def _watch(self, flow: Flow | None) -> None:
        if flow != self._flow:
            self._unwatch()
            self._unwatch = lambda: None
            self._flow = flow

    def _read(self) -> Flow:
        source, destination = self._field("from").value.strip(), self._field("to").value.strip()
        if not source:
            raise _NotYetError("Explain a flow", self._offer("from", source))
        try:
            parse_reference(source)
        except UsageError as error:
            raise _NotYetError("FROM isn't complete yet", self._offer("from", source, error)) from error
        if not destination:
            raise _NotYetError("Where to?", self._offer("to", destination))
        try:
            parse_reference(destination)
            return parse_flow(source, destination, http=_request(self._field("request").value))
        except UsageError as error:
            raise _NotYetError("TO:PORT isn't complete yet", self._offer("to", destination, error)) from error

    def _offer(self, field: str, text: str, error: UsageError | None = None) -> tuple[Section, ...]:
        """The error, and names that match."""
        lines: list[Line] = [line((str(error), BAD))] if error and text else []
        names = self._names[field].holding(text) if field == "from" or text else self._names[field].holding("svc")
        title = "Names that fit" if text else "For example"
        offered = tuple(line((name, STRONG)) for name in names) or (line(("none", DIM)),)
        hint = line(("→ at the end of a field takes the completion, Tab goes on, Enter goes to the answer, Esc goes back", DIM))
        return (Section("", (*lines, hint)), Section(title, offered))

    @work(thread=True, exclusive=True, group="flow")
    def _judge(self, flow: Flow) -> None:
        worker = get_current_worker()
        engine = self._session.engine
        known = True
        try:
            verdict = engine.judge(flow)
            session = self._session
            observation, change = session.observations.get(flow), session.change_of(flow)
            advice, old = self._adviser.of(engine, flow, verdict), session.outdated(flow)
            document = why(flow, verdict, advice, session.clock(), observation, change, old=old)
        except UsageError as error:
            known = False
            wanted = "to" if str(flow.destination) in str(error) or flow.destination.name in str(error) else "from"
            document = Document("Not in this cluster", self._offer(wanted, self._text_of(flow, wanted), error))
        if not worker.is_cancelled:
            self.app.call_from_thread(self._judged, flow, document, known)

    def _text_of(self, flow: Flow, field: str) -> str:
        return str(flow.source if field == "from" else flow.destination)

    def _judged(self, flow: Flow, document: Document, known: bool) -> None:
        if not self.query(DocumentView) or flow != self._flow:
            return
        if known:
            stop = self._session.watch((flow,))
            self._unwatch()
            self._unwatch = stop
        self.query_one(DocumentView).show(document)

    # ---- actions

    @on(Input.Submitted)
    def _submitted(self) -> None:
        if self._flow is not None:
            self.query_one(DocumentView).focus()
        else:
            self.action_next_field()

    def action_next_field(self) -> None:
        """Take the completion of this field, and go to the next."""
        box = self.focused
        if isinstance(box, Input) and box.id in self._names and box.value:
            whole = self._names[box.id].beginning(box.value)
            if whole is not None:
                box.value = whole
                box.cursor_position = len(whole)
        self.focus_next()

    def action_back(self) -> None:
        """From the answer to the fields, from the fields to the screen below."""
        if isinstance(self.focused, DocumentView):
            self._field("to").focus()
        else:
            self.app.pop_screen()


class _NotYetError(Exception):
    """The fields don't describe a flow yet."""

    def __init__(self, title: str, sections: tuple[Section, ...]) -> None:
        super().__init__(title)
        self.document = Document(title, sections)


def _request(text: str) -> HttpRequest | None:
    """``GET /path``, or a path alone. Raises UsageError."""
    words = text.split()
    if not words:
        return None
    method = words[0].upper()
    if words[0].startswith("/"):
        method, words = "GET", ["GET", *words]
    path = words[1] if len(words) > 1 else "/"
    if not _METHOD.match(method) or len(words) > 2 or not path.startswith("/"):
        raise UsageError(f"{text!r} isn't a request", "METHOD /PATH, like GET /health")
    return HttpRequest(method, path)
