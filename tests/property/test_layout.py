"""The sizes of the main screen's parts, for any terminal: they fill it exactly, and nothing is smaller than it may be."""

from hypothesis import given
from hypothesis import strategies as st

from meshtui.ui.layout import WIDE_FROM, Zoom, below, is_wide, left_width, right_of, stacked

HEIGHTS = st.integers(0, 120)
NEEDS = st.lists(st.integers(0, 200), min_size=1, max_size=9)
ZOOMS = st.sampled_from(Zoom)
FRAME, ROWS = 2, 2


@given(HEIGHTS, NEEDS, st.data(), ZOOMS)
def test_stacked_panes_fill_the_height_exactly(height: int, needs: list[int], data: st.DataObject, zoom: Zoom) -> None:
    focused = data.draw(st.integers(0, len(needs) - 1))
    heights = stacked(height, needs, focused, zoom)
    assert len(heights) == len(needs)
    assert sum(heights) == height
    assert min(heights) >= min(FRAME + (1 if zoom is Zoom.HALF else ROWS), height // len(needs))


@given(HEIGHTS, NEEDS, st.data())
def test_the_focused_pane_gets_what_it_needs_before_the_others(height: int, needs: list[int], data: st.DataObject) -> None:
    focused = data.draw(st.integers(0, len(needs) - 1))
    heights = stacked(height, needs, focused)
    least = min(FRAME + ROWS, height // len(needs))
    if heights[focused] < needs[focused] + FRAME:
        assert all(rows == least for place, rows in enumerate(heights) if place != focused)
    for place, rows in enumerate(heights):
        if place != focused:
            assert rows <= max(least, needs[place] + FRAME), "rows that nobody needs are the focused pane's"


@given(HEIGHTS, NEEDS, st.data())
def test_what_is_left_is_shared_evenly(height: int, needs: list[int], data: st.DataObject) -> None:
    focused = data.draw(st.integers(0, len(needs) - 1))
    heights = stacked(height, needs, focused)
    others = [(rows, need) for place, (rows, need) in enumerate(zip(heights, needs, strict=True)) if place != focused]
    hungry = [rows for rows, need in others if rows < need + FRAME]
    assert all(rows <= min(hungry, default=rows) + 1 for rows, _ in others)


def test_no_panes_have_no_heights() -> None:
    assert stacked(40, (), 0) == []


@given(HEIGHTS, NEEDS, st.data())
def test_a_half_or_normal_pane_is_never_smaller_with_more_room(height: int, needs: list[int], data: st.DataObject) -> None:
    focused = data.draw(st.integers(0, len(needs) - 1))
    for zoom in Zoom:
        assert stacked(height + 1, needs, focused, zoom)[focused] >= stacked(height, needs, focused, zoom)[focused]
    assert stacked(height, needs, focused, Zoom.HALF)[focused] >= stacked(height, needs, focused)[focused]


@given(HEIGHTS, st.integers(0, 99), st.booleans(), st.integers(0, 60))
def test_the_right_side_fills_the_height_exactly(height: int, events: int, mapped: bool, path: int) -> None:
    sizes = right_of(height, events, mapped=mapped, path=path)
    parts = (sizes.map, sizes.path, sizes.detail, sizes.strip)
    assert min(parts) >= 0
    assert sum(parts) == height
    assert mapped or not (sizes.map or sizes.path)
    assert path or not sizes.path


@given(st.integers(WIDE_FROM[1] - 6, 120), st.integers(0, 99), st.integers(0, 60))
def test_where_all_panes_are_shown_each_part_has_room(height: int, events: int, path: int) -> None:
    sizes = right_of(height, events, mapped=True, path=path)
    assert sizes.map >= 7
    assert sizes.detail >= 6
    assert sizes.strip >= 3
    assert sizes.path == 0 or sizes.path >= 7


@given(HEIGHTS, st.integers(0, 10_000))
def test_a_table_and_its_detail_fill_the_height_exactly(height: int, need: int) -> None:
    table, detail = below(height, need)
    assert min(table, detail) >= 0
    assert table + detail == height


@given(st.integers(0, 400), ZOOMS)
def test_the_left_side_leaves_room_for_the_right_one(width: int, zoom: Zoom) -> None:
    left = left_width(width, zoom)
    assert 0 <= left <= width
    if is_wide(width, 60):
        assert left >= 44
        assert width - left >= 44


@given(ZOOMS)
def test_zooming_three_times_changes_nothing(zoom: Zoom) -> None:
    assert zoom.next().next().next() is zoom
    assert len({zoom, zoom.next(), zoom.next().next()}) == 3
