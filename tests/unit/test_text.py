"""Text from a cluster is shown, never executed."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.ui.text import age, clean


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("plain", "ecom-service", "ecom-service"),
        ("markup stays text", "[red]x[/red]", "[red]x[/red]"),
        ("an escape sequence", "\x1b[31mx", "\\x1b[31mx"),
        ("a newline", "a\nb", "a\\x0ab"),
        ("a C1 control", "\x9b31m", "\\x9b31m"),
        ("right to left", "a\u202eb", "a\\u202eb"),
        ("no width", "a\u200bb", "a\\u200bb"),
        ("a byte order mark", "\ufeffa", "\\ufeffa"),
        ("umlauts", "büro", "büro"),
        ("wide", "書店", "書店"),
        ("half a surrogate", "a\ud800", "a\\ud800"),
    ],
)
def test_clean(name, text, shown):
    assert clean(text) == shown


@given(st.text())
def test_nothing_that_steers_a_terminal_remains(text):
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Cn", "Co"} for char in clean(text))
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (7199, "119m"),
        (7200, "2h"),
        (172799, "47h"),
        (172800, "2d"),
        (1e9, "11574d"),
    ],
)
def test_age(seconds, text):
    assert age(seconds) == text
