"""The base class of the screens that show a run as a sequence diagram, with its gauges, above what there is to say of it."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.events import Resize
from textual.widgets import Footer, Static

from meshtui.ui.buying import BuyingScreen
from meshtui.ui.document import Document, Section
from meshtui.ui.links import Link
from meshtui.ui.pictures.gauge import Gauge
from meshtui.ui.pictures.sequence import Diagram
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.gauge_view import GaugeView
from meshtui.ui.widgets.picture import PictureView
from meshtui.ui.widgets.sequence_view import SequenceView
from meshtui.ui.widgets.status import StatusBar

_SAID = 2
_LEAST_TEXT = 5
"""The rows that are left for the text below the diagram."""


class DiagramScreen(BuyingScreen):
    """The diagram on top, below it a line about the item under the cursor, the gauges, and the text."""

    def compose(self) -> ComposeResult:
        """Header, diagram, gauges, text, footer."""
        yield StatusBar(id="status")
        yield SequenceView(id="sequence")
        yield Static(id="said")
        yield GaugeView(id="gauge")
        yield DocumentView(id="text")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Begin, with the cursor in the diagram."""
        super().on_mount()
        self.query_one(SequenceView).focus()

    def open_link(self, link: Link) -> None:
        """Open what an item of the diagram leads to."""
        raise NotImplementedError

    def on_resize(self, event: Resize) -> None:
        """Give the diagram the rows that it needs at this size."""
        del event
        self._fit()

    def _show_run(self, diagram: Diagram, gauges: Sequence[Gauge]) -> None:
        """Show a run as it is now."""
        for view in self.query(SequenceView):  # none, while the screen is being closed
            view.display = bool(diagram.steps)
            view.show(diagram)
        for shown in self.query(GaugeView):
            shown.show(gauges if diagram.steps else ())
        self._fit()
        self._say_item()

    def _follow(self) -> None:
        """Let the cursor follow a new run."""
        for view in self.query(SequenceView):
            view.follow()

    def _fit(self) -> None:
        for view in self.query(SequenceView):
            gauges = self.query_one(GaugeView)
            taken = 2 + _SAID + _LEAST_TEXT + 2 * len(gauges.gauges)
            view.fit(self.size.width, self.size.height - taken)
            gauges.styles.height = 2 * len(gauges.gauges)

    @on(PictureView.Moved)
    def _moved(self) -> None:
        self._say_item()

    @on(PictureView.Chosen)
    def _chosen(self, event: PictureView.Chosen) -> None:
        if event.item is not None and event.item.link is not None:
            self.open_link(event.item.link)

    def _say_item(self) -> None:
        for said in self.query("#said").results(Static):
            view = self.query_one(SequenceView)
            said.display = view.display
            said.update(Document("", (Section("", (view.about(),)),)).content()[2:], layout=False)
