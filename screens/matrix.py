"""The matrix of all pairs of namespaces or workloads, updated live. Enter opens a pair, Esc goes back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Resize
from textual.widgets import Static

from meshtui.engine.decision.conclude import decided_of
from meshtui.engine.decision.ruling import Decided
from meshtui.engine.explain.causes import differences, near
from meshtui.engine.explain.ports import ON_REQUEST, answers
from meshtui.engine.explain.wording import in_words
from meshtui.engine.matrix.cells import Cell
from meshtui.engine.matrix.proxied import Memo
from meshtui.model.change import Cause
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import KindStatus
from meshtui.model.verdict import Decision, Verdict
from meshtui.screens.acting import LinkScreen
from meshtui.screens.choose_flow import open_pair
from meshtui.session import Session
from meshtui.ui import state
from meshtui.ui.actions import bindings
from meshtui.ui.document import BAD, DIM, STRONG, WARN, Document, Line, Section, Word, line
from meshtui.ui.links import Link
from meshtui.ui.panes.base import policies_known
from meshtui.ui.reach import DEPENDS, MARKS, Port, Reach, View, reach, settled
from meshtui.ui.text import age
from meshtui.ui.verdicts import VERDICTS
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.grid import Grid, Label, Mark, Place
from meshtui.ui.widgets.status import StatusBar

_SAID_LINES = 4
"""The lines below the grid, at least."""
_MOST_WORKLOADS = 1000
"""So many workloads are shown all at once: a million pairs."""
_SHORT = {"some ports or pods": "some", ON_REQUEST: "depends on request"}
"""Shorter words of marks, for the line below the grid."""
_POLICIES = ("NetworkPolicy", "AuthorizationPolicy", "PeerAuthentication")


@dataclass(frozen=True, slots=True)
class _Changed:
    """The former code of a pair, when the change was noticed, and the objects that changed at that time."""

    before: int
    at: datetime
    because: tuple[Cause, ...]


class MatrixScreen(LinkScreen):
    """One view of all pairs. It is computed in a thread; the screen shows the last result until the next one."""

    PLACE = "matrix"
    BINDINGS: ClassVar[list[BindingType]] = bindings("matrix")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.view = View(session.namespace, session.namespace)
        self._declared = True
        self._above: list[tuple[View, tuple[str, str]]] = []
        self._shown: Reach | None = None
        self._memo = Memo()
        self._version = -1
        self._busy = self._again = False
        self._wanted: tuple[str, str] | None = None
        self._changed: dict[tuple[str, str], _Changed] = {}

    def compose(self) -> ComposeResult:
        """Header, title, grid, what the mark under the cursor means, footer."""
        yield StatusBar(id="status")
        yield Static(id="title")
        yield Grid([Mark(glyph, tone) for glyph, _, tone in MARKS], below=4 + _SAID_LINES, id="grid")
        yield DocumentView(id="state")
        yield DocumentView(id="said")
        yield Static(id="message")
        yield Footer()

    @property
    def _said(self) -> DocumentView:
        return self.query_one("#said", DocumentView)

    @property
    def link(self) -> Link | None:
        """What the cursor rests on in the words below the grid."""
        return self._said.link if self._said.has_focus else None

    def on_mount(self) -> None:
        """Follow the session."""
        self._stop_listening = self.session.listen(self.refresh_data)
        self.set_interval(1.0, self._tick)
        self.query_one(Grid).focus()
        self.refresh_data()

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()

    # ---- judging

    def refresh_data(self) -> None:
        """Compute the view again. If that is in progress, compute it once more afterwards."""
        if not self.is_there:
            return
        self._tick()
        if self._busy:
            self._again = True
            return
        self._busy = True
        self._judge()

    @work(thread=True, group="matrix")
    def _judge(self) -> None:
        view, declared, shown, version = self.view, self._declared, self._shown, self._version
        with self.session.all_pairs() as (matrix, now):
            if shown is not None and now == version and shown.view == view and shown.declared == declared:
                found = shown
            else:
                found = reach(matrix, view, declared=declared, memo=self._memo)
                found = settled(found, self.session.engine.resolver, self.session.verdict)
        self.app.call_from_thread(self._judged, found, now)

    def _judged(self, found: Reach, version: int) -> None:
        self._busy = False
        if not self.is_there:
            return  # the screen is being closed
        if (found.view, found.declared) == (self.view, self._declared):
            self._note_changes(found)
            self._shown, self._version = found, version
            self._show()
        else:
            self._again = True
        if self._again:
            self._again = False
            self.refresh_data()

    def _note_changes(self, found: Reach) -> None:
        """Mark the pairs whose code has changed in the same view."""
        old = self._shown
        if old is None or old is found or (old.view, old.declared) != (found.view, found.declared):
            return
        rows = {name: i for i, name in enumerate(old.rows)}
        columns = {name: i for i, name in enumerate(old.columns)}
        because: list[Cause] | None = None
        for r, row in enumerate(found.rows):
            before = old.codes[rows[row]] if row in rows else None
            if before is None or (old.columns == found.columns and before == found.codes[r]):
                continue
            for c, column in enumerate(found.columns):
                code = before[columns[column]] if column in columns else found.codes[r][c]
                if code != found.codes[r][c]:
                    because = differences(old.snapshot, found.snapshot) if because is None else because
                    spaces = {row.partition("/")[0], column.partition("/")[0], self.session.snapshot.mesh.root_namespace}
                    self._changed[row, column] = _Changed(code, self.session.clock(), near(because, spaces))

    # ---- showing

    def _show(self) -> None:
        shown = self._shown
        if shown is None:
            return
        rows = {name: i for i, name in enumerate(shown.rows)}
        columns = {name: i for i, name in enumerate(shown.columns)}
        changed = frozenset((rows[r], columns[c]) for r, c in self._changed if r in rows and c in columns)
        grid = self.query_one(Grid)
        grid.show(_labels(shown.rows), _labels(shown.columns), shown.codes, changed)
        if self._wanted is not None and self._wanted[0] in rows and self._wanted[1] in columns:
            grid.select((rows[self._wanted[0]], columns[self._wanted[1]]))
        self._wanted = None
        self._tick()
        self._say()

    def _tick(self) -> None:
        self.query_one(StatusBar).show(self.session)
        face = self._face()
        self.query_one("#state", DocumentView).display = face is not None
        grid = self.query_one(Grid)
        hidden = not grid.display
        grid.display = face is None
        if face is not None:
            self.query_one("#state", DocumentView).show(face)
        elif hidden:
            grid.focus()
        self._update("#title", self._title())
        self._update("#message", self._message())
        self._say()

    def _update(self, selector: str, *lines: Line) -> None:
        body = Document("", (Section("", lines),)).content()
        self.query_one(selector, Static).update(body[2:], layout=False)  # their size is fixed

    def _face(self) -> Document | None:
        """The document to show if there is no grid to show."""
        session = self.session
        if session.error is not None:
            return state.failed(session.error)
        pods = session.snapshot.kind_state("Pod")
        if session.loading or (pods.status is KindStatus.LOADING and not session.snapshot.pods):
            return state.loading("pods and policies")
        if not session.snapshot.pods and (drawn := state.face("pods", pods, session.clock())) is not None:
            return drawn
        if self._shown is None or self._shown.view != self.view:
            return Document("… judging all pairs")
        if not self._shown.rows or not self._shown.columns:
            where = self.view.source if not self._shown.rows else self.view.destination
            return Document(
                "No pods", (Section("", (line(f"nobody runs in {where or 'this cluster'}; n chooses a namespace"),)),)
            )
        return None

    def _title(self) -> Line:
        view = self.view
        if view.workloads:
            what = "all workloads, by namespace"
        elif not view.source:
            what = "namespaces → namespaces"
        elif view.source == view.destination:
            what = f"workloads of {view.source}"
        else:
            what = f"workloads of {view.source} (rows) → {view.destination} (columns)"
        ports = "by the ports they declare" if self._declared else "by every TCP port"
        return line(" ", (f"Matrix: {what}", STRONG), (f"  {ports}", DIM))

    def _message(self) -> Line:
        missing = policies_known(self.session, "Namespace", "Pod", *_POLICIES)
        if missing:
            return line((f"not everything is known: {missing}", BAD))
        if self._shown is not None and self._shown.left:
            return line((f"{self._shown.left} pairs behind proxies were too many to judge: n chooses a namespace", WARN))
        words: list[str | tuple[str, str]] = []
        for glyph, word, tone in MARKS:
            words += [(glyph, tone), (f" {_SHORT.get(word, word)}  ", DIM)]
        return line(*words, ("* changed", WARN))

    def on_resize(self, event: Resize) -> None:
        """Use the room of the grid, and that below it."""
        del event
        self.query_one(Grid).fit()
        self.call_after_refresh(self._say)

    @on(Grid.Highlighted)
    def _moved(self) -> None:
        self._say()

    def _pair(self) -> tuple[Place, str, str] | None:
        """The position of the cursor, and the names of its row and column."""
        place, shown = self.query_one(Grid).place, self._shown
        if place is None or shown is None or place[0] >= len(shown.rows) or place[1] >= len(shown.columns):
            return None
        return place, shown.rows[place[0]], shown.columns[place[1]]

    def _say(self) -> None:
        """Show the meaning of the mark under the cursor."""
        pair, shown, said = self._pair(), self._shown, self._said
        if pair is None or shown is None:
            said.show_lines(())
            return
        (row, column), source, destination = pair
        room = max(_SAID_LINES, said.size.height)
        glyph, word, tone = MARKS[shown.codes[row][column]]
        cell = shown.cells[row][column]
        head: list[str | tuple[str, str]] = [(source, STRONG), " → ", (destination, STRONG), "  ", (f"{glyph} {word}", tone)]
        lines = [line(*head)]
        changed = self._changed.get((source, destination))
        if changed is not None:
            lines.append(self._changed_words(changed))
        if (row, column) in shown.judged:
            lines += [_flow_line(flow, verdict) for flow, verdict in shown.judged[row, column]]
        elif cell is not None:
            lines += cell_lines(cell, shown.ports[column], room - len(lines))
        said.show_lines(lines[:room])

    def _changed_words(self, changed: _Changed) -> Line:
        was = " ".join(MARKS[changed.before][:2])
        since = age((self.session.clock() - changed.at).total_seconds())
        why = f", because {'; '.join(str(c) for c in changed.because[:2])}" if changed.because else ""
        return line((f"* changed {since} ago, was {was}{why}", WARN))

    # ---- actions

    @on(Grid.Chosen)
    def _opened(self) -> None:
        """Open a pair: of namespaces, the matrix of their workloads; of workloads, the explained flow."""
        pair = self._pair()
        if pair is None:
            return
        (_row, _column), source, destination = pair
        if self.view.by == "workload":
            open_pair(self, self.session, source, destination)
        else:
            self._above.append((self.view, (source, destination)))
            self._go(View(source, destination))

    def _go(self, view: View, at: tuple[str, str] | None = None) -> None:
        self.view = view
        self._shown, self._changed = None, {}
        self._wanted = at
        self.query_one(Grid).select((0, 0))
        self.refresh_data()

    def action_ports(self) -> None:
        """Switch between declared ports and all TCP ports."""
        self._declared = not self._declared
        self._changed = {}
        self.refresh_data()

    def action_turn(self) -> None:
        """Swap sources and destinations."""
        if self.view.source != self.view.destination:
            self._go(View(self.view.destination, self.view.source))

    def action_workloads(self) -> None:
        """Show all workloads, by namespace; again: the namespaces."""
        if self.view.workloads:
            self._go(View())
            return
        count = len(self.session.snapshot.workloads)
        if count > _MOST_WORKLOADS:
            self.notify(f"{count} workloads are too many at once: n chooses a namespace", severity="warning", markup=False)
            return
        self._above.clear()
        self._go(View(workloads=True))

    def action_namespace(self) -> None:
        """Choose whose workloads to show, or all namespaces."""
        from meshtui.screens.namespace import NamespaceScreen

        def chosen(name: str | None) -> None:
            if name is not None:
                self._above.clear()
                self._go(View(name, name))

        self.app.push_screen(NamespaceScreen(self.session), chosen)

    def action_back(self) -> None:
        """Go back to the view above, else to the screen below."""
        if self._above:
            view, at = self._above.pop()
            self._go(view, at)
        else:
            self.app.pop_screen()


def cell_lines(cell: Cell, ports: tuple[Port, ...], room: int) -> list[Line]:
    """The content of a cell in a few lines, declared ports first."""
    lines: list[Line] = []
    found: dict[tuple[str, str, str, ObjectRef | None, str], list[str]] = {}
    for number, protocol in ports:
        decided = cell.at(number, protocol)
        word, tone = _verdict(decided)
        by = decided.ruling.decider
        rule = f" {by.rule}" if by and by.rule else ""
        why = decided.ruling.layer.value if by else _without_decider(decided)
        found.setdefault((word, tone, why, by.ref if by else None, rule), []).append(f"{protocol} {number}")
    for (word, tone, why, ref, rule), named in found.items():
        by_whom: list[str | tuple[str, str] | Word | ObjectRef] = [" ", Word(str(ref), DIM, ref), (rule, DIM)] if ref else []
        lines.append(line((word, tone), f" {', '.join(named)}  ", (f"by {why}", DIM), *by_whom))
    for answer in answers(cell):
        word, tone = _verdict(Decided(answer.decision, answer.ruling))
        lines.append(line((f"{word}", tone), f" {answer.ports}  ", (f"by {answer.by}", DIM)))
    if len(lines) > room:
        left = len(lines) - room + 1
        lines = [*lines[: room - 1], line((f"and {left} more: Enter says all", DIM))]
    return lines


def _verdict(decided: Decided) -> tuple[str, str]:
    """A verdict's glyph with its word, and its tone."""
    glyph, word, tone = MARKS[DEPENDS]
    return (f"{glyph} {word}", tone) if decided.ruling.on_request else VERDICTS[decided.decision]


