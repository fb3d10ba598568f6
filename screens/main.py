"""The main screen: a table of one kind, and the detail of the object under the cursor."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Footer, Input, Static

from meshtui.engine.explain.denials import DeniedCount
from meshtui.engine.path.relations import PROBED, flows_from, flows_from_all, workload_endpoint
from meshtui.model.errors import MeshtuiError
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import KindStatus
from meshtui.session import Session
from meshtui.ui import state
from meshtui.ui.action_screen import ActionScreen
from meshtui.ui.actions import bindings, typed
from meshtui.ui.actions import on as on_place
from meshtui.ui.document import Document
from meshtui.ui.panes import Pane, pane_called, panes, tabbed
from meshtui.ui.view import View
from meshtui.ui.widgets.detail import Detail
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.prompt import Prompt
from meshtui.ui.widgets.status import StatusBar
from meshtui.ui.widgets.table import Column, ObjectTable, Row
from meshtui.ui.widgets.tabs import KindTabs

SMALLEST = (60, 12)
"""Minimum size of the terminal: columns and rows."""


class MainScreen(ActionScreen):
    """The first screen. Other screens are pushed on top of it."""

    PLACE = "main"
    BINDINGS: ClassVar[list[BindingType]] = bindings("main")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.view = View(session)
        self.pane = panes()[1]
        self.needle = ""
        self.by_change = False
        self._uids: dict[str, str] = {}
        self._due = False
        self._denied: Mapping[ObjectRef, DeniedCount] | None = None

    def compose(self) -> ComposeResult:
        """Header, tabs, table with its detail, prompt, footer."""
        yield StatusBar(id="status")
        yield KindTabs(id="tabs")
        with Horizontal(id="body"):
            yield ObjectTable(id="table", clock=self.session.clock)
            yield DocumentView(id="state")
            yield Detail(self.view, id="detail")
        yield Static(id="tiny")
        yield Prompt(id="prompt")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Follow the session, and update the header every second."""
        self._stop_listening = self.session.listen(self._changed)
        self.set_interval(1.0, self._second)
        self.query_one(ObjectTable).focus()
        self.refresh_data()

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()

    def on_resize(self, event: events.Resize) -> None:
        """Hide the detail if there is no room beside the table."""
        width = event.size.width
        self.set_class(width < 100, "-narrow")
        self.set_class(width >= 130, "-roomy")
        self.set_class(width >= 150, "-wide")
        tiny = width < SMALLEST[0] or event.size.height < SMALLEST[1]
        self.set_class(tiny, "-tiny")
        if tiny:
            have, need = f"{width}×{event.size.height}", f"{SMALLEST[0]}×{SMALLEST[1]}"
            self.query_one("#tiny", Static).update(f"This terminal is {have}: meshtui needs {need}. q quits.")
        self._show_tabs()

    # ---- showing

    def _changed(self) -> None:
        """Schedule a refresh, unless one is already scheduled."""
        if not self._due:
            self._due = True
            self.call_later(self._show_news)

    def _show_news(self) -> None:
        self._due = False
        self.refresh_data()

    def refresh_data(self) -> None:
        """Show what the session knows now."""
        if not self.query(ObjectTable):
            return
        columns, rows = self._table()
        document = self._face(rows)
        self.query_one("#state", DocumentView).display = document is not None
        table = self.query_one(ObjectTable)
        table.display = document is None
        if document is not None:
            self.query_one("#state", DocumentView).show(document)
        table.show(columns, rows, complete=self.session.settled)
        self.query_one(StatusBar).show(self.session)
        self._show_tabs()
        self.query_one(Detail).renew(self.pane, self._uid_shown())

    def _second(self) -> None:
        """Update the times in header and table, and the counts of recent denials, which also change with time."""
        self.query_one(StatusBar).show(self.session)
        self.query_one(ObjectTable).refresh()
        denied = self.session.denials.by_object()
        if denied != self._denied:
            self._denied = denied
            self.refresh_data()

    def _table(self) -> tuple[tuple[Column, ...], list[Row]]:
        """The pane's columns and rows, without the columns that say the same everywhere."""
        rows = self.pane.rows(self.view)
        shown = [
            place
            for place, column in enumerate(self.pane.columns)
            if not (self.session.namespace and column.title == "NAMESPACE")
            and (column.usual is None or any(row.cells[place].text != column.usual for row in rows))
        ]
        if len(shown) < len(self.pane.columns):
            rows = [Row(row.uid, tuple(row.cells[place] for place in shown), row.marked) for row in rows]
        return tuple(self.pane.columns[place] for place in shown), self._chosen(rows)

    def _chosen(self, rows: list[Row]) -> list[Row]:
        """The rows that the filter leaves, in the order that was chosen."""
        if self.needle:
            words = self.needle.lower().split()
            rows = [row for row in rows if _contains(row, words)]
        if self.by_change:
            changes = self.session.changes()
            rows = sorted(rows, key=lambda row: changes.get(row.uid, 0.0), reverse=True)
        return rows

    def _face(self, rows: list[Row]) -> Document | None:
        session = self.session
        if session.error is not None and not session.has_data:
            return state.failed(session.error)
        if session.loading:
            return state.loading(self.pane.title)
        kind = session.snapshot.kind_state(self.pane.kind)
        if not rows or kind.status not in {KindStatus.LOADING, KindStatus.FORBIDDEN}:
            drawn = state.face(self.pane.title, kind, session.clock())
            if drawn is not None:
                return drawn
        return None if rows else state.empty(self.pane.title, session.namespace, self.needle, self.pane.nothing)

    def _show_tabs(self) -> None:
        known = None if not self.session.loading else KindStatus.LOADING  # no 0 before there is an answer
        states = self.session.snapshot.kind_state
        entries = [(pane, pane.count(self.view), known or states(pane.kind).status) for pane in tabbed()]
        self.query_one(KindTabs).show(entries, self.pane)

    @on(ObjectTable.Highlighted)
    def _moved(self, event: ObjectTable.Highlighted) -> None:
        self._uids[self.pane.id] = event.uid
        self.query_one(Detail).of(self.pane, self._uid_shown())

    def _uid_shown(self) -> str:
        """The UID under the cursor, if the table is visible."""
        table = self.query_one(ObjectTable)
        return table.uid if table.display else ""

    @on(ObjectTable.Chosen)
    def _opened(self, event: ObjectTable.Chosen) -> None:
        if self.pane.id == "namespaces":
            ref = self.pane.ref_of(self.view, event.uid)
            self.session.namespace = ref.name if ref else ""
            self.show_pane(panes()[1])
        else:
            self.action_describe()

    # ---- actions

    def show_pane(self, pane: Pane) -> None:
        """Show another pane. Its cursor is where it was left."""
        self._uids[self.pane.id] = self.query_one(ObjectTable).uid or self._uids.get(self.pane.id, "")
        self.pane = pane
        self.needle = ""
        pane.opened(self.session)
        self.refresh_data()
        table = self.query_one(ObjectTable)
        if not table.select(self._uids.get(pane.id, "")):
            table.cursor = 0
        if table.display:
            table.focus()

    def action_pane(self, order: int) -> None:
        """Show the pane with this number."""
        self.show_pane(panes()[order - 1])

    def visit(self, pane_id: str, name: str = "") -> None:
        """Show a pane, with the cursor on an object (``Kind NS/NAME``) if it exists."""
        self.show_pane(next(pane for pane in panes() if pane.id == pane_id))
        table = self.query_one(ObjectTable)
        for row in table.rows:
            if name and str(self.pane.ref_of(self.view, row.uid)) == name:
                table.select(row.uid)
                break

    def action_next_pane(self) -> None:
        """Show the pane to the right."""
        self.show_pane(tabbed()[self.pane.order % len(tabbed())])

    def action_previous_pane(self) -> None:
        """Show the pane to the left."""
        self.show_pane(tabbed()[(self.pane.order - 2) % len(tabbed())])

    def action_command(self) -> None:
        """Open the prompt for a pane or a screen."""
        aliases = [pane.aliases for pane in panes()]
        words = [action.words for action in on_place(self.PLACE) if action.words]
        usual = [each[0] for each in (*aliases, *words)]
        self.query_one(Prompt).ask(":", [*usual, *(word for each in (*aliases, *words) for word in each)], "")

    def action_filter(self) -> None:
        """Open the prompt for the filter."""
        self.query_one(Prompt).ask("/", [], self.needle)

    @on(Input.Changed, "#prompt-input")
    def _typing(self, event: Input.Changed) -> None:
        prompt = self.query_one(Prompt)
        if prompt.display and prompt.mark == "/" and event.value != self.needle:
            self.needle = event.value
            self.refresh_data()

    @on(Prompt.Answered)
    def _answered(self, event: Prompt.Answered) -> None:
        self._focus_body()
        if event.mark == "/":
            self.needle = event.text
            self.refresh_data()
            return
        word = event.text.strip().lower()
        action = typed(self.PLACE, word)
        if action is not None:
            self.app.call_later(self.run_action, action.call)
        elif (pane := pane_called(word)) is not None:
            self.show_pane(pane)
            if word in pane.kinds:
                self.needle = pane.kinds[word]
                self.refresh_data()
        elif word:
            known = ", ".join(sorted(pane.aliases[0] for pane in panes()))
            self.notify(f"no kind {word!r}: try {known}", severity="warning", markup=False)

    @on(Prompt.Left)
    def _left(self, event: Prompt.Left) -> None:
        if event.mark == "/" and self.needle:
            self.needle = ""
            self.refresh_data()
        self._focus_body()

    def _focus_body(self) -> None:
        table = self.query_one(ObjectTable)
        (table if table.display else self.query_one("#state", DocumentView)).focus()

    def action_sort(self) -> None:
        """Sort by the time of the last change, or by name."""
        self.by_change = not self.by_change
        self.refresh_data()
        self.query_one(ObjectTable).cursor = 0
        self.notify("newest change first" if self.by_change else "by name", timeout=2)

    def action_namespace(self) -> None:
        """Choose a namespace, or all."""
        from meshtui.screens.namespace import NamespaceScreen

        def chosen(name: str | None) -> None:
            if name is not None:
                self.session.namespace = name
                self.refresh_data()

        self.app.push_screen(NamespaceScreen(self.session), chosen)

    def action_retry(self) -> None:
        """Try to reach the cluster now."""
        self.session.retry_now()

    def action_focus_table(self) -> None:
        """Focus the table."""
        self._focus_body()

    def action_focus_detail(self) -> None:
        """Focus the detail."""
        self.query_one(Detail).focus()

    def action_back(self) -> None:
        """Clear the filter, else the namespace."""
        if self.needle:
            self.needle = ""
        elif self.session.namespace:
            self.session.namespace = ""
        else:
            self._focus_body()
            return
        self.refresh_data()

    def current(self) -> ObjectRef | None:
        """The object under the cursor."""
        uid = self.query_one(ObjectTable).uid
        return self.pane.ref_of(self.view, uid) if uid else None

    def action_describe(self) -> None:
        """Show the detail on a screen of its own."""
        from meshtui.screens.describe import DescribeScreen

        uid = self.query_one(ObjectTable).uid
        if uid:
            self.app.push_screen(DescribeScreen(self.view, self.pane, uid))

    def action_yaml(self) -> None:
        """The object as YAML."""
        from meshtui.screens.yaml import YamlScreen

        if (ref := self.current()) is not None:
            self.app.push_screen(YamlScreen(self.session, ref))

    def action_logs(self) -> None:
        """Show the ztunnels' log lines about this workload."""
        from meshtui.screens.logs import LogScreen

        ref = self.current()
        workload = self.session.snapshot.workloads.get(ref) if ref else None
        if workload is None:
            self.notify("the ztunnel log is kept by workload: 2, then l", severity="warning")
            return
        self.app.push_screen(LogScreen(self.session, workload))

    def action_matrix(self) -> None:
        """Show the matrix of the workloads of this namespace, or of all namespaces."""
        from meshtui.screens.matrix import MatrixScreen

        self.app.push_screen(MatrixScreen(self.session))

    def action_denials(self) -> None:
        """Show recent denials."""
        from meshtui.screens.denials import DenialsScreen

        self.app.push_screen(DenialsScreen(self.session))

    def action_fix(self) -> None:
        """Show the fix of the finding under the cursor."""
        from meshtui.screens.fix import FixScreen
        from meshtui.ui.panes.findings import finding_of

        uid = self.query_one(ObjectTable).uid
        finding = finding_of(self.view, uid) if self.pane.id == "findings" and uid else None
        if finding is None:
            self.notify("fixes belong to findings: 5, then f", severity="warning")
        elif finding.fix is None:
            self.notify(f"{finding.rule} has no change that is safe to propose: Enter says more", severity="warning")
        else:
            self.app.push_screen(FixScreen(self.session, finding))

    def action_undo(self) -> None:
        """Open the fix that was applied last, and ask to undo it."""
        from meshtui.screens.fix import FixScreen

        done = self.session.fixes
        if not done:
            self.notify("no fix was applied in this session: there is nothing to undo", timeout=3)
            return
        self.app.push_screen(FixScreen(self.session, done[-1].proposal.finding))
        self.app.call_later(self.app.run_action, "screen.undo")

    def action_flow(self) -> None:
        """Open the flow screen; on a finding, its fix."""
        if self.pane.id == "findings":
            self.action_fix()
            return
        from meshtui.screens.flow import FlowScreen

        self.app.push_screen(FlowScreen(self.session))

    def action_why(self) -> None:
        """Open the flow screen with the workload under the cursor as the source."""
        from meshtui.screens.flow import FlowScreen

        ref = self.current()
        workload = self.session.snapshot.workloads.get(ref) if ref else None
        if workload is None:
            self.notify("why is asked of a workload's flow: 2, then w (or f, and type it)", severity="warning")
            return
        self.app.push_screen(FlowScreen(self.session, str(workload_endpoint(workload.ref))))

    def action_probe(self) -> None:
        """Probe the flows of the workload, or of the namespace, under the cursor; on a node, port 15008 of its pods."""
        if self.pane.id == "mesh":
            self._prove(self._uid_shown())
            return
        ref = self.current()
        workload = self.session.snapshot.workloads.get(ref) if ref else None
        if workload is not None:
            self._probe(str(workload.ref), flows_from(self.session.snapshot, workload, PROBED))
        elif ref is not None and ref.kind == "Namespace":
            self._probe(str(ref), flows_from_all(self.session.snapshot, ref.name, PROBED))
        else:
            self.notify(
                "probes start from a workload, a namespace or a node: 2, 1 or 6, then p; P probes all", severity="warning"
            )

    def action_probe_all(self) -> None:
        """Probe the flows of all workloads of the chosen namespace, or of the cluster."""
        name = self.session.namespace
        about = f"namespace {name}" if name else f"the cluster, context {self.session.label.context}"
        self._probe(about, flows_from_all(self.session.snapshot, name, PROBED))

    @work(exclusive=True, group="prove")
    async def _prove(self, node: str) -> None:
        """Ask the pods of a node that aren't proven to be captured, from outside the mesh, after a confirmation."""
        from meshtui.probe.capture import plan_capture
        from meshtui.screens.confirm import ConfirmScreen
        from meshtui.sources.kubernetes.writes import Confirmation
        from meshtui.ui.probing import proofs_summary, question_of_capture

        session = self.session
        if not node or session.read_only:
            self.notify(f"nothing is probed: {session.read_only or 'no node is chosen'}", severity="error", markup=False)
            return
        if session.mesh.proving:
            self.notify("the pods are being asked already", severity="warning")
            return
        pods = session.mesh.to_prove(node)
        asked = await asyncio.to_thread(plan_capture, session.engine, pods, session.settings.probe)
        if not asked.plan.batches:
            why = next(iter(asked.left_out.values()), "every pod is proven to be captured")
            self.notify(f"nothing to probe on {node}: {why}", severity="warning", markup=False)
            return
        if not await self.app.push_screen_wait(ConfirmScreen(question_of_capture(asked, node, session.label.context), yes="Ask")):
            return
        try:
            proofs = await session.mesh.prove(asked, Confirmation("confirmed on the main screen"))
        except MeshtuiError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.notify(proofs_summary(proofs), markup=False)

    def _probe(self, about: str, flows: Iterable[Flow]) -> None:
        from meshtui.screens.probe import ProbeScreen

        self.app.push_screen(ProbeScreen(self.session, about, flows))


def _contains(row: Row, words: list[str]) -> bool:
    text = " ".join(cell.text for cell in row.cells).lower()
    return all(word in text for word in words)
