"""The main screen: going from pane to pane and back, the prompt, and what keys do with what is under the cursor."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import ClassVar, Protocol, runtime_checkable

from textual import on, work
from textual.binding import ActiveBinding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from meshtui.engine.path.relations import PROBED, flows_from_all
from meshtui.model.errors import MeshtuiError
from meshtui.model.finding import Finding
from meshtui.model.ids import ObjectRef
from meshtui.remembered import Remembered
from meshtui.screens.acting import workload_ref
from meshtui.screens.follow import place_of
from meshtui.screens.panes import PanesScreen
from meshtui.session import Session
from meshtui.ui.actions import bindings, by_id, typed
from meshtui.ui.actions import on as on_place
from meshtui.ui.filters import HINT
from meshtui.ui.history import History, Place
from meshtui.ui.links import Link
from meshtui.ui.panes import ELSEWHERE, Pane, pane_called, panes, tabbed
from meshtui.ui.saving import table_text
from meshtui.ui.sorting import letters_of, written
from meshtui.ui.widgets.pane_box import PaneBox
from meshtui.ui.widgets.picture import PictureView
from meshtui.ui.widgets.prompt import Prompt
from meshtui.ui.widgets.table import ObjectTable

_WITH_NAMES = frozenset({"ns", "namespace", "ctx", "context"})
"""The words after ``:`` that take a name."""


@runtime_checkable
class HasContexts(Protocol):
    """The program, if it can switch to another context."""

    def contexts(self) -> list[str]:
        """The names of the contexts."""
        ...

    def switch_context(self, name: str) -> object:
        """Show another context."""
        ...


class MainScreen(PanesScreen):
    """The first screen. Other screens are pushed on top of it."""

    PLACE = "main"
    BINDINGS: ClassVar[list[BindingType]] = bindings("main")

    def __init__(self, session: Session, remembered: Remembered | None = None) -> None:
        super().__init__(session, remembered)
        self._history = History()

    @on(PictureView.Chosen)
    def _picked(self, event: PictureView.Chosen) -> None:
        link = event.item.link if event.item is not None else None
        if isinstance(link, ObjectRef) and event.view is self._map and self._go_to(link):
            return
        if link is not None:
            self.open_link(link)

    def _go_to(self, ref: ObjectRef) -> bool:
        """Move the cursor to an object, in its pane. Returns False if no pane shows it."""
        found = place_of(self.session.snapshot, ref)
        if found is None:
            return False
        pane = next(pane for pane in panes() if pane.id == found[0])
        if not self._box_of(pane).table.select(found[1]):
            return False
        self._note()
        self._turn_to(pane)
        self._note()
        return True

    @on(ObjectTable.Chosen)
    def _opened(self, event: ObjectTable.Chosen) -> None:
        if self.pane.id == "namespaces":
            ref = self.pane.ref_of(self.view, event.uid)
            self._note()
            self.session.namespace = ref.name if ref else ""
            self.show_pane(panes()[1])
            self.refresh_data()
        else:
            self.action_describe()

    # ---- panes

    def show_pane(self, pane: Pane) -> None:
        """Go to a pane. Its cursor is where it was left; that of the namespaces begins on the one of what was chosen."""
        self._note()
        link = self._row_link()
        self._turn_to(pane)
        if pane.id == "namespaces" and link is not None:
            self._suggest_namespace(link)
        self._focus_body()
        self._note()

    def _suggest_namespace(self, link: Link) -> None:
        """Put the cursor of the namespaces, unless it was moved, on the namespace of an object or a finding."""
        name = link.namespace if isinstance(link, ObjectRef | Finding) else ""
        namespace = self.session.snapshot.namespace_by_name.get(name)
        if namespace is not None:
            self.table.suggest(namespace.meta.uid)

    def _note(self) -> None:
        """Remember this view."""
        self._history.visit(Place(self.pane.id, self.session.namespace, self.needle, self.box.uid))

    def _return_to(self, place: Place | None) -> None:
        """Show a view as it was."""
        if place is None:
            self.notify("there is no other view yet", timeout=2)
            return
        self.session.namespace = place.namespace
        pane = next(pane for pane in panes() if pane.id == place.pane)
        self._box_of(pane).needle = place.needle
        self._turn_to(pane)
        self.refresh_data()
        self.table.select(place.uid)
        self._focus_body()

    def action_walk_back(self, by: int) -> None:
        """Go to the view before, or to the next one after going back."""
        self._note()
        self._return_to(self._history.walk(by))

    def action_last_view(self) -> None:
        """Go to the view before, or back from there."""
        self._note()
        self._return_to(self._history.last())

    def action_all_namespaces(self) -> None:
        """Show all namespaces."""
        self._to_namespace("")

    def _to_namespace(self, name: str) -> None:
        self._note()
        self.session.namespace = name
        self.refresh_data()
        self._note()

    def action_save(self) -> None:
        """Save the table as CSV, with all its columns."""
        titles, rows = self.box.whole()
        text = table_text(titles, [[written(cell) for cell in row.cells] for row in rows])
        self.write_file(text, f"{self.session.label.context}-{self.pane.id}", "csv")

    def action_pane(self, order: int) -> None:
        """Go to the pane with this number."""
        self.show_pane(panes()[order - 1])

    def visit(self, pane_id: str, name: str = "") -> None:
        """Go to a pane, with the cursor on an object (``Kind NS/NAME``) if it exists."""
        pane = next(pane for pane in panes() if pane.id == pane_id)
        self._box_of(pane).needle = ""
        self.show_pane(pane)
        for row in self.table.rows:
            if name and str(self.pane.ref_of(self.view, row.uid)) == name:
                self.table.select(row.uid)
                break

    def _stops(self) -> list[Widget]:
        """What Tab goes through: the panes, then the parts at the right."""
        found: list[Widget] = [self._box_of(pane) for pane in tabbed()]
        right = (self._map, self._path, self._detail, self._strip) if self.query_one("#right").display else ()
        return [*found, *(part for part in right if part.display)]

    def _stop(self, by: int) -> None:
        stops = self._stops()
        here = next((index for index, stop in enumerate(stops) if stop is self.focused), self.pane.order - 1)
        stop = stops[(here + by) % len(stops)]
        if isinstance(stop, PaneBox):
            self.show_pane(stop.pane)
        else:
            self.set_focus(stop)

    def action_next_pane(self) -> None:
        """Go to the next pane."""
        self._stop(1)

    def action_previous_pane(self) -> None:
        """Go to the pane before."""
        self._stop(-1)

    def action_aside(self, right: int) -> None:
        """From the pane to what is beside it: the map, else the detail; and back."""
        if right < 0:
            self._focus_body()
        elif self.focused in (self.box.table, self.box.document) and self.query_one("#right").display:
            self.set_focus(self._map if self._map.display else self._detail)
            self._to_edge = self._map_is_late
            if not self._to_edge:
                self._select_edge()

    def action_zoom(self) -> None:
        """Show the pane with the focus larger: half of the screen, all of it, then as before."""
        self.zoom = self.zoom.next()
        self._remembered.zoom = self.zoom.value
        self._remembered.save()
        self._arrange()
        self.box.focus_inside()

    # ---- the prompt

    def action_command(self) -> None:
        """Open the prompt for a pane or a screen."""
        aliases = [pane.aliases for pane in panes()]
        words = [action.words for action in on_place(self.PLACE) if action.words]
        usual = [each[0] for each in (*aliases, *words)]
        names = [word for each in (*aliases, *words) for word in each]
        spaces = [f"ns {name}" for name in sorted(self.session.snapshot.namespace_by_name)]
        contexts = [f"ctx {name}" for name in self._contexts()]
        self.query_one(Prompt).ask(":", [*usual, *names, *spaces, *(["ctx"] if contexts else []), *contexts], "", never=ELSEWHERE)

    def _contexts(self) -> list[str]:
        return self.app.contexts() if isinstance(self.app, HasContexts) else []

    def action_filter(self) -> None:
        """Open the prompt for the filter."""
        self.query_one(Prompt).ask("/", [], self.needle, HINT)

    def _filter(self, needle: str) -> None:
        if needle != self.box.needle:
            self.box.needle = needle
            self._make(self.box)
            self._arrange()
            self._point()

    @on(Input.Changed, "#prompt-input")
    def _typing(self, event: Input.Changed) -> None:
        prompt = self.query_one(Prompt)
        if prompt.display and prompt.mark == "/":
            self._filter(event.value)

    @on(Prompt.Answered)
    def _answered(self, event: Prompt.Answered) -> None:
        if event.mark == "/":
            self._focus_body()
            self._filter(event.text)
            return
        word, _, name = event.text.strip().lower().partition(" ")
        if word in _WITH_NAMES and (name or word not in {"ns", "namespace"}):
            self._focus_body()
            self._go_by_name(word, event.text.strip().partition(" ")[2].strip())
            return
        word = event.text.strip().lower()
        action = typed(self.PLACE, word)
        if action is not None:
            self._focus_body()
            self.app.call_later(self.run_action, action.call)
        elif (pane := pane_called(word)) is not None:
            self._box_of(pane).needle = pane.kinds.get(word, "")
            self.show_pane(pane)
            return
        self._focus_body()
        if action is None and word:
            known = ", ".join(sorted(pane.aliases[0] for pane in panes()))
            self.notify(f"no kind {word!r}: try {known}", severity="warning", markup=False)

    def _go_by_name(self, word: str, name: str) -> None:
        """``ns NAME`` shows a namespace, ``ctx NAME`` another context."""
        if word in {"ctx", "context"}:
            if not name:
                known = ", ".join(self._contexts()) or "only this one"
                self.notify(f"contexts: {known}; type :ctx NAME", timeout=6, markup=False)
            elif isinstance(self.app, HasContexts):
                self.app.switch_context(name)
        elif name in self.session.snapshot.namespace_by_name:
            self._to_namespace(name)
        else:
            self.notify(f"no namespace {name!r}", severity="warning", markup=False)

    @on(Prompt.Left)
    def _left(self, event: Prompt.Left) -> None:
        if event.mark == "/":
            self._filter("")
        self._focus_body()

    # ---- actions

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The keys for the footer: on findings, f is called Fix, in the place of w.

        u is there when it undoes something, and Tab at the prompt when it completes something.
        """
        found = super().active_bindings
        keys = {active.binding.id: key for key, active in found.items()}
        undo, flow, why = (keys.get(f"main.{name}") for name in ("undo", "flow", "why"))
        completes = self.is_there and self.query_one(Prompt).completes
        for key, show in ((undo, bool(self.session.fixes)), (keys.get("prompt.complete"), completes)):
            if key is not None:
                found[key] = found[key]._replace(binding=replace(found[key].binding, show=show))
        if self.pane.id == "findings" and flow is not None and why is not None:
            fix = replace(found[flow].binding, description=by_id()["main.fix"].footer)
            places = {flow: why, why: flow}
            found = {places.get(key, key): found[places.get(key, key)] for key in found}
            found[flow] = found[flow]._replace(binding=fix)
        return found

    def action_sort(self) -> None:
        """Sort by the time of the last change, or by name."""
        if not self.session.changes().keys() & {row.uid for row in self.table.rows}:
            self.notify(f"{self.pane.title} have no time of a change: the letter of a column sorts by it", severity="warning")
            return
        self.box.by_change = not self.box.by_change
        self.box.sort = ""
        self.refresh_data()
        self.table.cursor = 0
        self.notify("newest change first; s: by name" if self.box.by_change else "by name", timeout=3)

    def action_columns(self) -> None:
        """Show all columns of the pane, also where it is narrow; or the usual ones."""
        self.box.all_columns = not self.box.all_columns
        self.box.refresh_rows()

    def action_sort_by(self, letter: str) -> None:
        """Sort by the column with this letter; again: in reverse."""
        title = next((title for title, each in letters_of(self.table.columns).items() if each == letter), "")
        if title:
            self._sort(self.box, title)

    @on(ObjectTable.HeaderChosen)
    def _sorted(self, event: ObjectTable.HeaderChosen) -> None:
        self._sort(next(box for box in self._boxes if box.table is event.table), event.title)

    def _sort(self, box: PaneBox, title: str) -> None:
        """Sort a pane, and remember how."""
        box.sort_by(title)
        self._remembered.sort[box.pane.id] = f"{'-' if box.reverse else ''}{box.sort}"
        self._remembered.save()

    def action_namespace(self) -> None:
        """Choose a namespace, or all."""
        from meshtui.screens.namespace import NamespaceScreen

        def chosen(name: str | None) -> None:
            if name is not None:
                self._to_namespace(name)

        self.app.push_screen(NamespaceScreen(self.session), chosen)

    def action_retry(self) -> None:
        """Try to reach the cluster now."""
        self.session.retry_now()

    def action_back(self) -> None:
        """Clear the filter, else the namespace."""
        if self.needle:
            self.box.needle = ""
        elif self.session.namespace:
            self.session.namespace = ""
        else:
            self._focus_body()
            return
        self.refresh_data()

    def action_describe(self) -> None:
        """Show the detail on a screen of its own."""
        from meshtui.screens.describe import DescribeScreen

        if self.table.uid:
            self.app.push_screen(DescribeScreen(self.view, self.pane, self.table.uid))

    def action_map(self) -> None:
        """Show the map on the whole screen."""
        from meshtui.screens.map import MapScreen

        ref = self._mapped()
        if ref is None:
            self.notify("a map is drawn of a workload, a namespace or a policy: 2, 1, 3 or 4, then M", severity="warning")
        else:
            self.app.push_screen(MapScreen(self.session, ref))

    def action_matrix(self) -> None:
        """Show the matrix of the workloads of this namespace, or of all namespaces."""
        from meshtui.screens.matrix import MatrixScreen

        self.app.push_screen(MatrixScreen(self.session))

    def action_denials(self) -> None:
        """Show recent denials."""
        from meshtui.screens.denials import DenialsScreen

        self.app.push_screen(DenialsScreen(self.session))

    def action_undo(self) -> None:
        """Open the fix that was applied last, and ask to undo it."""
        from meshtui.screens.fix import FixScreen

        done = self.session.fixes
        if not done:
            self.notify("no fix was applied in this session: there is nothing to undo", timeout=3)
            return
        self.app.push_screen(FixScreen(self.session, done[-1].proposal.finding))
        self.app.call_later(self.app.run_action, "screen.undo")

    def action_why(self) -> None:
        """Explain the flow; of a workload, first the one whose path is in view: what is typed then takes its place."""
        from meshtui.screens.flow import FlowScreen, written_ends

        flow, link = self._path.about, self.link
        if (
            self._path.display
            and flow is not None
            and isinstance(link, ObjectRef)
            and link == workload_ref(self.session.snapshot, flow.source)
        ):
            self.app.push_screen(FlowScreen(self.session, *written_ends(flow)))
        else:
            super().action_why()

    def action_flow(self) -> None:
        """Open the flow screen; on a finding, its fix."""
        from meshtui.screens.flow import FlowScreen

        if self.pane.id == "findings":
            self.action_fix()
        else:
            self.app.push_screen(FlowScreen(self.session))

    def action_probe(self) -> None:
        """Probe the flows of what is under the cursor; on a node, port 15008 of its pods."""
        if self.pane.id == "mesh" and self.session.mesh.proving:
            self.notify("the pods are being asked already", severity="warning")
        elif self.pane.id == "mesh":
            self._prove(self.box.uid)
        else:
            super().action_probe()

    def interrupt(self) -> bool:
        """Stop asking the pods of a node. Returns whether that was running."""
        running = bool(self.session.mesh.proving)
        if running:
            self.workers.cancel_group(self, "prove")
        return running

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
