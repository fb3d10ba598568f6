"""Where lines break."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from meshtui.ui.wrap import wrap, wrapped

words = st.one_of(
    st.text("abc", min_size=1, max_size=14),
    st.sampled_from(["✗", "✓", "→", "i", "書店", "a-b-c", "spiffe://cluster.local/ns/ecom/sa/ecom-service", "10.0.0.1:8080"]),
    st.text("ab書/.:-,=", min_size=1, max_size=40),
)
lines = st.builds(
    lambda lead, parts: " " * lead + "".join(word + " " * gap for word, gap in parts).rstrip(),
    st.integers(0, 12),
    st.lists(st.tuples(words, st.sampled_from([1, 1, 1, 2, 3])), max_size=20),
)
widths = st.integers(4, 90)


def bare(text):
    return re.sub(r"\s", "", text)


@given(lines, widths)
def test_content_is_kept_in_its_order(text, width):
    assert bare("".join(wrapped(text, width))) == bare(text)


@given(lines, widths)
def test_no_line_is_too_wide_or_ends_with_a_space(text, width):
    for row in wrapped(text, width):
        assert cell_len(row) <= width
    if len(wrapped(text, width)) > 1:
        assert all(row == row.rstrip() for row in wrapped(text, width))


@given(lines, widths)
def test_what_is_wrapped_stays_as_it_is(text, width):
    for row in wrapped(text, width):
        assert wrapped(row, width) == [row]
    if cell_len(text) <= width:
        assert wrapped(text, width) == [text]


@given(lines, widths)
def test_a_word_that_fits_on_a_line_is_not_broken(text, width):
    pieces = wrap(text, width)
    for match in re.finditer(r"\S+", text):
        if cell_len(match.group()) <= width - 4:  # with a glyph before it and one behind it, too
            assert any(p.start <= match.start() and match.end() <= p.end for p in pieces), match.group()


@given(lines, widths)
def test_a_glyph_does_not_end_a_line_before_its_word(text, width):
    rows = wrapped(text, width)
    for row, following in pairwise(rows):
        last = row.split()[-1]
        if len(last) == 1 and not last.isalnum() and row.split() != [last] and last not in "/.:-,=":
            assert cell_len(following.split()[0]) > width // 2 - 4, (row, following)


@pytest.mark.parametrize(
    ("text", "width", "rows"),
    [
        ("short", 20, ["short"]),
        ("", 20, [""]),
        (" " * 30, 20, [""]),
        ("  one two three four", 12, ["  one two", "    three", "    four"]),
        ("mesh     ambient, captured by ztunnel", 24, ["mesh     ambient,", "         captured by", "         ztunnel"]),
        ("  ✗ denied by the policy of ecom", 20, ["  ✗ denied by the", "    policy of ecom"]),
        ("a flow from ecom ✗ inventory", 20, ["a flow from ecom", "  ✗ inventory"]),
        ("decided by ecom ✗", 16, ["decided by", "  ecom ✗"]),
        (
            "  spiffe://cluster.local/ns/ecom/sa/ecom-db",
            30,
            ["  spiffe://cluster.local/ns/", "    ecom/sa/ecom-db"],
        ),
        ("NetworkPolicy ecom/ecom-db-netpol", 30, ["NetworkPolicy", "  ecom/ecom-db-netpol"]),
        ("mesh      captured-by-ztunnel", 24, ["mesh", "  captured-by-ztunnel"]),
        ("a-very-long-name-without-any-end", 16, ["a-very-long-", "  name-without-", "  any-end"]),
        ("x" * 30, 16, ["x" * 14, "  " + "x" * 14, "  xx"]),
        ("書店" * 8, 12, ["書店書店書", "  店書店書店", "  書店書店書", "  店"]),
    ],
)
def test_wrap(text, width, rows):
    assert wrapped(text, width) == rows
