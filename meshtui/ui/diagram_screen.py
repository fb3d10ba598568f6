"""The base class of the screens that show a run as a sequence diagram, with its gauges, above what there is to say of it."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Resize
from textual.widgets import Static

from meshtui.ui.buying import BuyingScreen
from meshtui.ui.document import Document, Section
from meshtui.ui.links import Link
from meshtui.ui.pictures.gauge import Gauge
from meshtui.ui.pictures.sequence import Diagram
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.gauge_view import GaugeView
from meshtui.ui.widgets.picture import PictureView
from meshtui.ui.widgets.sequence_view import SequenceView
from meshtui.ui.widgets.status import StatusBar

_WIDE = 140
_LEAST_TEXT = 5
"""The rows that are left for the text below the diagram."""


class DiagramScreen(BuyingScreen):
    """The diagram on top, below it a line about the item under the cursor, the gauges, and the text."""

    def compose(self) -> ComposeResult:
        """Header, diagram, gauges, text, footer."""
        yield StatusBar(id="status")
        yield from self.compose_run()
        yield Footer()

    def compose_run(self) -> ComposeResult:
        """The diagram and what stands below it."""
        with Vertical(id="run"):
            yield SequenceView(id="sequence")
            yield Static(id="said")
            yield GaugeView(id="gauge")
            yield DocumentView(id="text")

    def focus_first(self) -> None:
        """Begin with the cursor in the diagram."""
        self.query_one(SequenceView).focus()

    def open_link(self, link: Link) -> None:
        """Open what an item of the diagram leads to."""
        raise NotImplementedError

    def on_resize(self, event: Resize) -> None:
        """Give the diagram the rows that it needs at this size."""
        del event
        self._fit()
        self.call_after_refresh(self._fit)  # the room beside a list isn't known before

    def _show_run(self, diagram: Diagram, gauges: Sequence[Gauge]) -> None:
        """Show a run as it is now."""
        if not self.is_there:
            return
        view = self.query_one(SequenceView)
        appears = not view.display and bool(diagram.steps)
        view.display = bool(diagram.steps)
        view.show(diagram)
        if appears:
            self._appears(view)
        self.query_one(GaugeView).show(gauges if diagram.steps else ())
        self._fit()
        self._say_item()

    def _appears(self, view: SequenceView) -> None:
        """Give the focus to a diagram that wasn't there before."""
        view.focus()

    def _follow(self) -> None:
        """Let the cursor follow a new run."""
        if self.is_there:
            self.query_one(SequenceView).follow()

    def _fit(self) -> None:
        if not self.is_there:
            return
        gauges, room = self.query_one(GaugeView), self.query_one("#run").size
        said = 1 if room.width >= _WIDE else 2
        self.query_one("#said").styles.height = said
        gauges.styles.height = 2 * len(gauges.gauges)
        self.query_one(SequenceView).fit(room.width, room.height - said - _LEAST_TEXT - 2 * len(gauges.gauges))

    @on(PictureView.Moved)
    def _moved(self) -> None:
        self._say_item()

    @on(PictureView.Chosen)
    def _chosen(self, event: PictureView.Chosen) -> None:
        if event.item is not None and event.item.link is not None:
            self.open_link(event.item.link)

    def _say_item(self) -> None:
        if not self.is_there:
            return
        said, view = self.query_one("#said", Static), self.query_one(SequenceView)
        said.display = view.display
        said.update(Document("", (Section("", (view.about(),)),)).content()[2:], layout=False)
