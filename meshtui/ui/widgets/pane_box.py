"""A pane in its frame: the title with the count, the table, or what is said instead of one."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from meshtui.model.snapshot import KindStatus
from meshtui.ui import state
from meshtui.ui.document import BAD, WARN, Document
from meshtui.ui.filters import parse
from meshtui.ui.labels import labels_by_uid
from meshtui.ui.panes import Pane
from meshtui.ui.sorting import letters_of, order_of
from meshtui.ui.state import COUNTED, MARKS
from meshtui.ui.text import titled
from meshtui.ui.view import View
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.table import Column, ObjectTable, Row

_NOTHING = frozenset({"", "-", "0"})
"""Cells that are left out of a narrow pane, if a whole column has no others."""
NARROW_BELOW = 76
"""With fewer cells, a pane shows only the columns for a glance, and those with something wrong in them."""
_ALARMING = frozenset({BAD, WARN})


class PaneBox(Vertical):
    """One pane. ``refresh_rows`` shows what the session knows now."""

    def __init__(self, pane: Pane, view: View) -> None:
        super().__init__(id=f"pane-{pane.id}", classes="pane")
        self.pane = pane
        self.border_title = titled(f"{pane.order} {pane.title}" if pane.tab else pane.title)
        self._view = view
        self.table = ObjectTable(id=f"table-{pane.id}", clock=view.session.clock, gutter=True)
        self.document = DocumentView(id=f"state-{pane.id}", classes="state")
        """What is said instead of a table."""
        self.needle = ""
        self.error = ""
        """What is wrong with the filter."""
        self.by_change = False
        self.all_columns = False
        """Whether also a narrow pane shows all columns, as far as there is room."""
        self.sort = ""
        """The title of the column by which the rows are sorted; empty: in the pane's own order."""
        self.reverse = False
        self.amounts: tuple[str, ...] = ()
        """How many rows are shown, and of how many if a filter leaves some out; then those that are counted apart."""
        self._narrow = False
        self._parts: tuple[dict[str, tuple[Row, Row]], tuple[int, ...]] = {}, ()

    def compose(self) -> ComposeResult:
        """The table, and the document that takes its place."""
        yield self.table
        yield self.document

    @property
    def uid(self) -> str:
        """The UID under the cursor, if the table is visible; else empty."""
        return self.table.uid if self.table.display else ""

    @property
    def rows_wanted(self) -> int:
        """The rows that the pane could fill inside its frame."""
        if self.table.display:
            return len(self.table.rows) + self.table.headed
        return len(self.document.plain.splitlines()) + 3

    def focus_inside(self) -> None:
        """Focus the table, or what is shown instead of it."""
        self.screen.set_focus(
            self.table if self.table.display else self.document
        )  # at once: keys that are typed ahead are its own

    def refresh_rows(self) -> None:
        """Show what the session knows now."""
        session = self._view.session
        columns, rows = self._columns_and_rows()
        document = self._face(rows)
        table = self.table
        hidden = table if document is not None else self.document
        focused = self.is_attached and self.screen.focused is hidden
        self.document.display = document is not None
        table.display = document is None
        if focused:
            self.focus_inside()  # what takes the place of the other has its focus, too
        if document is not None:
            self.document.show(document)
        table.sorted_by(self.sort, reverse=self.reverse, letters=letters_of(columns))
        table.show(columns, rows, complete=session.settled)
        self._entitle()

    def on_resize(self) -> None:
        """Another width may have other columns. (The table itself fits those that it has)."""
        narrow = 0 < self.size.width < NARROW_BELOW
        if self.display and narrow != self._narrow:
            self.refresh_rows()

    # ---- rows

    def _columns_and_rows(self) -> tuple[tuple[Column, ...], list[Row]]:
        """The columns that fit the width and say something, and the rows that the filter leaves."""
        pane, session = self.pane, self._view.session
        rows = pane.rows(self._view)
        self._narrow = 0 < self.size.width < NARROW_BELOW
        glance = pane.glance if self._narrow and not self.all_columns else ()
        shown = [
            place
            for place, column in enumerate(pane.columns)
            if not (session.namespace and column.title == "NAMESPACE")
            and not (glance and not (_alarms(rows, place) if column.title not in glance else _says(rows, place)))
            and (column.usual is None or any(row.cells[place].text != column.usual for row in rows))
        ]
        chosen = self._chosen(rows)
        self.amounts = self._counted(rows, chosen)
        return tuple(pane.columns[place] for place in shown), self._parts_of(chosen, tuple(shown))

    def _counted(self, rows: list[Row], chosen: list[Row]) -> tuple[str, ...]:
        shown = self.pane.tally(self._view, chosen)
        numbers = {
            word: f"{shown.get(word, 0)} of {total}" if self.needle else str(total)
            for word, total in self.pane.tally(self._view, rows).items()
        }
        return tuple(f"{number} {word}".rstrip() for word, number in numbers.items() if not word or word in shown)

    def _parts_of(self, rows: list[Row], shown: tuple[int, ...]) -> list[Row]:
        """The rows with the shown cells only; of a row that is the same as before, the same part."""
        if len(shown) == len(self.pane.columns):
            return rows
        known, places = self._parts if self._parts[1] == shown else ({}, shown)
        parts: dict[str, tuple[Row, Row]] = {}
        for row in rows:
            before = known.get(row.uid)
            parts[row.uid] = (
                before
                if before is not None and before[0] is row
                else (row, Row(row.uid, tuple(row.cells[place] for place in shown), row.marked))
            )
        self._parts = parts, places
        return [part for _, part in parts.values()]

    def _chosen(self, rows: list[Row]) -> list[Row]:
        """The rows that the filter leaves, in the order that was chosen."""
        self.error = ""
        if self.needle:
            wanted = parse(self.needle)
            labels = labels_by_uid(self._view.session.snapshot) if wanted.labelled else {}
            rows = [row for row in rows if wanted.holds(row.text(), labels.get(row.uid, {}))]
            self.error = wanted.error
        if self.by_change:
            changes = self._view.session.changes()
            rows = sorted(rows, key=lambda row: changes.get(row.uid, 0.0), reverse=True)
        place = next((index for index, column in enumerate(self.pane.columns) if column.title and column.title == self.sort), -1)
        if place >= 0:
            rows = sorted(rows, key=lambda row: order_of(row.cells[place]), reverse=self.reverse)
        return rows

    def whole(self) -> tuple[list[str], list[Row]]:
        """The titles of all columns, and the rows that the filter leaves: what is saved doesn't depend on the width."""
        return [column.title for column in self.pane.columns], self._chosen(self.pane.rows(self._view))

    def sort_by(self, title: str) -> None:
        """Sort by a column; again: in reverse; a third time: in the pane's own order."""
        if self.sort != title:
            self.sort, self.reverse = title, False
        elif not self.reverse:
            self.reverse = True
        else:
            self.sort, self.reverse = "", False
        self.by_change = False
        self.refresh_rows()

    def _face(self, rows: list[Row]) -> Document | None:
        session, pane = self._view.session, self.pane
        if session.error is not None and not session.has_data:
            return state.failed(session.error)
        if session.loading:
            return state.loading(pane.title)
        kind = session.snapshot.kind_state(pane.kind)
        if not rows or kind.status not in {KindStatus.LOADING, KindStatus.FORBIDDEN}:
            drawn = state.face(pane.title, kind, session.clock())
            if drawn is not None:
                return drawn
        if rows:
            return None
        nothing = pane.nothing or ("" if session.snapshot.live else "the files that were read have none")
        return state.empty(pane.title, session.namespace, self.needle, nothing, wrong=self.error)

    # ---- the title

    def _entitle(self) -> None:
        self.border_title = titled(*self._title())

    def _title(self) -> list[str]:
        pane = self.pane
        status = status_of(self._view, pane)
        first, *others = self.amounts or ("",)
        known = status in COUNTED
        parts = [f"{pane.order} {pane.title}"] if pane.tab else [pane.title]
        parts.append(" ".join(text for text in (first if known else "", MARKS.get(status, "")) if text))
        parts += others if known else []
        if self.needle:
            parts.append(f"/{self.needle}")
        if self.by_change:
            parts.append("↓ change")
        return parts


def _says(rows: list[Row], place: int) -> bool:
    return any(row.cells[place].text not in _NOTHING or row.cells[place].since is not None for row in rows)


def _alarms(rows: list[Row], place: int) -> bool:
    return any(row.cells[place].tone in _ALARMING for row in rows)


def status_of(view: View, pane: Pane) -> KindStatus:
    """The state in which a pane's kind is."""
    session = view.session
    return KindStatus.LOADING if session.loading else session.snapshot.kind_state(pane.kind).status
