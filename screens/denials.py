"""Recent denials from the proxies' logs: source, destination, deciding policy, and whether they were predicted."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from meshtui.engine.explain.denials import JudgedDenial
from meshtui.engine.path.relations import workload_of
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind
from meshtui.screens.acting import LinkScreen
from meshtui.screens.yaml import open_link
from meshtui.session import Session
from meshtui.ui.actions import bindings
from meshtui.ui.denied import COLUMNS, about, by_cause, face, group_of, row_of, title
from meshtui.ui.document import BAD, DIM, WARN, Document, Line, Section, line
from meshtui.ui.flow_path import path_of_denial
from meshtui.ui.links import Link
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.path_view import PathView
from meshtui.ui.widgets.prompt import Prompt
from meshtui.ui.widgets.status import StatusBar
from meshtui.ui.widgets.table import ObjectTable


class DenialsScreen(LinkScreen):
    """Denials in groups by cause, the newest first. Logs are followed from when it is first opened until the program ends."""

    PLACE = "denials"
    BINDINGS: ClassVar[list[BindingType]] = bindings("denials")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._needle = ""
        self._shown: dict[str, JudgedDenial] = {}

    def compose(self) -> ComposeResult:
        """Header, title, table with what is said of the denial under the cursor, footer."""
        yield StatusBar(id="status")
        yield Static(id="title", markup=False)
        with Horizontal(id="body"):
            yield ObjectTable(id="denials")
            yield DocumentView(id="state")
            with Vertical(id="detail"):
                yield PathView(id="path", share=0.5)
                yield DocumentView(id="denial")
        yield Static(id="message", markup=False)
        yield Prompt(id="prompt")
        yield Footer()

    def on_mount(self) -> None:
        """Follow the logs, and the session."""
        self._session.denials.follow()
        self._stop_listening = self._session.denials.listen(self._refresh)
        self.set_interval(1.0, self._refresh)
        self.query_one(ObjectTable).focus()
        self._refresh()

    @property
    def link(self) -> Link | None:
        """The denial under the cursor; in its path and its text, what the cursor rests on there."""
        part = self.focused
        if isinstance(part, PathView | DocumentView) and part.link is not None:
            return part.link
        each = self._current()
        return each.denial if each is not None else None

    def on_unmount(self) -> None:
        """Stop listening. The logs are still followed."""
        self._stop_listening()

    def on_resize(self) -> None:
        """Put the detail below the table if there is no room beside it."""
        self.set_class(self.size.width < 110, "-narrow")

    # ---- showing

    def _refresh(self) -> None:
        if not self.is_there:
            return
        now = self._session.clock()
        words = self._needle.lower().split()
        rows = [(row_of(each, now), each) for each in self._denials()]
        if words:
            rows = [(row, each) for row, each in rows if _contains(each, words)]
        self._shown = {row.uid: each for row, each in rows}
        self.query_one(StatusBar).show(self._session)
        table, state = self.query_one(ObjectTable), self.query_one("#state", DocumentView)
        document = None if rows else face(self._session, self._needle)
        table.display, state.display = document is None, document is not None
        if document is not None:
            state.show(document)
        table.show(COLUMNS, [row for row, _ in rows])
        self._say("#title", title(self._session, [each for _, each in rows]))
        self._say("#message", self._problem())
        self._show_one()

    def _denials(self) -> list[JudgedDenial]:
        namespace = self._session.namespace
        found = self._session.denials.judged
        return by_cause(each for each in found if not namespace or namespace in _namespaces(each))

    def _problem(self) -> Line:
        """What may be missing, the most important first, in one line."""
        log = self._session.denials.log
        if log is None:
            return ()
        if log.logs and log.problems:
            more = f" (and {len(log.problems) - 1} more)" if len(log.problems) > 1 else ""
            return line((f"⚠ {log.problems[0]}{more}", BAD))
        if log.forgotten:
            return line((f"⚠ {log.forgotten} older groups were dropped: there were too many", WARN))
        if log.unreadable:
            sample = next((state.sample for state in reversed(log.logs) if state.sample), "")
            return line((f"⚠ {log.unreadable} line(s) couldn't be read, the last: {sample}", WARN))
        return line(("Enter explains the flow, p probes it; ~: predicted, the log names no policy", DIM))

    def _say(self, where: str, message: Line) -> None:
        self.query_one(where, Static).update(Document("", (Section("", (message,)),)).content().split("\n")[-1])

    @on(ObjectTable.Highlighted)
    def _moved(self) -> None:
        self._show_one()

    def _current(self) -> JudgedDenial | None:
        return self._shown.get(self.query_one(ObjectTable).uid)

    def _show_one(self) -> None:
        each = self._current()
        self.query_one("#detail").display = each is not None
        if each is not None:
            now = self._session.clock()
            self.query_one(PathView).show(path_of_denial(each, self._session.snapshot, now))
            self.query_one("#denial", DocumentView).show(about(each, now))

    @on(PathView.Chosen)
    def _open(self, event: PathView.Chosen) -> None:
        open_link(self, self._session, event.item)

    # ---- actions

    @on(ObjectTable.Chosen)
    def _chosen(self) -> None:
        self.action_why()

    def action_why(self) -> None:
        """Explain the flow under the cursor."""
        from meshtui.screens.why import WhyScreen

        each = self._current()
        if each is None:
            return
        if each.denial.flow is None:
            self.notify("the log doesn't say who called whom on which port: nothing to explain", severity="warning")
            return
        self.app.push_screen(WhyScreen(self._session, each.denial.flow))

    def action_probe(self) -> None:
        """Probe the flow under the cursor."""
        from meshtui.screens.probe import ProbeScreen

        each = self._current()
        if each is None:
            return
        flow = each.denial.flow
        if flow is None or flow.source.kind not in {EndpointKind.POD, EndpointKind.WORKLOAD}:
            self.notify("probes start from a workload of this cluster, and the log names none", severity="warning")
            return
        try:
            workload = workload_of(self._session.snapshot, flow.source)
        except UsageError as error:
            self.notify(f"{error}: it can't be stood in for", severity="warning", markup=False)
            return
        self.app.push_screen(ProbeScreen(self._session, str(workload.ref), [flow], at_once=True))

    def action_filter(self) -> None:
        """Open the prompt for the filter."""
        self.query_one(Prompt).ask("/", [], self._needle)

    @on(Input.Changed, "#prompt-input")
    def _typing(self, event: Input.Changed) -> None:
        if self.query_one(Prompt).display and event.value != self._needle:
            self._needle = event.value
            self._refresh()

    @on(Prompt.Answered)
    def _answered(self, event: Prompt.Answered) -> None:
        self._needle = event.text
        self._focus_body()

    @on(Prompt.Left)
    def _left(self) -> None:
        self._needle = ""
        self._focus_body()

    def _focus_body(self) -> None:
        self._refresh()
        table = self.query_one(ObjectTable)
        (table if table.display else self.query_one("#state", DocumentView)).focus()

    def action_retry(self) -> None:
        """Retry now to read what couldn't be read."""
        self._session.retry_now()

    def action_back(self) -> None:
        """Clear the filter, else go back."""
        if self._needle:
            self._needle = ""
            self._focus_body()
        else:
            self.app.pop_screen()


def _namespaces(each: JudgedDenial) -> set[str]:
    return {end.namespace for end in (each.denial.source, each.denial.destination) if end is not None}


def _contains(each: JudgedDenial, words: list[str]) -> bool:
    text = group_of(each).lower()
    return all(word in text for word in words)
