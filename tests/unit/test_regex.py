"""Regular expressions against Python's own, which reads this part of their syntax alike."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshtui.engine.matching.regex import LONGEST, matcher

characters = st.sampled_from("ab/.")
atoms = st.one_of(
    characters.map(re.escape),
    st.sampled_from([".", r"\d", r"\w", r"\s", r"\.", "[ab]", "[^a]", "[a-c/]", "[^/]", "[a_-]", "1"]),
)
counts = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,2}", "{0,3}", "{1,}", "*?", "+?"])


def grown(inner):
    sequence = st.lists(st.tuples(inner, counts).map("".join), max_size=3).map("".join)
    several = st.lists(sequence, min_size=1, max_size=3).map("|".join)
    return several.flatmap(lambda text: st.sampled_from([f"({text})", f"(?:{text})"]))


expressions = st.recursive(atoms, grown, max_leaves=6)
texts = st.text("ab/.1_- é\n", max_size=8)


@given(st.lists(st.tuples(expressions, counts).map("".join), max_size=3).map("".join), texts)
def test_it_matches_as_pythons_own_does(pattern, text):
    matches = matcher(pattern)
    assert matches is not None, pattern
    assert matches(text) is (re.fullmatch(pattern, text, re.ASCII) is not None), (pattern, text)


@given(st.text("ab()[]{}*+?|\\^$.,-12:P<>id", max_size=12), texts)
@example(r"\$", "")
@example(r"\$", "$")
@example(r"a\\$", "a\\")
@example(r"a\\\$", "a\\$")
def test_what_is_read_is_read_as_pythons_own(pattern, text):
    matches = matcher(pattern)
    if matches is None:
        return
    assert matches(text) is (re.fullmatch(pattern, text, re.ASCII) is not None), (pattern, text)


@pytest.mark.parametrize(
    "pattern",
    [
        *("(?i)get", r"\bx", r"a\b", r"\Qa\E", r"\pL", "[[:alpha:]]", "(?P<n>a)", "(", ")", "a**", "*", "a{1001}", "{1}", "a^b"),
        *("a$b", "[]a]", "[b-a]", "é", "\\", "[a", "a{2", "x" * (LONGEST + 1), "(a{20}){30}", "^a|b$"),
    ],
)
def test_what_re2_may_read_otherwise_is_not_known(pattern):
    assert matcher(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("/public/.*", "/public/", True),
        ("/public/.*", "/public", False),
        ("/public", "/public/x", False),
        ("^/v1/[^/]+$", "/v1/books", True),
        ("^/v1/[^/]+$", "/v1/books/1", False),
        ("GET|POST", "POST", True),
        ("GET|POST", "POSTS", False),
        (r"/path2\.json", "/path2xjson", False),
        (r"/price/5\$", "/price/5$", True),
        (r"/price/5\$", "/price/5", False),
        (r"C:\\$", "C:\\", True),
        (r"C:\\\$", "C:\\$", True),
        (r"C:\\\$", "C:\\", False),
        ("", "", True),
    ],
)
def test_expressions_of_policies(pattern, text, matches):
    assert matcher(pattern)(text) is matches


def test_no_expression_takes_exponential_time():
    matches = matcher("(a*)*(a|aa)+(a?){30}b")
    assert matches("a" * 2000) is False
