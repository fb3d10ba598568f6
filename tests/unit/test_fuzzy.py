"""Which names are meant by what is typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.ui.fuzzy import rank

names = st.lists(st.text("abcw-/", min_size=1, max_size=10), max_size=12)
typed = st.text("abcw-/", max_size=4)


def has_in_order(typed, name):
    rest = iter(name)
    return all(char in rest for char in typed)


@given(typed, names)
def test_exactly_the_names_with_these_characters_in_this_order(text, known):
    found = rank(text, known)
    assert len(found) == len(set(found))
    assert set(found) == {name for name in known if has_in_order(text, name)}


@given(typed, names)
def test_the_name_itself_is_first_then_those_that_begin_with_it(text, known):
    found = rank(text, known)
    if text:
        begins = [name.startswith(text) for name in found]
        assert begins == sorted(begins, reverse=True)
        assert text not in found or found[0] == text
        has = [text in name for name in found]
        assert has == sorted(has, reverse=True)


@given(typed, names, st.randoms(use_true_random=False))
def test_it_is_stable(text, known, random):
    found = rank(text, known)
    assert rank(text, found) == found
    assert rank(text, [*known, *known]) == found
    others = [name for name in known if name not in found]
    random.shuffle(others)
    assert rank(text, [*found, *others]) == found, "what doesn't match changes nothing"


@given(names)
def test_nothing_typed_changes_no_order(known):
    assert rank("", known) == list(dict.fromkeys(known))


@pytest.mark.parametrize(
    ("text", "known", "found"),
    [
        ("wo", ["network", "workloads", "workload", "wl-old"], ["workloads", "workload", "network", "wl-old"]),
        ("WO", ["workloads"], ["workloads"]),
        ("np", ["networkpolicies", "netpol", "np"], ["np", "netpol", "networkpolicies"]),
        ("svc", ["a-svc-long", "a-svc", "asvc", "svc"], ["svc", "a-svc-long", "a-svc", "asvc"]),
        ("x", ["a"], []),
    ],
)
def test_rank(text, known, found):
    assert rank(text, known) == found
