"""What is written on a canvas stands where it was written, whatever stood there before."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from meshtui.ui.pictures.canvas import Canvas
from meshtui.ui.text import clean

TEXTS = st.text(st.one_of(st.sampled_from("ab ─╮▶✗注文é"), st.characters()), max_size=8)
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
            at = mark.x + sum(map(cell_len, mark.text))
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
