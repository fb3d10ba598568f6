"""Where an arrow leads on a picture."""

import pytest

from meshtui.ui.pictures.canvas import Item
from meshtui.ui.pictures.walking import next_item

RIGHT, LEFT, DOWN, UP = (1, 0), (-1, 0), (0, 1), (0, -1)

PICTURE = """
a     b        e   f
ccc   dd  CCC  g
          CCC
hh             i   jj
"""


def items_of(picture):
    """An item for each run of one letter; runs of the same letter below each other are one."""
    found = {}
    for y, row in enumerate(picture.strip("\n").splitlines()):
        for x, letter in enumerate(row):
            if letter != " ":
                left, top, right, bottom = found.get(letter, (x, y, x, y))
                found[letter] = min(left, x), min(top, y), max(right, x), max(bottom, y)
    made = [Item(letter, x, y, right - x + 1, bottom - y + 1) for letter, (x, y, right, bottom) in found.items()]
    return sorted(made, key=lambda item: (item.y, item.x))


@pytest.mark.parametrize(
    ("name", "start", "way", "end"),
    [
        ("down stays in the column", "a", DOWN, "c"),
        ("down over an empty row", "c", DOWN, "h"),
        ("up stays in the column", "h", UP, "c"),
        ("right into the next column", "a", RIGHT, "b"),
        ("right to what stands in the middle, not past it", "b", RIGHT, "C"),
        ("left to what stands in the middle, not past it", "i", LEFT, "C"),
        ("right to the nearest row", "C", RIGHT, "g"),
        ("left to the nearest row", "C", LEFT, "d"),
        ("right from the last but one column", "e", RIGHT, "f"),
        ("left from the last column", "j", LEFT, "i"),
        ("down from a column's end to the nearest row below", "d", DOWN, "h"),
        ("nothing is at the right", "f", RIGHT, None),
        ("nothing is at the left", "a", LEFT, None),
        ("nothing is above the first one", "a", UP, None),
        ("nothing is below the last one", "j", DOWN, None),
        ("nothing is below: the next in reading order", "h", DOWN, "i"),
        ("nothing is above: the one before in reading order", "e", UP, "b"),
    ],
)
def test_the_next_item(name, start, way, end):
    items = items_of(PICTURE)
    here = next(item for item in items if item.id == start)
    there = next_item(items, here, *way)
    assert (there.id if there is not None else None) == end, name


def test_a_picture_with_one_item():
    (only,) = items_of("a")
    assert [next_item([only], only, *way) for way in (RIGHT, LEFT, DOWN, UP)] == [None] * 4
