"""Pictures of any data at any size: what they draw is inside, whole where there is room, and every item can be reached."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from meshtui.ui.pictures.canvas import Item, Picture
from meshtui.ui.pictures.gauge import Gauge, Level, draw_gauges, gauges_in_words
from meshtui.ui.pictures.heads import BOUND, heads, numbered
from meshtui.ui.pictures.names import short_names
from meshtui.ui.pictures.sequence import Arrow, Diagram, Party, State, Step, Stop, draw_sequence, sequence_in_words
from meshtui.ui.pictures.spark import spark
from meshtui.ui.pictures.tiles import State as TileState
from meshtui.ui.pictures.tiles import Tile, draw_tiles, tiles_in_words
from meshtui.ui.pictures.walking import next_item

NAMES = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"[a-z]{1,9}(-[a-z]{1,9}){0,3}", fullmatch=True),
    st.text("ab-", min_size=200, max_size=253),
    st.text("数据库服务", max_size=20),
)
SHORT = st.text("0123456789abc ms", max_size=12)
SIZES = st.tuples(st.integers(1, 220), st.integers(1, 60))


@st.composite
def diagrams(draw: st.DrawFn) -> Diagram:
    names = draw(st.lists(NAMES, max_size=9))
    parties = tuple(Party(f"p{number}", name) for number, name in enumerate(names))
    ids = st.sampled_from([party.id for party in parties] or ["p0"])
    steps = []
    for number in range(draw(st.integers(0, 10))):
        arrows = tuple(
            Arrow(
                f"{number}-{index}",
                draw(ids),
                draw(ids),
                draw(st.sampled_from(State)),
                draw(NAMES),
                draw(st.sampled_from([True, False, None])),
                (draw(NAMES), draw(NAMES)),
                draw(st.booleans()),
                draw(st.booleans()),
                draw(st.sampled_from(Stop)),
            )
            for index in range(draw(st.integers(0, 3)))
        )
        state, by = draw(st.sampled_from(State)), draw(st.sampled_from(["", "AuthorizationPolicy a/b", "x" * 300]))
        steps.append(Step(f"s{number}", draw(NAMES), state, draw(SHORT), draw(SHORT), draw(NAMES), arrows, False, by))
    return Diagram(parties, tuple(steps))


def holds(picture: Picture, width: int) -> None:
    """Marks and items are inside, marks don't overlap, and no item has the id of another."""
    assert picture.width <= width or width < 1
    for y, row in enumerate(picture.rows()):
        at = 0
        for mark in row:
            assert mark.y == y
            assert at <= mark.x
            at = mark.x + mark.width
            assert at <= picture.width
    for item in picture.items:
        assert item.width > 0
        assert item.height > 0
        assert item.x >= 0
        assert item.x + item.width <= picture.width, item
        assert item.y >= 0
        assert item.y + item.height <= picture.height, item
    assert len({item.id for item in picture.items}) == len(picture.items)


def apart(items: tuple[Item, ...]) -> bool:
    """Whether no two items share a cell."""
    cells = [(x, y) for each in items for x in range(each.x, each.x + each.width) for y in range(each.y, each.y + each.height)]
    return len(cells) == len(set(cells))


@given(diagrams(), SIZES)
def test_a_sequence_is_inside_and_its_items_are_apart(data, size):
    picture = draw_sequence(data, *size)
    holds(picture, size[0])
    assert apart(picture.items)


@given(diagrams(), SIZES)
def test_every_step_that_began_can_be_reached(data, size):
    picture = draw_sequence(data, *size)
    found = {item.id for item in picture.items}
    parties = {party.id for party in data.parties}
    for step in data.steps:
        arrows = [arrow for arrow in step.arrows if {arrow.source, arrow.target} <= parties]
        ids = {f"step {step.id}", *(f"arrow {arrow.id}" for arrow in arrows)}
        assert ids & found or (step.state is State.WAITING and not arrows), step
    assert not data.steps or picture.plain()


@given(diagrams())
def test_a_sequence_in_words_has_every_step_and_arrow(data):
    text = sequence_in_words(data).plain()
    assert text.count("→") >= sum(len(step.arrows) for step in data.steps)
    assert all(state.value in text for state in {step.state for step in data.steps})


@given(st.lists(NAMES, min_size=1, max_size=12), st.integers(3, 30))
def test_short_names_fit_and_no_two_are_alike(names, width):
    unique = list(dict.fromkeys(names))
    short = short_names(unique, [width] * len(unique))
    assert len(set(short)) == len(short)
    assert all(cell_len(each) <= width for each in short)
    assert [a for a, b in zip(short, unique, strict=True) if cell_len(b) <= width] == [b for b in unique if cell_len(b) <= width]


