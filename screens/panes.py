"""All panes with a map, a path and the detail; on a small terminal one pane and its detail: where they stand, what they show."""

from __future__ import annotations

from collections.abc import Mapping

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import get_current_worker

from meshtui.engine.explain.denials import DeniedCount
from meshtui.model.finding import Finding, Severity
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.remembered import Remembered
from meshtui.screens.acting import LinkScreen
from meshtui.session import Session
from meshtui.ui import layout
from meshtui.ui.actions import by_id, keys_of
from meshtui.ui.document import DIM, line
from meshtui.ui.happened import strip
from meshtui.ui.layout import Zoom
from meshtui.ui.links import Link, named
from meshtui.ui.mapped import has_map, worst_flow
from meshtui.ui.panes import Pane, panes, tabbed
from meshtui.ui.panes.findings import finding_of
from meshtui.ui.related import related, uids_of
from meshtui.ui.text import titled
from meshtui.ui.view import View
from meshtui.ui.widgets.detail import Detail
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.live import LiveMap, LivePath
from meshtui.ui.widgets.pane_box import PaneBox, status_of
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


class Body(Horizontal):
    """The panes and what is at their right. It says when its size changes: a panel beside it may come and go."""

    class Resized(Message):
        """It has another size."""

    def on_resize(self) -> None:
        """Tell the screen."""
        self.post_message(self.Resized())


class PanesScreen(LinkScreen):
    """All panes with a map, a path, the detail and the strip: where they stand, and what they show."""

    AUTO_FOCUS = ""  # the pane that is shown first, and not the first one

    def __init__(self, session: Session, remembered: Remembered | None = None) -> None:
        super().__init__(session)
        self.session = session
        self.view = View(session)
        self.pane = panes()[1]
        self._remembered = remembered or Remembered()
        self.zoom = next((zoom for zoom in Zoom if zoom.value == self._remembered.zoom), Zoom.NORMAL)
        self.wide = False
        self._due = False
        self._stale: list[PaneBox] = []
        self._renewing: Timer | None = None
        self._denied: Mapping[ObjectRef, DeniedCount] | None = None
        self._relating: Timer | None = None
        self._boxes: list[PaneBox] = []
        self._can_undo = False
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
        yield Footer()

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
        return bool(self._boxes) and self.display and self.is_attached and all(box.is_attached for box in self._boxes)

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
        self._arrange()

    def _room(self) -> tuple[int, int]:
        """The cells and rows of the body."""
        body = self.query_one("#body").size
        if body.width and body.height:
            return body.width, body.height
        return self.app.size.width, max(1, self.app.size.height - 2)

    def _arrange(self) -> None:
        """Set sizes and visibility of all parts. Those that come into view show what is known now."""
        if not self._is_there:
            return
        size, before = self.app.size, self.wide
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
        if self.wide is not before:
            self.call_later(self.refresh_data)
        else:
            old = (box for box in shown if box.pane is not self.pane and self._made_of.get(box.pane.id) != self._making(box))
            self._stale += [box for box in old if box not in self._stale]
            self._renew_next()

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
        before, self.pane = self.pane, pane
        if before is not pane and "findings" in {before.id, pane.id}:
            self.refresh_bindings()
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
        if self._can_undo is not bool(self.session.fixes):
            self._can_undo = not self._can_undo
            self.refresh_bindings()
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
        entries = [(pane, self._amount(pane), status_of(self.view, pane)) for pane in tabbed()]
        self.query_one(KindTabs).show(entries, self.pane)

    def _amount(self, pane: Pane) -> str:
        """How many rows a pane has, and how many more that are counted apart; of a filtered one also of how many."""
        if pane is self.pane and self.needle and self.box.amounts:
            return self.box.amounts[0]
        more = pane.count_apart(self.view)
        return f"{pane.count(self.view)}" + (f" +{more}" if more else "")

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
        if flow is not None and flow is not link:
            self._map.keep(flow)
        if self._to_edge and not self._map_is_late:  # the key was faster than the map
            self._to_edge = False
            if self.focused is self._map and not isinstance(link, Flow):
                self._select_edge()
        self._arrange()

    def _select_edge(self) -> None:
        """Put the cursor of the map on the flow whose path is shown."""
        flow = self._path.about
        edge = next((item for item in self._map.picture.items if item.link == flow), None) if flow is not None else None
        if edge is not None:
            self._map.select(edge.id)

    def _suspects(self) -> frozenset[ObjectRef]:
        """The objects of findings about the object of the map, or about a policy that selects it."""
        about = self._map.about
        near = {about, *related(self.session.snapshot, about)} if about is not None else set()
        serious = (f for f in self.session.findings if f.severity is not Severity.INFO and not f.ignored)
        return frozenset(ref for finding in serious if near & set(finding.objects) for ref in finding.objects)

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

    def _focus_body(self) -> None:
        self.box.focus_inside()

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
