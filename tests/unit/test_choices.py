"""The rows of names that may be meant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from meshtui.ui.widgets.choices import rows_of

names = st.lists(st.text("ab/書-", min_size=1, max_size=260), min_size=1, max_size=20, unique=True)


@given(names, st.integers(-1, 19), st.integers(1, 8), st.integers(12, 200), st.integers(0, 120))
def test_rows_fit_and_the_chosen_name_is_in_view(known, at, height, width, indent):
    at = min(at, len(known) - 1)
    rows = rows_of(known, at, height, width, indent)
    assert len(rows) == min(height, len(known))
    assert all(cell_len(text) <= width for text, _ in rows)
    assert [here for _, here in rows].count(True) == (at >= 0)


@given(names, st.integers(0, 300))
def test_whole_names_stand_in_one_column_below_the_field(known, indent):
    rows = rows_of(known, 0, 8, 600, indent)
    assert [text[indent + 1 : -1] for text, _ in rows] == known[:8]
