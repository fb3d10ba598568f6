"""The kinds, with how many there are of each: which one is shown, and which can't be read."""

from __future__ import annotations

from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from meshtui.model.snapshot import KindStatus
from meshtui.widgets.panes import Pane

_MARKS = {
    KindStatus.LOADING: "…",
    KindStatus.FORBIDDEN: "⊘",
    KindStatus.NOT_INSTALLED: "∅",
    KindStatus.STALE: "⚠",
    KindStatus.EXPIRED: "✗",
    KindStatus.UNREACHABLE: "✗",
    KindStatus.BROKEN: "✗",
}
_NARROW_BELOW = 100
_SHORT = {"AuthorizationPolicies": "Authz", "NetworkPolicies": "NetPol"}


class KindTabs(Static):
    """One line of tabs; a click or a digit chooses."""

    class Picked(Message):
        """A tab was clicked."""

        def __init__(self, pane: Pane) -> None:
            super().__init__()
            self.pane = pane

    _drawn: tuple[list[tuple[Pane, int, KindStatus]], Pane, bool] | None = None
    _shown: tuple[list[tuple[Pane, int, KindStatus]], Pane] | None = None

    def on_resize(self) -> None:
        """Another width may take other words."""
        if self._shown is not None:
            self.show(*self._shown)

    def show(self, entries: list[tuple[Pane, int, KindStatus]], current: Pane) -> None:
        """Show the tabs: each pane with its number of objects and how its kind is known."""
        self._shown = entries, current
        narrow = (self.size.width or self.app.size.width) < _NARROW_BELOW
        if self._drawn == (entries, current, narrow):
            return
        self._drawn = entries, current, narrow
        parts = []
        for pane, count, status in entries:
            title = _SHORT.get(pane.title, pane.title) if narrow else pane.title
            amount = str(count) if status in {KindStatus.SYNCED, KindStatus.STALE} else ""
            text = " ".join(word for word in (str(pane.order), title, amount, _MARKS.get(status, "")) if word)
            chosen = pane is current
            styled = Content.styled(f"[{text}]" if chosen else f" {text} ", "bold reverse" if chosen else "")
            parts.append(styled.stylize(f"@click=screen.pane({pane.order})") if not chosen else styled)
        self.update(Content("").join(parts), layout=False)  # one line, whatever it says
