"""The main screen: all panes with a map, a path and the detail; on a small terminal one pane and its detail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import ClassVar, Protocol, runtime_checkable

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Footer, Input, Static
from textual.worker import get_current_worker

from meshtui.engine.explain.denials import DeniedCount
from meshtui.engine.path.relations import PROBED, flows_from_all
from meshtui.model.errors import MeshtuiError
from meshtui.model.finding import Finding, Severity
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import KindStatus
from meshtui.remembered import Remembered
from meshtui.screens.acting import LinkScreen, workload_ref
from meshtui.screens.follow import place_of
from meshtui.session import Session
from meshtui.ui import layout
from meshtui.ui.actions import bindings, by_id, keys_of, typed
from meshtui.ui.actions import on as on_place
from meshtui.ui.document import DIM, line
from meshtui.ui.filters import HINT
from meshtui.ui.happened import strip
from meshtui.ui.history import History, Place
from meshtui.ui.layout import Zoom
from meshtui.ui.links import Link, named
from meshtui.ui.mapped import has_map, worst_flow
from meshtui.ui.panes import Pane, pane_called, panes, tabbed
from meshtui.ui.panes.findings import finding_of
from meshtui.ui.related import related, uids_of
from meshtui.ui.saving import table_text
from meshtui.ui.sorting import letters_of, written
from meshtui.ui.text import titled
from meshtui.ui.view import View
from meshtui.ui.widgets.detail import Detail
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.live import LiveMap, LivePath
from meshtui.ui.widgets.pane_box import PaneBox
from meshtui.ui.widgets.picture import PictureView
from meshtui.ui.widgets.prompt import Prompt
from meshtui.ui.widgets.status import StatusBar
from meshtui.ui.widgets.table import ObjectTable
from meshtui.ui.widgets.tabs import KindTabs

_FRAME = 4
"""The cells of a frame with its padding."""
_DRAWN = frozenset({"May call", "Called by"})
"""The sections of a detail that the map shows."""
_STRIP_LINES = 30
"""So many lines the strip has at most."""
SMALLEST = (60, 12)
"""Minimum size of the terminal: columns and rows."""
_RELATED_AFTER_S = 0.06
"""What belongs to an object is looked for so many seconds after the cursor has moved, so that moving isn't slowed down."""
_NEXT_AFTER_S = 0.02
"""After a change, the panes without the focus are renewed one after the other, so many seconds apart."""


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


class Body(Horizontal):
    """The panes and what is at their right. It says when its size changes: a panel beside it may come and go."""

    class Resized(Message):
        """It has another size."""

    def on_resize(self) -> None:
        """Tell the screen."""
        self.post_message(self.Resized())


