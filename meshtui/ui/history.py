"""Where one has been on the main screen: a walk with a way back and forward."""

from __future__ import annotations

from dataclasses import dataclass

_KEPT = 100


@dataclass(frozen=True, slots=True)
class Place:
    """One view: the pane, the namespace (empty: all), the filter, and the UID under the cursor."""

    pane: str
    namespace: str = ""
    needle: str = ""
    uid: str = ""

    def same(self, other: Place) -> bool:
        """Whether it is the same view, wherever the cursor is."""
        return (self.pane, self.namespace, self.needle) == (other.pane, other.namespace, other.needle)


class History:
    """The views in the order in which they were visited. Going back and forward changes nothing of it."""

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._at = -1
        self._before = -1
        """Where one was before the current view, whichever way one came; negative: nowhere."""

    @property
    def here(self) -> Place | None:
        """The current view."""
        return self._places[self._at] if self._places else None

    def visit(self, place: Place) -> None:
        """Note a view. What lay ahead after going back is forgotten; the same view again only moves its cursor."""
        here = self.here
        if here is not None and here.same(place):
            self._places[self._at] = place
            return
        self._places = [*self._places[: self._at + 1], place][-_KEPT:]
        self._at = len(self._places) - 1
        self._before = self._at - 1

    def walk(self, by: int) -> Place | None:
        """Go ``by`` views forward (negative: back); None, and nothing changes, where there is none."""
        at = self._at + by
        if not 0 <= at < len(self._places):
            return None
        if by:
            self._before, self._at = self._at, at
        return self._places[at]

    def last(self) -> Place | None:
        """Swap with the view where one was before this one; None where there is none."""
        return self.walk(self._before - self._at) if self._before >= 0 else None
