"""The columns of a table: what is shortened, what is hidden, and in which order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from meshtui.ui.columns import FLOOR, GAP, Column, Need, fit, level, need, ordinary, shorten


def needs(longest):
    usual = st.integers(1, longest)
    return usual.flatmap(lambda u: st.tuples(st.just(u), st.integers(u, 80), st.integers(1, u))).map(
        lambda parts: Need(parts[1], parts[0], parts[2])
    )


columns = st.builds(
    Column,
    title=st.just("X"),
    keep=st.integers(1, 10),
    least=st.integers(1, 20),
    most=st.sampled_from([0, 0, 12, 24]),
    stays=st.sampled_from([False, False, True]),
)
tables = st.lists(st.tuples(columns, st.one_of(st.just(Need(0, 0, 0)), needs(40))), min_size=1, max_size=12)
widths = st.integers(1, 250)


def total(found):
    shown = [width for width in found if width]
    return sum(shown) + GAP * (len(shown) - 1)


def stays(column):
    return column.stays or column.keep > 7


@given(tables, widths)
def test_the_columns_fit_and_none_is_wider_than_it_needs(table, width):
    cols, needed = zip(*table, strict=True)
    found = fit(cols, needed, width)
    assert all(0 <= got <= each.all for got, each in zip(found, needed, strict=True))
    fixed = [each for column, each in table if each.all and stays(column)]
    if len(fixed) + GAP * (len(fixed) - 1) <= width:  # else there aren't even cells for those that are never hidden
        assert total(found) <= width


@given(tables, widths)
def test_nothing_is_cut_that_has_room(table, width):
    cols, needed = zip(*table, strict=True)
    found = fit(cols, needed, width)
    if total([each.all for each in needed]) <= width:
        assert found == [each.all for each in needed]
        return
    room = width - total(found)
    for got, (column, each) in zip(found, table, strict=True):
        if got:
            short, usual = min(each.short, column.most or 99), min(each.usual, column.most or 99)
            assert room <= 0 or got >= short, "cut although there is room"
            assert room <= 0 or got >= usual or room < usual - got, "a short form although there is room for the whole text"


@given(tables, widths)
def test_nothing_is_hidden_before_the_others_have_their_floor_and_never_the_more_important_first(table, width):
    cols, needed = zip(*table, strict=True)
    found = fit(cols, needed, width)
    hidden = [i for i, each in enumerate(needed) if each.all and not found[i]]
    for i in hidden:
        assert not stays(cols[i])
        for j, column in enumerate(cols):
            if found[j] and not stays(column):
                assert column.keep >= cols[i].keep
    if hidden:
        floors = [min(FLOOR, each.short) for each in needed]
        assert total(floors) > width


@given(tables, widths)
def test_a_column_is_cut_below_its_least_only_if_all_less_important_ones_are_at_their_floor(table, width):
    cols, needed = zip(*table, strict=True)
    found = fit(cols, needed, width)
    least = [min(column.least, each.short, column.most or 99) for column, each in table]
    for i, column in enumerate(cols):
        if found[i] and found[i] < min(least[i], needed[i].all):
            for j, other in enumerate(cols):
                if other.keep < column.keep and found[j]:
                    assert found[j] <= min(FLOOR, needed[j].all)


@given(tables, widths)
def test_a_cell_more_hides_nothing(table, width):
    cols, needed = zip(*table, strict=True)
    before, after = fit(cols, needed, width), fit(cols, needed, width + 1)
    assert all(wide for narrow, wide in zip(before, after, strict=True) if narrow)


@given(st.lists(st.integers(5, 20), min_size=2, max_size=30), st.integers(31, 200))
def test_one_long_name_takes_nothing_from_the_others(others, long):
    cols = (Column("NAME", keep=9, least=10), Column("IDENTITY", keep=5, stays=True))
    identity = need("IDENTITY", [40] * len(others), [19] * len(others))
    usual = fit(cols, (need("NAME", others, others), identity), 60)
    name = need("NAME", [*others, long], [*others, long])
    assert name.usual == max(others)
    found = fit(cols, (name, identity), 60)
    assert found[1] == usual[1]
    assert found[0] >= usual[0]


def test_what_a_quarter_says_is_no_exception():
    assert ordinary([8, 8, 8, 40, 40]) == 40
    assert ordinary([8, 8, 8, 8, 59]) == 8
    assert ordinary([7, 59]) == 7
    assert ordinary([0, 0, 15]) == 15
    assert ordinary([4, 4, 4, 4, 14]) == 14, "a rare state is never cut"
    assert need("NAME", [], []) == Need(4, 4, 4)
    assert need("NAME", [0, 0], [0, 0]) == Need(0, 0, 0)


def test_a_column_has_its_floor_before_a_more_important_one_grows():
    names, identities = Need(20, 20, 20), Need(20, 20, 20)
    first, second = Column("NAME", keep=9, least=14), Column("IDENTITY", keep=7, least=22)
    assert fit((first, second), (names, identities), 20) == [12, 6]
    assert fit((first, replace(second, floor=9)), (names, identities), 20) == [9, 9]


def test_short_forms_stand_under_the_brief_title():
    assert need("DENIED", [9, 1], [2, 1], "DENY") == Need(9, 9, 4)
    assert need("DENIED", [9, 1], [2, 1]) == Need(9, 9, 6)
    assert need("NAMESPACE", [11, 4], [11, 4], "NS") == Need(11, 11, 11)
    assert need("DENIED", [], [], "DENY") == Need(6, 6, 4)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("ecom", 4, "ecom"),
        ("inventory-service-policy", 12, "invent…olicy"),
        ("inventory-service-policy", 6, "inv…cy"),
        ("✗ ztunnel lost it", 10, "✗ ztunnel…"),
        ("…/sa/ecom-service", 12, "ecom-service"),
        ("…/sa/inventory-service", 9, "inve…vice"),
        ("書店書店書店書店", 8, "書店…店"),
        ("abc", 0, ""),
    ],
)
def test_shorten(text, width, shown):
    assert shorten(text, width) == shown


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"])), st.integers(0, 60))
def test_what_is_shortened_fits_and_is_marked(text, width):
    short = shorten(text, width)
    assert cell_len(short) <= width
    assert short == text or "…" in text or "…" in short or not width


@given(st.lists(st.integers(0, 60), max_size=6), st.integers(1, 12), st.integers(0, 120))
def test_the_longest_of_texts_that_share_a_line_lose_first(sizes, least, width):
    found = level(sizes, least, width)
    assert all(min(size, least) <= got <= size for size, got in zip(sizes, found, strict=True))
    if sum(sizes) <= width:
        assert found == sizes
    elif sum(min(size, least) for size in sizes) <= width:
        assert sum(found) == width
        cut = [got for size, got in zip(sizes, found, strict=True) if got < size]
        assert max(cut) - min(cut) <= 1
        assert all(got <= max(cut) for got in found), "a longer one is whole"
    else:
        assert found == [min(size, least) for size in sizes]


def test_columns_that_matter_as_much_share_what_is_there():
    columns = [Column("FROM", keep=8, least=12), Column("TO", keep=8, least=12), Column("BY", keep=4, least=12)]
    needs = [need("FROM", [65], [65]), need("TO", [60], [60]), need("BY", [20], [20])]
    first, second, _ = fit(columns, needs, 104)
    assert abs(first - second) <= 1
    first, second, _ = fit(columns, [needs[0], need("TO", [16], [16]), needs[2]], 104)
    assert (first, second) == (64, 16)
