"""The panel of a drill or of the tour, and the guide that shows it on every screen. Only ``meshtui demo`` has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from meshtui.journeys.bookstore.trace import Trace
from meshtui.model.errors import MeshtuiError
from meshtui.sandbox.drills import Condition, Drill, Station, Tour
from meshtui.ui.document import DIM, STRONG, Document, Line, Section, line
from meshtui.ui.drill import progress as drill_progress
from meshtui.ui.drill.conditions import Facts, holds
from meshtui.ui.drill.progress import Progress
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.table import ObjectTable

if TYPE_CHECKING:
    from textual.app import App

    from meshtui.session import Session

SIDE_FROM = 120
"""From this number of columns on, the panel is beside the screen; on narrower terminals it is a strip below."""
LOOK_EVERY_S = 0.25


class DrillPanel(Static):
    """The text of the guide. It can't be focused."""

    def __init__(self) -> None:
        super().__init__(classes="drill")
        self.plain = ""

    def say(self, lines: list[Line]) -> None:
        """Show lines."""
        content = Document("", (Section("", tuple(lines)),)).content()[2:]
        if content.plain != self.plain:
            self.plain = content.plain
            self.update(content)


class Guide:
    """Follows a drill, or leads through the tour. ``visit`` opens a station."""

    def __init__(
        self,
        app: App[Any],
        session: Session,
        what: Drill | Tour,
        visit: Callable[[Station], None],
        *,
        offered: bool = False,
    ) -> None:
        """``offered``: the tour is offered in one line, and starts when it is unfolded."""
        self._app, self._session, self._what, self._visit = app, session, what, visit
        self.progress = Progress()
        self.station = -1
        self.folded = offered
        self._buying: Screen[Any] | None = None
        """The last screen that buys: a purchase counts, though somebody left it before the next look."""
        self._trace: Trace | None = None

    # ---- keys

    @property
    def touring(self) -> bool:
        """Whether Space goes to the next station: the tour has started, and no dialog is open."""
        return self.station >= 0 and not self.folded and not isinstance(self._app.screen, ModalScreen)

    def fold(self) -> None:
        """Fold the panel to one line, or unfold it. Unfolding an offered tour starts it."""
        self.folded = not self.folded
        if isinstance(self._what, Tour) and self.station < 0 and not self.folded:
            self.go_on()
        self._draw()

    def hint(self) -> None:
        """Show the next hint."""
        if isinstance(self._what, Drill):
            self.folded = False
            self.progress = drill_progress.hint(self.progress, self._what)
            self._draw()

    def go_on(self) -> None:
        """Go to the next station. After the last one, the panel is folded."""
        if not isinstance(self._what, Tour):
            return
        if self.station + 1 >= len(self._what.stations):
            self.station, self.folded = -1, True
        else:
            self.station += 1
            self._visit(self._what.stations[self.station])
        self._draw()

    # ---- looking

    def look(self) -> None:
        """Evaluate the conditions on the current state, and update the panel; not while a screen opens or all end."""
        session = self._session
        if not self._app.is_running or not self._app.screen.is_mounted:
            return
        if session.settled and session.snapshot.pods:
            if isinstance(self._what, Drill):
                facts = self._facts()
                known: dict[Condition, bool] = {}

                def so(condition: Condition) -> bool:
                    if condition not in known:
                        known[condition] = _holds(condition, facts)
                    return known[condition]

                self.progress = drill_progress.advance(self.progress, self._what, so, session.clock())
            elif self.station < 0 and not self.folded:
                self.go_on()
        self._draw()

    def _facts(self) -> Facts:
        screen = self._app.screen
        self._buying = screen if hasattr(screen, "trace") else self._buying
        trace = getattr(self._buying, "trace", None)
        if isinstance(trace, Trace) and trace.finished:
            self._trace = trace
        pane = getattr(getattr(screen, "pane", None), "id", "")
        return Facts(self._session, _name(screen), str(pane), _text(screen), self._trace)

    # ---- showing

    def _draw(self) -> None:
        screen = self._app.screen
        if isinstance(screen, ModalScreen) or not screen.is_mounted:  # a key may have opened it just now
            return
        there = screen.query(DrillPanel)
        panel = there.first() if there else DrillPanel()
        side = self._app.size.width >= SIDE_FROM
        screen.set_class(side and not self.folded, "-drilled")
        panel.set_class(side and not self.folded, "-side")
        panel.set_class(self.folded, "-folded")
        panel.say(self._lines(side=side))
        if not there:
            foot = screen.query(Footer)
            screen.mount(panel, before=foot.first() if foot else None)

    def _lines(self, *, side: bool) -> list[Line]:
        if isinstance(self._what, Tour):
            return self._tour_lines(self._what, side=side)
        if self.folded:
            return [(*drill_progress.head(self.progress, self._what), *line((" · F2 unfolds", DIM)))]
        return (drill_progress.page if side else drill_progress.strip)(self.progress, self._what)

    def _tour_lines(self, tour: Tour, *, side: bool) -> list[Line]:
        count = len(tour.stations)
        if self.station < 0:
            return [line(("F2 starts a tour of this bookstore: ", DIM), f"{count} stations, ", ("Space", STRONG), " goes on")]
        at = tour.stations[self.station]
        first = line(("Tour ", DIM), (f"{self.station + 1} of {count}: {at.title}", STRONG))
        keys = line(("Space goes on · F2 folds" if self.station + 1 < count else "Space ends the tour · F2 folds", DIM))
        if self.folded:
            return [(*first, *line((" · F2 unfolds", DIM)))]
        return [first, line(), line(at.say), line(), keys] if side else [(*first, *line(" · "), *keys), line(at.say)]


def _holds(condition: Condition, facts: Facts) -> bool:
    try:
        return holds(condition, facts)
    except MeshtuiError:  # a flow whose end isn't there (yet)
        return False


def _name(screen: Screen[Any]) -> str:
    return type(screen).__name__.removesuffix("Screen").lower()


def _text(screen: Screen[Any]) -> str:
    """All text of a screen's documents and tables; of several panes, that of the one with the focus."""
    texts = [view.plain for view in screen.query(DocumentView) if view.display]
    panes: Any = screen if hasattr(type(screen), "table") else None
    tables = [panes.table] if panes is not None else screen.query(ObjectTable)
    texts += [" ".join(cell.text for cell in row.cells) for table in tables for row in table.rows]
    return "\n".join(texts)