NUMBERS = st.one_of(st.none(), st.integers(0, 10**9).map(float), st.floats())


@given(st.lists(st.builds(Gauge, NAMES, st.builds(Level, NAMES, NUMBERS, NUMBERS), st.none(), SHORT), max_size=3), SIZES)
def test_gauges_are_inside(gauges, size):
    holds(draw_gauges(gauges, *size), size[0])
    assert gauges_in_words(gauges).plain()


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(1, 50), st.integers(20, 200))
def test_a_change_is_always_seen(quantity, reserved, bought, width):
    gauge = Gauge("stock", Level("reserved", reserved, reserved + bought), Level("quantity", quantity, quantity))
    numbers, bar = draw_gauges([gauge], width, 2).plain().split("\n")
    assert "▓" in bar.replace("▓ change", "")
    if width > 60:
        assert f"quantity {quantity} → {quantity}, reserved {reserved} → {reserved + bought}" in numbers


TILES = st.lists(st.tuples(NAMES, NAMES, st.sampled_from(TileState)), max_size=8).map(
    lambda rows: [Tile(f"t{number}", *row) for number, row in enumerate(rows)]
)


@given(TILES, SIZES)
def test_tiles_are_inside_apart_and_all_there(tiles, size):
    picture = draw_tiles(tiles, *size)
    holds(picture, size[0])
    assert apart(picture.items)
    assert [item.id for item in picture.items] == [tile.id for tile in tiles]
    assert all(tile.state.value in tiles_in_words(tiles).plain() for tile in tiles)


@given(st.lists(st.integers(-3, 10**9), max_size=40))
def test_a_spark_has_a_block_for_each_number_and_shows_every_denial(counts):
    drawn = spark(counts)
    assert len(drawn) == len(counts)
    assert all((block == "▁") == (count <= 0) for block, count in zip(drawn, counts, strict=True))
    assert not any(counts) or max(counts) <= 0 or "█" in drawn


@given(st.lists(NAMES, min_size=1, max_size=40), st.integers(10, 200), st.integers(4, 50), st.data())
def test_heads_fit_their_columns(names, width, height, data):
    bounds = sorted(data.draw(st.sets(st.integers(1, len(names)), max_size=3)) - {len(names)})
    found = heads(names, bounds, (width, height // 2, height))
    assert 0 <= found.before < found.width
    if found.stairs:
        ends = [
            found.width * i + BOUND * sum(b <= i for b in bounds) + found.before + 2 + cell_len(name)
            for i, name in enumerate(names)
        ]
        assert max(ends) <= width
        assert len(found.lines) == len(names)
    else:
        assert all(len(line) == len(names) for line in found.lines)
        assert all(cell_len(text) <= max(found.width, 2) for line in found.lines for text in line)
    if not found.letters:
        assert found.width * len(names) + BOUND * len(bounds) <= width


@given(st.integers(1, 99), st.integers(10, 200))
def test_numbers_stand_over_their_columns(count, width):
    found = numbered(count, [], width)
    (line,) = found.lines
    assert [int(text) for text in line] == list(range(1, count + 1))
    assert all(len(text) == found.width and text[-1] == " " for text in line)
    assert math.isfinite(found.width)


@given(st.lists(st.from_regex(r"[a-z]{3,18}", fullmatch=True), min_size=1, max_size=6, unique=True), st.integers(30, 60))
def test_nothing_is_cut_where_there_is_room(names, height):
    parties = tuple(Party(name, name) for name in names)
    steps = tuple(
        Step(name, f"call {name}", State.DONE, "200", "4 ms", "", (Arrow(name, names[0], name, identities=("sa/a", "sa/b")),))
        for name in names[1:]
    )
    text = draw_sequence(Diagram(parties, (Step("first", "the first step of all"), *steps)), 200, height).plain()
    assert "…" not in text
    assert "the first step of all" in text
    for name in names:
        assert f"│ {name} │" in text
    for name in names[1:]:
        assert f"call {name}" in text
    assert text.count("sa/a → sa/b") == len(steps)


@given(st.one_of(diagrams().map(lambda data: draw_sequence(data, 120, 40)), TILES.map(lambda tiles: draw_tiles(tiles, 100, 30))))
def test_the_cursor_comes_to_every_item(picture):
    reached, new = set(), list(picture.items[:1])
    while new:
        here = new.pop()
        reached.add(here.id)
        for ways in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            found = next_item(picture.items, here, *ways)
            if found is not None and found.id not in reached:
                new.append(found)
    assert reached == {item.id for item in picture.items}


def test_a_name_that_begins_another_one_keeps_its_consonants():
    assert short_names(["keycloak", "keycloak-db", "gateway"], [5, 5, 5]) == ["kyclk", "ke-db", "gatew"]
