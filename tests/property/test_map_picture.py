"""A map of any neighbours in any size: nothing overlaps or is lost, and the arrows lead everywhere."""

import re
from collections import deque

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decision
from meshtui.ui.pictures.map import GROUP, MORE, Edge, MapData, Neighbour, draw_map, map_in_words, opened_by
from meshtui.ui.pictures.walking import next_item

RELAXED = settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
CENTRE = FlowEndpoint(EndpointKind.WORKLOAD, "home", "centre", "Deployment")
ARROWS = ((1, 0), (-1, 0), (0, 1), (0, -1))
PLAIN_NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
NAMES = st.one_of(
    PLAIN_NAMES,
    st.text("注文サービス庫", max_size=30),
    st.text(max_size=12),
    st.integers(50, 253).map(lambda size: "long-" * (size // 5)),
)
SPACES = st.sampled_from(["home", "ecom", "identity", "inventory", "", "監視", "x" * 63])
POLICIES = st.one_of(st.none(), NAMES.map(lambda name: ObjectRef("AuthorizationPolicy", "home", name)))
WIDTHS, HEIGHTS = st.integers(40, 200), st.integers(8, 50)


@st.composite
def neighbours(draw, side, names=NAMES, most=24):
    found = []
    for number in range(draw(st.integers(0, most))):
        name, namespace = draw(names), draw(SPACES)
        end = FlowEndpoint(EndpointKind.WORKLOAD, namespace, name, "Deployment")
        edges = []
        for port in range(draw(st.sampled_from([0, 1, 1, 1, 2, 5]))):
            ends = (end, CENTRE) if side == "from" else (CENTRE, end)
            flow = Flow(*ends, 8000 + port)
            edge = Edge(
                flow,
                draw(st.sampled_from([f":{8000 + port}", "ui-service → :8080", ""])),
                draw(st.sampled_from(Decision)),
                draw(POLICIES),
                draw(st.sampled_from([0, 0, 0, 3, 10**7])),
                draw(st.sampled_from([None, "agrees", "disagrees", "old"])),
            )
            edges.append(edge)
        ref = end if number % 5 == 4 else ObjectRef("Deployment", namespace, name)
        found.append(Neighbour(ref, name, namespace, tuple(edges)))
    return tuple(found)


@st.composite
def maps(draw, names=NAMES, most=24):
    return MapData(
        draw(names),
        draw(st.sampled_from(["sa/default", "", "sa/" + "a" * 80])),
        draw(st.sampled_from(["ambient", ""])),
        draw(neighbours("from", names, most)),
        draw(neighbours("to", names, most)),
        draw(neighbours("to", names, 3)),
        ObjectRef("Deployment", "home", "centre"),
        draw(st.sampled_from([0, 0, 1, 312])),
    )


OPENED = st.frozensets(st.tuples(st.sampled_from(["", "from:", "to:"]), SPACES | st.just(MORE)).map("".join))


@RELAXED
@given(maps(), WIDTHS, HEIGHTS, OPENED)
def test_marks_and_items_are_inside_and_marks_do_not_overlap(data, width, height, opened):
    picture = draw_map(data, width, height, opened)
    assert picture.width == width
    assert picture.height >= height
    assert opened or picture.height <= max(height, 12)
    for row in picture.rows():
        at = 0
        for mark in row:
            assert mark.x >= at
            assert mark.width == sum(map(cell_len, mark.text))
            at = mark.x + mark.width
        assert at <= width
    for item in picture.items:
        assert item.x >= 0
        assert item.y >= 0
        assert item.width > 0
        assert item.x + item.width <= width
        assert item.y + item.height <= picture.height
    assert len({item.id for item in picture.items}) == len(picture.items)
    assert [(item.y, item.x) for item in picture.items] == sorted((item.y, item.x) for item in picture.items)


@RELAXED
@given(maps(PLAIN_NAMES, 12), WIDTHS)
def test_no_name_is_cut_where_there_is_room(data, width):
    """As many rows as anyone could want; as many columns as the longest name and label need, one above the other."""
    names = [each.name for each in (*data.callers, *data.callees, *data.selected)]
    needed = max([len(name) for name in names] + [0]) + 50
    text = draw_map(data, max(width, needed, cell_len(data.name) + 10), 200).plain()
    for name in [*names, data.name]:
        assert re.search(rf"(^|[\s┃]){re.escape(name)}($|[\s┃])", text, re.MULTILINE), name


@RELAXED
@given(maps(), WIDTHS, HEIGHTS, OPENED)
def test_every_neighbour_is_drawn_or_counted_in_a_group(data, width, height, opened):
    picture = draw_map(data, width, height, opened)
    for side, neighbours_there in (("from", data.callers), ("to", (*data.selected, *data.callees))):
        alone = sum(item.id.startswith(f"{side}:") for item in picture.items)
        groups = [item for item in picture.items if item.id.startswith(f"{GROUP}{side}:")]
        counted = sum(counts(picture, group) for group in groups)
        assert alone + counted == len(neighbours_there)


def counts(picture, group):
    """The sum of the numbers between a group's name and the trunk, without denials; 0 for an open one."""
    marks = picture.rows()[group.y]
    place = next(index for index, mark in enumerate(marks) if mark.x <= group.x < mark.x + mark.width)
    if marks[place].text.startswith("▾"):
        return 0
    after = re.split("[╮┤╯┼]", "  ".join(mark.text for mark in marks[place + 1 :]))[0]
    before = re.split("[╭├╰┼]", "  ".join(mark.text for mark in marks[:place]))[-1]
    numbers = re.findall(r"(?<![×\d])\d+(?= [✗?±✓]| |$)", after if group.x == 0 else before)
    return sum(map(int, numbers))


def next_ones(items, here):
    return [there for right, down in ARROWS if (there := next_item(items, here, right, down)) is not None]


@RELAXED
@given(maps(), WIDTHS, HEIGHTS, OPENED)
def test_the_arrows_lead_from_every_item_to_every_other(data, width, height, opened):
    items = draw_map(data, width, height, opened).items
    ways = {item.id: [there.id for there in next_ones(items, item)] for item in items}
    back = {item.id: [] for item in items}
    for item, others in ways.items():
        for other in others:
            back[other].append(item)
    assert reached(ways, items[0].id) == set(ways), "from the first one"
    assert reached(back, items[0].id) == set(ways), "to the first one"


def reached(ways, start):
    found, waiting = {start}, deque([start])
    while waiting:
        new = set(ways[waiting.popleft()]) - found
        found |= new
        waiting.extend(new)
    return found


@RELAXED
@given(maps(PLAIN_NAMES), WIDTHS, HEIGHTS)
def test_the_worst_are_on_top(data, width, height):
    picture = draw_map(data, width, height)
    ranks = {f"from:{each.ref} {each.name}": each.rank for each in data.callers}
    assume(len(ranks) == len(data.callers))
    groups = any(item.id.startswith(f"{GROUP}from:") for item in picture.items)
    shown = [ranks[item.id] for item in picture.items if item.id in ranks]
    assert groups or shown == sorted(shown)


@RELAXED
@given(maps(PLAIN_NAMES, 8), WIDTHS, HEIGHTS)
def test_links_are_flows_and_objects(data, width, height):
    flows = {edge.flow for each in (*data.callers, *data.callees, *data.selected) for edge in each.edges}
    for item in draw_map(data, width, height).items:
        if "-edge:" in item.id:
            assert item.link in flows
        elif not item.id.startswith(GROUP):
            assert item.link is None or isinstance(item.link, ObjectRef)


@RELAXED
@given(maps())
def test_the_words_have_a_line_for_each_flow(data):
    text = map_in_words(data).plain().splitlines()
    flows = sum(len(each.edges) for each in (*data.callers, *data.callees, *data.selected))
    assert sum(bool(re.match(r"  (✓ allow|✗ deny|± mixed|\? unknown)  ", line)) for line in text) == flows


@RELAXED
@given(maps(), WIDTHS, HEIGHTS)
def test_opening_every_group_shows_every_neighbour(data, width, height):
    opened, before = frozenset(), None
    while before != opened:
        before = opened
        picture = draw_map(data, width, height, opened)
        for item in picture.items:
            new = opened_by(item.id, opened)
            opened = new if new is not None and new > opened else opened
    alone = sum(item.id.startswith(("from:", "to:")) for item in picture.items)
    assert alone == len(data.callers) + len(data.callees) + len(data.selected)


@RELAXED
@given(maps(), WIDTHS, HEIGHTS, OPENED, st.randoms(use_true_random=False))
def test_an_open_group_keeps_its_item(data, width, height, opened, rng):
    groups = [item.id for item in draw_map(data, width, height, opened).items if item.id.startswith(GROUP)]
    if groups:
        chosen = rng.choice(groups)
        new = opened_by(chosen, opened)
        if new > opened:
            assert chosen in {item.id for item in draw_map(data, width, height, new).items}


@RELAXED
@given(maps(most=6), st.integers(1, 39), st.integers(1, 7), OPENED)
def test_sizes_too_small_for_a_map_do_no_harm(data, width, height, opened):
    picture = draw_map(data, width, height, opened)
    assert all(mark.x >= 0 and mark.x + mark.width <= width and mark.y < picture.height for mark in picture.marks)
    assert all(item.x >= 0 and item.x + item.width <= width and item.y + item.height <= picture.height for item in picture.items)


@RELAXED
@given(maps(), WIDTHS, HEIGHTS, st.data())
def test_the_flow_that_is_kept_is_never_hidden_in_a_group(data, width, height, drawn):
    flows = [edge.flow for each in (*data.callers, *data.callees, *data.selected) for edge in each.edges]
    if not flows:
        return
    kept = drawn.draw(st.sampled_from(flows))
    picture = draw_map(data, width, height, frozenset(), kept)
    assert any(item.link == kept for item in picture.items)


@pytest.mark.parametrize("denied", [0, 1, 12])
def test_denials_do_not_fold_a_map_that_was_whole(denied):
    """At the size that the map has in a terminal of 120×40."""

    def ends(number):
        return FlowEndpoint(EndpointKind.WORKLOAD, f"space-{number}", f"other-{number}", "Deployment")

    def neighbour(number, flow, times):
        end = ends(number)
        edge = Edge(flow, f":{flow.port}", Decision.DENY, None, times)
        return Neighbour(end, f"{end.namespace}/{end.name}", end.namespace, (edge,))

    callers = [neighbour(n, Flow(ends(n), CENTRE, 8080), 0) for n in range(9)]
    callees = [neighbour(n, Flow(CENTRE, ends(n), 8000), denied if n == 3 else 0) for n in range(8)]
    picture = draw_map(MapData("ecom-service", "sa/ecom-service", "ambient", tuple(callers), tuple(callees)), 66, 11)
    assert sum(isinstance(item.link, Flow) for item in picture.items) == 17
    assert "more namespace" not in picture.plain()
    assert not denied or "×" in picture.plain()
