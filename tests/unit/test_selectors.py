"""Label selectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.engine.matching.selectors import describe, matches
from meshtui.model.selectors import LabelSelector, Requirement

KEYS, VALUES = st.sampled_from("abc"), st.sampled_from(["", "1", "2"])
LABELS = st.dictionaries(KEYS, VALUES)
REQUIREMENTS = st.builds(
    Requirement, KEYS, st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]), st.lists(VALUES, min_size=1).map(tuple)
)
SELECTORS = st.builds(
    LabelSelector, LABELS.map(lambda d: tuple(sorted(d.items()))), st.lists(REQUIREMENTS, max_size=3).map(tuple)
)

LABELLED = {"app": "web", "empty": ""}
ROWS = [
    ("empty", LabelSelector(), True),
    ("a label", LabelSelector((("app", "web"),)), True),
    ("another value", LabelSelector((("app", "x"),)), False),
    ("a missing key", LabelSelector((("gone", "x"),)), False),
    ("an empty value is a value", LabelSelector((("empty", ""),)), True),
    ("an empty value isn't a missing key", LabelSelector((("gone", ""),)), False),
    ("In", LabelSelector((), (Requirement("app", "In", ("a", "web")),)), True),
    ("In with no values", LabelSelector((), (Requirement("app", "In"),)), False),
    ("NotIn on a missing key", LabelSelector((), (Requirement("gone", "NotIn", ("x",)),)), True),
    ("Exists on an empty value", LabelSelector((), (Requirement("empty", "Exists"),)), True),
    ("DoesNotExist on an empty value", LabelSelector((), (Requirement("empty", "DoesNotExist"),)), False),
    ("an operator that doesn't exist", LabelSelector((), (Requirement("app", "Like", ("web",)),)), False),
    ("all must hold", LabelSelector((("app", "web"),), (Requirement("app", "NotIn", ("web",)),)), False),
]


@pytest.mark.parametrize(("name", "selector", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_matches(name, selector, expected):
    assert matches(selector, LABELLED) is expected


@given(SELECTORS, SELECTORS, LABELS)
def test_joining_selectors_is_and(one, other, labels):
    labels_of_both = tuple(sorted({*one.labels, *other.labels}))
    joined = LabelSelector(labels_of_both, one.requirements + other.requirements)
    assert matches(joined, labels) == (matches(one, labels) and matches(other, labels))


@given(KEYS, st.lists(VALUES, min_size=1).map(tuple), LABELS)
def test_opposites(key, values, labels):
    def holds(operator):
        return matches(LabelSelector((), (Requirement(key, operator, values),)), labels)

    assert holds("In") is not holds("NotIn")
    assert holds("Exists") is not holds("DoesNotExist")


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (LabelSelector(), "all pods"),
        (LabelSelector((("a", "1"),), (Requirement("b", "In", ("x", "y")),)), "a=1, b in (x, y)"),
        (LabelSelector((), (Requirement("b", "NotIn", ("x",)), Requirement("c", "Exists"))), "b notin (x), c"),
        (LabelSelector((), (Requirement("c", "DoesNotExist"), Requirement("d", "Like"))), "!c, d Like?"),
    ],
)
def test_description(selector, text):
    assert describe(selector) == text
