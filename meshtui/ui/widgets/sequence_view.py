"""A sequence diagram on the screen. While a run is in progress, the cursor follows its newest arrow."""

from __future__ import annotations

from meshtui.model.flow import Flow
from meshtui.ui.document import DIM, Line, line
from meshtui.ui.links import Link
from meshtui.ui.pictures.canvas import Picture
from meshtui.ui.pictures.sequence import Diagram, State, arrow_in_words, draw_sequence, step_in_words
from meshtui.ui.widgets.following import FollowingView


class SequenceView(FollowingView):
    """Shows a diagram."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id)
        self.data = Diagram()

    def show(self, data: Diagram) -> None:
        """Show a diagram."""
        self.data = data
        self.redraw()

    def drawn(self, width: int, height: int) -> Picture:
        """The diagram for a size."""
        return draw_sequence(self.data, width, height)

    def about(self) -> Line:
        """What the item under the cursor is, in a line that isn't cut by the diagram's width."""
        item = self.item
        kind, _, name = (item.id if item is not None else "").partition(" ")
        for step in self.data.steps:
            if kind in {"step", "stop"} and step.id == name:
                return (*step_in_words(self.data, step)[0 if kind == "step" else -1], *line(*_opens(step.stopper)))
            for arrow in step.arrows:
                if kind == "arrow" and arrow.id == name:
                    return line(f"{step.title}: {arrow_in_words(self.data, arrow, step)}", *_opens(arrow.link))
        party = next((each for each in self.data.parties if kind == "party" and each.id == name), None)
        return line(str(party.link or party.name), *_opens(party.link)) if party is not None else line()

    def newest(self) -> str:
        """The id of the item to follow: what failed first, else what came last; at the end, the call that stands out."""
        begun = [step for step in self.data.steps if step.arrows]
        failed = [step for step in begun if step.state is State.FAILED]
        over = all(step.state in {State.DONE, State.SKIPPED} for step in self.data.steps)
        strong = [step for step in begun if over and any(arrow.strong for arrow in step.arrows)]
        chosen = [*(step for step in failed if step.inner), *failed, *strong, *begun[-1:]]
        return f"arrow {chosen[0].arrows[-1].id}" if chosen else ""


def _opens(link: Link | None) -> list[tuple[str, str]]:
    """What Enter does on an item."""
    return [] if link is None else [(" · Enter: Why?" if isinstance(link, Flow) else " · Enter: YAML", DIM)]
