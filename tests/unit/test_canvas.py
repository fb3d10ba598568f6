"""What is written on a canvas stands where it was written, whatever stood there before."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from meshtui.ui.pictures.canvas import Canvas
from meshtui.ui.text import clean

TEXTS = st.text(st.one_of(st.sampled_from("ab ─╮▶✗注文é1❤👍\ufe0f\u20e3\u0301\U0001f3fd"), st.characters()), max_size=8)
TONES = st.sampled_from(["", "dim", "ok"])


@given(st.lists(st.tuples(st.integers(-5, 14), st.integers(-1, 3), TEXTS, TONES), max_size=12))
def test_cells_never_shift(writes):
    canvas = Canvas(12, 3)
    for x, y, text, tone in writes:
        assert canvas.put(x, y, text, tone) == x + sum(map(cell_len, clean(text)))
    for row in canvas.picture().rows():
        at = 0
        for mark in row:
            assert mark.x >= at
            assert mark.width == sum(map(cell_len, mark.text))
            at = mark.x + mark.width
        assert at <= 12


def test_a_wide_character_is_never_left_in_half():
    canvas = Canvas(8, 1)
    canvas.put(0, 0, "注文注文")
    canvas.put(1, 0, "aaaa")
    assert canvas.picture().plain() == " aaaa 文"
    canvas.put(3, 0, "注")
    assert canvas.picture().plain() == " aa注 文"


def test_what_lies_outside_is_cut_off():
    canvas = Canvas(4, 1)
    assert canvas.put(-2, 0, "abcdefgh") == 6
    assert canvas.picture().plain() == "cdef"
    canvas.put(0, 5, "xx")
    canvas.put(3, 0, "注")
    assert canvas.picture().plain() == "cdef"


def test_what_has_no_cell_of_its_own_stays_with_what_is_before_it():
    canvas = Canvas(6, 1)
    canvas.put(0, 0, "e\u0301注\u0301x")
    assert canvas.picture().plain() == "e\u0301注\u0301x"


def test_a_character_does_not_become_wider():
    canvas = Canvas(4, 1)
    canvas.put(0, 0, "❤\ufe0fab")
    assert canvas.picture().plain() == "❤ab"