def _without_decider(decided: Decided) -> str:
    return "no policy selects it" if decided.decision is Decision.ALLOW else decided.ruling.layer.value


def _flow_line(flow: Flow, verdict: Verdict) -> Line:
    word, tone = _verdict(decided_of(verdict))
    to, by = Word(f"{flow.destination}:{flow.port}", link=flow), verdict.decided_by
    if by is None:
        return line((word, tone), " ", to, (f"  by {in_words(verdict.reason) or 'no policy'}", DIM))
    return line((word, tone), " ", to, (f"  by {verdict.layer.value} ", DIM), Word(str(by.ref), DIM, by.ref))


def _labels(names: tuple[str, ...]) -> list[Label]:
    """Short names, by namespace: the workload's own, with its kind if two kinds in the namespace share the name."""
    last = [name.rpartition("/")[2] for name in names]
    pairs = Counter((name.partition("/")[0], short) for name, short in zip(names, last, strict=True))
    return [
        Label(
            name, _named(name, short, twice=pairs[name.partition("/")[0], short] > 1), name.rpartition("/")[0].partition("/")[0]
        )
        for name, short in zip(names, last, strict=True)
    ]


def _named(name: str, short: str, *, twice: bool) -> str:
    """A workload's label; two with the same name are told apart by their kinds."""
    return f"{short} ({name.split('/')[1]})" if twice and name.count("/") > 1 else short