class MainScreen(LinkScreen):
    """The first screen. Other screens are pushed on top of it."""

    PLACE = "main"
    AUTO_FOCUS = ""  # the pane that is shown first, and not the first one
    BINDINGS: ClassVar[list[BindingType]] = bindings("main")

    def __init__(self, session: Session, remembered: Remembered | None = None) -> None:
        super().__init__(session)
        self.session = session
        self.view = View(session)
        self.pane = panes()[1]
        self._remembered = remembered or Remembered()
        self.zoom = next((zoom for zoom in Zoom if zoom.value == self._remembered.zoom), Zoom.NORMAL)
        self.wide = False
        self._due = False
        self._history = History()
        self._stale: list[PaneBox] = []
        self._renewing: Timer | None = None
        self._denied: Mapping[ObjectRef, DeniedCount] | None = None
        self._relating: Timer | None = None
        self._boxes: list[PaneBox] = []
        self._to_edge = False
        """Whether the cursor of the map goes to the flow of the path once the map is there."""
        self._news = 0
        """How often the session has said that it knows something new."""
        self._made_of: dict[str, tuple[object, ...]] = {}
        """Of what the rows of each pane were made last."""

    @property
    def crumb(self) -> str:
        """What the header calls this screen."""
        return self.pane.title

    def compose(self) -> ComposeResult:
        """Header, tabs, the panes beside the detail, prompt, footer."""
        yield StatusBar(id="status")
        yield KindTabs(id="tabs")
        with Body(id="body"):
            with Vertical(id="left"):
                for pane in panes():
                    yield PaneBox(pane, self.view)
            with Vertical(id="right"):
                yield LiveMap(self.session, id="map")
                yield LivePath(self.session, id="path", share=1.0)
                yield Detail(self.view, id="detail")
                yield DocumentView(id="strip")
        yield Static(id="tiny")
        yield Prompt(id="prompt")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Follow the session, and update the header every second."""
        self._boxes = list(self.query(PaneBox))
        self._stop_listening = self.session.listen(self._changed)
        self.set_interval(1.0, self._second)
        for box in self._boxes:
            wanted = self._remembered.sort.get(box.pane.id, "")
            box.sort, box.reverse = wanted.removeprefix("-"), wanted.startswith("-")
        self._detail.border_title = "Detail"
        self._strip.border_title = "Lately"
        self._path.border_subtitle = self._ways_to_the_flow()
        self._arrange()
        self._focus_body()
        self.refresh_data()

    def on_screen_resume(self) -> None:
        """Say at once that one is back here."""
        self.query_one(StatusBar).show(self.session)

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()

    # ---- the parts

    @property
    def box(self) -> PaneBox:
        """The pane that has the focus, or had it last."""
        return self._box_of(self.pane)

    def _box_of(self, pane: Pane) -> PaneBox:
        found = next((box for box in self._boxes if box.pane is pane), None)
        return found or self.query_one(f"#pane-{pane.id}", PaneBox)

    @property
    def table(self) -> ObjectTable:
        """The table of the pane."""
        return self.box.table

    @property
    def needle(self) -> str:
        """The filter of the pane."""
        return self.box.needle

    @property
    def _is_there(self) -> bool:
        """Whether the panes are mounted: not before the first frame, and not after the last one."""
        return bool(self._boxes) and self.is_attached and all(box.is_attached for box in self._boxes)

    @property
    def _detail(self) -> Detail:
        return self.query_one("#detail", Detail)

    @property
    def _map(self) -> LiveMap:
        return self.query_one(LiveMap)

    @property
    def _map_is_late(self) -> bool:
        """Whether the map still shows what was under the cursor before: keys that are typed ahead don't mean that."""
        return self._map.drawn_of != self._mapped()

    @property
    def _path(self) -> LivePath:
        return self.query_one(LivePath)

    def _ways_to_the_flow(self) -> Content:
        """The keys that act on the flow of the path."""
        keymap = self.session.settings.keys
        first, *acts = (by_id()[name] for name in ("main.right", "main.why", "main.probe", "main.copy"))
        shown = {each.id: self.app.get_key_display(Binding(keys_of(each, keymap)[0], "")) for each in (first, *acts)}
        return titled(f"{shown[first.id]} to this flow: {', '.join(f'{shown[each.id]} {each.footer}' for each in acts)}")

    @property
    def _strip(self) -> DocumentView:
        return self.query_one("#strip", DocumentView)

    # ---- arranging

    def on_resize(self, event: events.Resize) -> None:
        """Arrange the panes for the size."""
        width = event.size.width
        tiny = width < SMALLEST[0] or event.size.height < SMALLEST[1]
        self.set_class(tiny, "-tiny")
        if tiny:
            have, need = f"{width}×{event.size.height}", f"{SMALLEST[0]}×{SMALLEST[1]}"
            self.query_one("#tiny", Static).update(f"This terminal is {have}: meshtui needs {need}. q quits.")
        self._arrange()
        self.call_after_refresh(self._arrange)

    @on(Body.Resized)
    def _resized(self) -> None:
        before = self.wide
        self._arrange()
        if self.wide is not before:
            self.refresh_data()

    def _room(self) -> tuple[int, int]:
        """The cells and rows of the body."""
        body = self.query_one("#body").size
        if body.width and body.height:
            return body.width, body.height
        return self.app.size.width, max(1, self.app.size.height - 2)

    def _arrange(self) -> None:
        """Set sizes and visibility of all parts."""
        if not self._is_there:
            return
        size = self.app.size
        panel = size.width - self._room()[0] if self.has_class("-drilled") else 0
        self.wide = layout.is_wide(size.width - panel, size.height) and not self.session.loading
        self.set_class(self.wide, "-panes")
        self._detail.leave_out(_DRAWN if self.wide else frozenset())
        width, height = self._room()
        left, right = self.query_one("#left"), self.query_one("#right")
        full = self.zoom is Zoom.FULL
        shown = [box for box in self._boxes if box.pane is self.pane or (self.wide and not full and box.pane.tab)]
        for box in self._boxes:
            box.display = box in shown
            box.set_class(box.pane is self.pane, "-current")
            box.table.head(box.pane is self.pane or not self.wide)
        if self.wide and not full:
            left.styles.width = layout.left_width(width, self.zoom)
            left.styles.height = "100%"
            right.styles.width, right.styles.height = "1fr", "100%"
            needs = [box.rows_wanted for box in shown]
            focused = next(index for index, box in enumerate(shown) if box.pane is self.pane)
            for box, rows in zip(shown, layout.stacked(height, needs, focused, self.zoom), strict=True):
                box.styles.height = rows
        else:
            table, below = layout.below(height, self.box.rows_wanted + (2 if self.wide else 0))
            left.styles.width = right.styles.width = "100%"
            alone = full or not self.box.table.display  # beside "loading" there is no detail
            left.styles.height, right.styles.height = (height, 0) if alone else (table, below)
            self.box.styles.height = "100%"
        right.display = not full and (self.wide or self.box.table.display)
        self._arrange_right(height)
        self._show_tabs()
        if self.focused is not None and not all(each.display for each in self.focused.ancestors_with_self):
            self._focus_body()  # a part that is hidden now can't have the focus

    def _arrange_right(self, height: int) -> None:
        """Share the right side between map, path, detail and strip; a small terminal has only the detail."""
        parts: tuple[Widget, ...] = (self._map, self._path, self._detail, self._strip)
        if not self.wide:
            for part in parts:
                part.display = part is self._detail
            self._detail.styles.height = "1fr"
            return
        about = self._map.about
        mapped = about is not None
        self._entitle_map()
        path = self._path.rows_for(self._room()[0] - layout.left_width(self._room()[0], self.zoom) - _FRAME)
        events = max(1, len(self._strip.plain.splitlines()))
        sizes = layout.right_of(height, events, mapped=mapped, path=path)
        for part, rows in zip(parts, (sizes.map, sizes.path, sizes.detail, sizes.strip), strict=True):
            part.display = rows > 0
            part.styles.height = rows

    def _entitle_map(self) -> None:
        about = self._map.about
        late = " …" if self._map_is_late else ""  # the picture is still that of what was under the cursor before
        self._map.border_title = titled("Map", f"{named(about)}{late}" if about is not None else "")

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The pane that gets the focus grows."""
        if event.widget is not self.focused:
            return  # the focus has gone on since
        box = next((each for each in event.widget.ancestors_with_self if isinstance(each, PaneBox)), None)
        if box is not None and box.pane is not self.pane:
            self._turn_to(box.pane)

    def _turn_to(self, pane: Pane) -> None:
        """Make a pane the one whose object is shown."""
        self.pane = pane
        pane.opened(self.session)
        box = self.box
        if self._made_of.get(pane.id) != self._making(box):
            self._make(box)
        self._arrange()
        self._point()

    def _making(self, box: PaneBox) -> tuple[object, ...]:
        """What the rows of a pane are made of."""
        order = (box.needle, box.sort, box.reverse, box.by_change)
        return self._news, self.session.namespace, *order

    def _make(self, box: PaneBox) -> None:
        """Make the rows of a pane of what the session knows now."""
        self._made_of[box.pane.id] = self._making(box)
        box.refresh_rows()

    # ---- showing

    def _changed(self) -> None:
        """Schedule a refresh, unless one is already scheduled."""
        self._news += 1
        if not self._due:
            self._due = True
            self.call_later(self._show_news)

    def _show_news(self) -> None:
        self._due = False
        self.refresh_data()

    def refresh_data(self) -> None:
        """Show what the session knows now: the pane with the focus at once, the others soon."""
        if not self._is_there:
            return
        self._make(self.box)
        self._stale = [box for box in self._boxes if box.display and box.pane is not self.pane]
        self._renew_next()
        self.query_one(StatusBar).show(self.session)
        self._tell_happened()
        self._map.of(self._mapped())
        self._arrange()
        self._detail.renew(self.pane, self.box.uid)
        self._map.renew()
        self._path.renew()
        self._relate()

    def _tell_happened(self) -> None:
        """What happened lately, in the strip."""
        if self.wide:
            self._strip.show_lines(strip(self.session, _STRIP_LINES) or [line(("nothing has happened yet", DIM))])

    def _renew_next(self) -> None:
        if self._stale and self._renewing is None:
            self._renewing = self.set_timer(_NEXT_AFTER_S, self._renew)

    def _renew(self) -> None:
        """Renew one of the panes without the focus."""
        self._renewing = None
        while self._stale:
            box = self._stale.pop(0)
            if box.display:
                before = box.rows_wanted
                self._make(box)
                if before != box.rows_wanted:
                    self._arrange()
                break
        self._renew_next()

    def _second(self) -> None:
        """Update the times in header and table, and the counts of recent denials, which also change with time."""
        self.query_one(StatusBar).show(self.session)
        self._tell_happened()
        for box in self._boxes:
            if box.display:
                box.table.refresh()
        denied = self.session.denials.by_object()
        if denied != self._denied:
            self._denied = denied
            self._news += 1
            self.refresh_data()

    def _show_tabs(self) -> None:
        if self.wide:
            return  # the panes themselves show it
        known = None if not self.session.loading else KindStatus.LOADING  # no 0 before there is an answer
        states = self.session.snapshot.kind_state
        entries = [(pane, pane.count(self.view), known or states(pane.kind).status) for pane in tabbed()]
        self.query_one(KindTabs).show(entries, self.pane)

    @on(ObjectTable.Highlighted)
    def _moved(self, event: ObjectTable.Highlighted) -> None:
        if event.table is self.table:
            self._point()

    def _point(self) -> None:
        """Show what is under the cursor: its detail, and what belongs to it."""
        self._detail.of(self.pane, self.box.uid)
        before = self._map.about
        self._map.of(self._mapped())
        if (before is None) != (self._map.about is None):
            self._arrange()
        elif before != self._map.about:
            self._entitle_map()
        self._relate()

    def _mapped(self) -> ObjectRef | None:
        """The object of which the map is shown: that under the cursor, of a finding its first one that has a map."""
        link = self._row_link()
        refs: tuple[Link | None, ...] = (link,)
        if isinstance(link, Finding):
            refs = (*link.objects, *(ObjectRef("Namespace", "", ref.namespace) for ref in link.objects if ref.namespace))
        return next((ref for ref in refs if isinstance(ref, ObjectRef) and has_map(self.session.snapshot, ref)), None)

    @on(PictureView.Moved, "#path")
    def _drawn_path(self) -> None:
        """The path may need more rows, or fewer."""
        self._arrange()

    @on(PictureView.Moved, "#map")
    def _walked(self) -> None:
        """The path is that of the edge under the cursor, else of the worst one."""
        link, data = self._map.link, self._map.map
        flow = link if isinstance(link, Flow) else worst_flow(data, self._suspects()) if data is not None else None
        self._path.of(flow)
        if self._to_edge and not self._map_is_late:  # the key was faster than the map
            self._to_edge = False
            if self.focused is self._map and not isinstance(link, Flow):
                self._select_edge()
        self._arrange()

    def _suspects(self) -> frozenset[ObjectRef]:
        """The objects of findings about the object of the map, or about a policy that selects it."""
        about = self._map.about
        near = {about, *related(self.session.snapshot, about)} if about is not None else set()
        serious = (f for f in self.session.findings if f.severity is not Severity.INFO and not f.ignored)
        return frozenset(ref for finding in serious if near & set(finding.objects) for ref in finding.objects)

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

    def _relate(self) -> None:
        """Mark what belongs to the object under the cursor, once the cursor rests."""
        if self.wide and self._relating is None:
            self._relating = self.set_timer(_RELATED_AFTER_S, self._relate_now)

    def _relate_now(self) -> None:
        self._relating = None
        self._find_related(self.pane, self._row_link())

    @work(thread=True, exclusive=True, group="related")
    def _find_related(self, pane: Pane, link: Link | None) -> None:
        worker, snapshot = get_current_worker(), self.session.snapshot
        found = uids_of(snapshot, related(snapshot, link)) if link is not None else frozenset()
        if not worker.is_cancelled:
            self.app.call_from_thread(self._mark, pane, found)

    def _mark(self, pane: Pane, uids: frozenset[str]) -> None:
        for box in self._boxes:
            box.table.relate(uids if box.pane is not pane else frozenset())

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
        """Save the table as CSV."""
        table = self.table
        text = table_text([c.title for c in table.columns], [[written(cell) for cell in row.cells] for row in table.rows])
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

    def _select_edge(self) -> None:
        """Put the cursor of the map on the flow whose path is shown."""
        flow = self._path.about
        edge = next((item for item in self._map.picture.items if item.link == flow), None) if flow is not None else None
        if edge is not None:
            self._map.select(edge.id)

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
        self.query_one(Prompt).ask(":", [*usual, *names, *spaces, *(["ctx"] if contexts else []), *contexts], "")

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

    def _focus_body(self) -> None:
        self.box.focus_inside()

    # ---- actions

    def action_sort(self) -> None:
        """Sort by the time of the last change, or by name."""
        self.box.by_change = not self.box.by_change
        self.box.sort = ""
        self.refresh_data()
        self.table.cursor = 0

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

    @property
    def link(self) -> Link | None:
        """What the cursor rests on: in the part with the focus; without that, the object, or the finding, of the pane's row."""
        focused = self.focused
        late = focused is self._map and self._map_is_late
        inside = focused.link if isinstance(focused, PictureView | DocumentView) and not late else None
        return inside or self._row_link()

    def _row_link(self) -> Link | None:
        uid = self.box.uid
        if not uid:
            return None
        finding = finding_of(self.view, uid) if self.pane.id == "findings" else None
        return finding or self.pane.ref_of(self.view, uid)

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
        if self.pane.id == "mesh":
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
