"""Any path in any size: nothing overlaps or is cut, everything named can be reached, and the line breaks at one station only."""

import re
from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from meshtui.model.ids import ObjectRef
from meshtui.ui.pictures.path import WIDE, Lane, PathData, State, Station, Way, draw_path, path_in_words, ref_id
from meshtui.ui.text import clean

NAMES = st.one_of(
    st.sampled_from(
        ["ecom-service", "egress policy", "ztunnel", "inventory-service:8000", "書店-服务", "", "[red]x[/]", "a\x1b[31m"]
    ),
    st.text("ab-", min_size=1, max_size=30),
    st.text("abc", min_size=200, max_size=253),
)
REFS = st.builds(ObjectRef, st.sampled_from(["NetworkPolicy", "ServiceAccount", "Node"]), st.sampled_from(["", "shop"]), NAMES)
SAYS = st.sampled_from(["", "ingress[0]", "no rule allows it", "capture unproven", "書店"])


@st.composite
def stations(draw):
    number = draw(st.integers(1, 9))
    return tuple(
        Station(
            f"s{index}",
            draw(NAMES),
            draw(SAYS),
            draw(st.sampled_from(State)),
            tuple(dict.fromkeys(draw(st.lists(REFS, max_size=3)))),
            draw(st.sampled_from(["", "on node-a"])),
            draw(st.none() | REFS),
            draw(st.sampled_from(Way)),
            draw(st.sampled_from(["", "short"])),
            draw(st.booleans()),
        )
        for index in range(number)
    )


NOTES = ["", "± 1 of 3 pairs: a/x → b/y", f"? {'which of the two is meant is not known; ' * 8}"]
LANES = st.builds(
    Lane,
    st.sampled_from(["predicted", "observed", "expected"]),
    st.sampled_from("✓✗?"),
    st.sampled_from(["allow", "closed at ztunnel", "rejected ×4 by the ztunnel"]),
    age=st.sampled_from(["", "12s ago"]),
    note=st.sampled_from(["", "= agrees", "≠ DISAGREES"]),
)


@st.composite
def paths(draw):
    found = draw(stations())
    stops = [index for index, station in enumerate(found) if station.state in {State.BLOCK, State.UNKNOWN}]
    stop = draw(st.none() | st.sampled_from(stops)) if stops else None
    lanes = tuple(draw(st.lists(LANES, max_size=3)))
    return PathData("a → b:80", found, stop, lanes, draw(st.sampled_from(NOTES)))


WIDTHS, HEIGHTS = st.integers(40, 200), st.integers(1, 40)


def bare(text):
    return re.sub(r"\s", "", text)


def boxes(picture):
    return [(mark.x, mark.y, mark.width, 1) for mark in picture.marks]


@given(paths(), WIDTHS, HEIGHTS)
@settings(max_examples=80, deadline=None)
def test_nothing_overlaps_and_nothing_lies_outside(data, width, height):
    picture = draw_path(data, width, height)
    assert picture.width == width
    for row in picture.rows():
        assert all(one.x + one.width <= other.x for one, other in pairwise(row))
        assert all(mark.x >= 0 and mark.x + mark.width <= width for mark in row)
    for item in picture.items:
        assert item.x >= 0
        assert item.width >= 1
        assert item.x + item.width <= width
        assert item.y >= 0
        assert item.height >= 1
        assert item.y + item.height <= picture.height


@given(paths(), WIDTHS, HEIGHTS)
@settings(max_examples=80, deadline=None)
def test_items_do_not_lie_on_each_other_and_have_ids_of_their_own(data, width, height):
    items = draw_path(data, width, height).items
    assert len({item.id for item in items}) == len(items)
    for one, other in combinations(items, 2):
        beside = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert beside or one.y + one.height <= other.y or other.y + other.height <= one.y, (one, other)


@given(paths(), WIDTHS, HEIGHTS)
@settings(max_examples=80, deadline=None)
def test_every_object_is_an_item_with_its_name_whole(data, width, height):
    picture = draw_path(data, width, height)
    lines = picture.plain().split("\n")
    items = {item.id: item for item in picture.items}
    for index, station in enumerate(data.stations):
        if index == data.stop and station.refs:
            assert items[ref_id(station, station.refs[0])].link == station.refs[0], "what decides is named in every form"
        for ref in station.refs:
            item = items.get(ref_id(station, ref))
            if height < len(data.stations):  # perhaps a chain, in which stations lead to their objects
                own = [items[id_] for id_ in (station.id, ref_id(station, station.refs[0])) if id_ in items]
                assert all(each.link in {station.link, station.refs[0]} for each in own)
                continue
            assert item is not None
            assert item.link == ref
            shown = bare("".join(_cut(line, item.x, item.width) for line in lines[item.y : item.y + item.height]))
            assert shown.endswith(bare(clean(ref.name)))


def _cut(line, start, width):
    """The cells of a line from one place on."""
    out, at = "", 0
    for character in line:
        if start <= at < start + width:
            out += character
        at += cell_len(character)
    return out


@given(paths(), WIDTHS, HEIGHTS)
@settings(max_examples=80, deadline=None)
def test_the_line_breaks_once_and_only_at_the_station_that_blocks(data, width, height):
    picture = draw_path(data, width, height)
    breaks = [mark for mark in picture.marks if mark.text == "╳"]
    blocks = data.stop is not None and data.stop > 0 and data.breaks
    assert len(breaks) == int(blocks)
    behind = "┄" in picture.plain() or "┆" in picture.plain()
    assert behind == (data.stop is not None and data.stop + 1 < len(data.stations))


@given(paths(), WIDTHS, HEIGHTS)
@settings(max_examples=60, deadline=None)
def test_what_stations_and_lanes_say_is_there_whole(data, width, height):
    text = bare(draw_path(data, width, height).plain())
    assert bare(data.note) in text
    for lane in data.lanes:
        assert bare(f"{lane.glyph} {lane.word}") in text
        assert lane.age in draw_path(data, width, height).plain()
        assert bare(lane.note) in text
    words = path_in_words(data).plain()
    for station in data.stations:
        assert clean(station.name) in words
        for ref in station.refs:
            assert clean(str(ref)) in words


@given(paths(), WIDTHS)
@settings(max_examples=60, deadline=None)
def test_more_height_never_tells_less(data, width):
    low, high = draw_path(data, width, 1), draw_path(data, width, 200)
    assert len(high.items) >= len(low.items)
    assert {item.id for item in low.items} <= {item.id for item in high.items}


@given(paths(), st.integers(WIDE, 200))
@settings(max_examples=60, deadline=None)
def test_in_a_wide_picture_short_stations_stand_in_a_row(data, width):
    short = tuple(
        Station(f"s{i}", "ab", "c", each.state, way=each.way) for i, each in enumerate(data.stations)
    )  # fmt: skip
    stop = data.stop
    picture = draw_path(PathData("t", short, stop), width, 40)
    assert picture.height == 2
    assert picture.plain().split("\n")[0].count("ab") == len(short)


def test_nothing_is_drawn_without_stations_or_room():
    assert draw_path(PathData("t", ()), 80, 10).height == 0
    assert draw_path(PathData("t", (Station("a", "b"),)), 0, 10).width == 0
