"""The walk through the main screen against a model that is as simple as it can be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from meshtui.ui.history import _KEPT, History, Place

PLACES = st.builds(Place, st.sampled_from("abc"), st.sampled_from(["", "x"]), st.sampled_from(["", "n"]), st.sampled_from("12"))


class Walk(RuleBasedStateMachine):
    """A list of views, the place in it, and where one was before."""

    def __init__(self) -> None:
        super().__init__()
        self.history = History()
        self.views: list[Place] = []
        self.at = -1
        self.before: int | None = None

    @rule(place=PLACES)
    def visit(self, place: Place) -> None:
        self.history.visit(place)
        if self.views and self.views[self.at].same(place):
            self.views[self.at] = place
        else:
            self.before = self.at if self.at >= 0 else None
            self.views = [*self.views[: self.at + 1], place]
            self.at += 1

    @rule(by=st.integers(-3, 3))
    def walk(self, by: int) -> None:
        found = self.history.walk(by)
        if not 0 <= self.at + by < len(self.views):
            assert found is None
        else:
            if by:
                self.before, self.at = self.at, self.at + by
            assert found == self.views[self.at]

    @rule()
    def last(self) -> None:
        found = self.history.last()
        if self.before is None:
            assert found is None
        else:
            self.before, self.at = self.at, self.before
            assert found == self.views[self.at]

    @invariant()
    def is_where_the_model_is(self) -> None:
        assert self.history.here == (self.views[self.at] if self.views else None)


TestWalk = Walk.TestCase


@given(st.lists(PLACES, min_size=2), st.data())
def test_the_last_view_twice_is_the_same_view_again(places: list[Place], data: st.DataObject) -> None:
    history = History()
    for place in places:
        history.visit(place)
    history.walk(-data.draw(st.integers(0, 3)))
    here = history.here
    if history.last() is not None:
        assert history.last() == here


def test_only_so_many_views_are_kept_and_the_oldest_are_forgotten() -> None:
    history = History()
    for number in range(_KEPT * 3):
        history.visit(Place("a", uid="", needle=str(number)))
    assert history.walk(-_KEPT) is None
    oldest = history.walk(-_KEPT + 1)
    assert oldest is not None
    assert oldest.needle == str(_KEPT * 2)
    assert history.last() == Place("a", needle=str(_KEPT * 3 - 1))
