"""Explains a flow while it is typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from meshtui.engine.path.references import parse_flow, parse_reference
from meshtui.engine.path.relations import workload_endpoint
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, HttpRequest
from meshtui.model.snapshot import Snapshot
from meshtui.screens.yaml import open_link
from meshtui.session import Session
from meshtui.ui.action_screen import ActionScreen
from meshtui.ui.actions import bindings
from meshtui.ui.advising import Adviser
from meshtui.ui.document import BAD, DIM, Document, Section, line
from meshtui.ui.fuzzy import rank
from meshtui.ui.known_path import known_path
from meshtui.ui.ladder import why
from meshtui.ui.pictures.path_data import PathData
from meshtui.ui.widgets.choices import MOST, Choices, Ends
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.field import Field
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.path_view import PathView
from meshtui.ui.widgets.status import StatusBar

_PATH_FROM = 20
"""With fewer rows there is no picture above the words."""
_AROUND = 9
"""The rows of the screen that names leave to the rest."""
_FIELDS = (
    ("from", "FROM", "NS/deploy/NAME, a pod, an address"),
    ("to", "TO:PORT", "NS/svc/NAME:PORT"),
    ("request", "METHOD /PATH", "optional"),
)
"""The id, title and placeholder of each field."""
_METHOD = re.compile(r"[A-Z]+\Z")


def written_ends(flow: Flow) -> tuple[str, str]:
    """FROM and TO:PORT of a flow, as they are typed."""
    port = f":{flow.port}" if flow.port is not None else ""
    return str(flow.source), f"{flow.destination}{port}"


def source_names(snapshot: Snapshot) -> Iterator[str]:
    """Possible sources of a flow, as references: workloads, external, pods."""
    yield from sorted(str(workload_endpoint(ref)) for ref in snapshot.workloads if ref.kind != "Pod")
    yield "external"
    yield from sorted(pod.key for pod in snapshot.pods.values() if not pod.completed)


def destination_names(snapshot: Snapshot) -> Iterator[str]:
    """Possible destinations of a flow, as references: Services with their ports, workloads and pods with theirs."""
    services = snapshot.services.values()
    named = (f"{s.meta.namespace}/svc/{s.meta.name}:{port.number}" for s in services for port in s.ports)
    yield from sorted(named, key=lambda name: name.replace(":", "\0"))  # a name before those that it begins
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
        self._ordered: dict[str, None] = {}

    @property
    def all(self) -> Mapping[str, None]:
        """The names in the order of the kinds, each once."""
        if self._of is not self._session.snapshot:
            self._of = self._session.snapshot
            self._ordered = dict.fromkeys(self._read(self._of))
        return self._ordered

    def meant(self, text: str) -> list[str]:
        """The names that may be meant by a text, best first; a workload is looked for by its own name first."""
        return rank(text, self.all, _last_part)


def _last_part(reference: str) -> str:
    return reference.rpartition("/")[2]


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
        self._explained: Flow | None = None
        """The flow whose verdict is shown."""
        self._written: list[str] = []
        """The texts of the fields that are judged."""
        self._adviser = Adviser(session.clock)
        self._unwatch: Callable[[], None] = lambda: None

    def compose(self) -> ComposeResult:
        """Header, three inputs, the names that may be meant, the path, the ladder, footer."""
        yield StatusBar(id="status")
        with Ends(id="ends"):
            for field, title, hint in _FIELDS:
                with Horizontal(classes="end -small" if field == "request" else "end"):
                    yield Static(title.removesuffix(" /PATH"), classes="label", markup=False)
                    box = Field(self._given.get(field, ""), placeholder=hint, id=field)
                    box.border_title = title
                    box.set_class(field == ("to" if self._given["from"] else "from"), "-first")
                    yield box
        yield Choices(id="choices")
        yield PathView(id="path", share=0.4)
        yield DocumentView(id="said")
        yield Footer()

    def on_mount(self) -> None:
        """Follow the session; the first empty field gets the focus."""
        self._stop_listening = self._session.listen(self._judge_typed)
        self.query_one(PathView).show(None)
        self.set_interval(1.0, self._tick)
        self.call_after_refresh(self._judge_typed)

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()
        self._unwatch()

    def on_resize(self) -> None:
        """Put each field on its own line if they don't fit side by side."""
        self.set_class(self.size.width < 110, "-narrow")
        self.call_after_refresh(self._judge_typed)

    def _field(self, name: str) -> Input:
        return self.query_one(f"#{name}", Input)

    def _tick(self) -> None:
        if not self.is_there:
            return
        self.query_one(StatusBar).show(self._session)
        if self._flow is not None and self._session.change_of(self._flow) is not None:
            self._judge_typed()

    # ---- judging

    @on(Input.Changed)
    def _typed(self) -> None:
        self._keep_up()

    def _keep_up(self) -> None:
        """Use what stands in the fields now: keys that come in one burst are handled before a field says that it changed."""
        written = [field.value for field in self.query(Input)]
        if written != self._written:
            self._written = written
            self.query_one(Choices).forget()
            self._judge_typed()

    def _judge_typed(self) -> None:
        """Parse the fields and evaluate the flow, or show what is incomplete."""
        if not self.is_there or len(self.query(Input)) < len(_FIELDS):
            return
        self.query_one(StatusBar).show(self._session)
        try:
            flow = self._read()
        except _NotYetError as error:
            self._watch(None)
            self._explained = None
            self._offer()
            offered = error.field is not None and error.field == self._asked()
            self.query_one(PathView).show(None)
            self.query_one(DocumentView).show(Document(error.title, _said("" if offered else error.wrong)))
            return
        self._watch(flow)
        self._offer()
        self._judge(flow)

    def _watch(self, flow: Flow | None) -> None:
        if flow != self._flow:
            self._unwatch()
            self._unwatch = lambda: None
            self._flow = flow

    def _read(self) -> Flow:
        source, destination = self._field("from").value.strip(), self._field("to").value.strip()
        if not source:
            raise _NotYetError("Explain a flow")
        try:
            parse_reference(source)
        except UsageError as error:
            raise _NotYetError("FROM isn't complete yet", str(error), "from") from error
        if not destination:
            raise _NotYetError("Where to?")
        try:
            parse_reference(destination)
            return parse_flow(source, destination, http=_request(self._field("request").value))
        except UsageError as error:
            raise _NotYetError("TO:PORT isn't complete yet", str(error), "to") from error

    # ---- the names that may be meant

    def _naming(self) -> Input | None:
        """The field in which a name is typed that isn't complete yet."""
        box = self.focused
        explained = self._flow is not None and self._explained == self._flow
        if not isinstance(box, Input) or box.id not in self._names or explained:
            return None
        text = box.value.strip()
        return None if text in self._names[box.id].all or _is_address(text) else box

    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    def _offer(self) -> None:
        """Show the names that may be meant in the field with the focus."""
        if not self.is_there:
            return
        box = self._naming()
        names = self._names[box.id or ""].meant(box.value) if box is not None else []
        indent = box.content_region.x - 1 if box is not None else 0
        top = 0 if box is not None and box.value.strip() else -1
        self.query_one(Choices).offer(names, top, indent, min(MOST, self.size.height - _AROUND))

    def _asked(self) -> str | None:
        """The field below which names are shown."""
        box = self._naming()
        return box.id if box is not None and self.query_one(Choices).names else None

    def _take(self, name: str) -> bool:
        """Write a name into the field in which it is typed. Returns whether there was one."""
        box = self._naming()
        if box is None or not name:
            return False
        box.value = name
        box.cursor_position = len(name)
        return True

    @on(Choices.Clicked)
    def _clicked(self, event: Choices.Clicked) -> None:
        if self._take(event.name):
            self.focus_next()

    @work(thread=True, exclusive=True, group="flow")
    def _judge(self, flow: Flow) -> None:
        worker = get_current_worker()
        engine = self._session.engine
        path = None
        try:
            verdict = engine.judge(flow)
            session = self._session
            observation, change = session.observations.get(flow), session.change_of(flow)
            advice, old = self._adviser.of(engine, flow, verdict), session.outdated(flow)
            document = why(flow, verdict, advice, session.clock(), observation, change, old=old)
            path = known_path(session, flow, verdict)
        except UsageError as error:
            document = Document("Not in this cluster", _said(str(error)))
        if not worker.is_cancelled:
            self.app.call_from_thread(self._judged, flow, document, path)

    def _judged(self, flow: Flow, document: Document, path: PathData | None) -> None:
        """Show a verdict as a picture and in words; without a path the flow's ends aren't known."""
        if not self.is_there or flow != self._flow:
            return
        self._explained = flow if path is not None else None
        self._offer()
        self.query_one(PathView).show(path if self.size.height >= _PATH_FROM else None)
        if path is not None:
            stop = self._session.watch((flow,))
            self._unwatch()
            self._unwatch = stop
        self.query_one(DocumentView).show(document)

    @on(PathView.Chosen)
    def _open(self, event: PathView.Chosen) -> None:
        open_link(self, self._session, event.item)

    # ---- actions

    @on(Input.Submitted)
    def _submitted(self) -> None:
        """Take the name that is chosen, or on top; with both ends complete, go to the answer."""
        self._keep_up()
        self._take(self.query_one(Choices).chosen)
        try:
            self._read()
        except _NotYetError:
            self.focus_next()
        else:
            self.query_one(DocumentView).focus()

    def action_next_field(self) -> None:
        """Take the name that is chosen, or on top, and go to the next field. An empty field stays empty without a choice."""
        self._keep_up()
        self._take(self.query_one(Choices).chosen)
        self.focus_next()

    @on(Ends.Moved)
    def _moved(self, event: Ends.Moved) -> None:
        self._keep_up()
        self.query_one(Choices).choose(event.by)

    def action_back(self) -> None:
        """From the answer to the fields, from the fields to the screen below."""
        if isinstance(self.focused, DocumentView):
            self._field("to").focus()
        else:
            self.app.pop_screen()


class _NotYetError(Exception):
    """The fields don't describe a flow yet: what is wrong, and in which field."""

    def __init__(self, title: str, wrong: str = "", field: str | None = None) -> None:
        super().__init__(title)
        self.title, self.wrong, self.field = title, wrong, field


def _said(error: str) -> tuple[Section, ...]:
    """What is wrong with what is typed, and the keys."""
    wrong = (line((error, BAD)),) if error else ()
    hint = line(("↓ ↑ choose a name, Tab or Enter takes it and goes on; Enter on complete ends explains, Esc goes back", DIM))
    return (Section("", (*wrong, hint)),)


def _is_address(text: str) -> bool:
    """Whether a text is an IP address or a host, which no name completes."""
    try:
        end, _ = parse_reference(text)
    except UsageError:
        return False
    return end.kind in {EndpointKind.IP, EndpointKind.HOST}


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
