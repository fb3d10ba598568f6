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


def last(name):
    return name.rpartition("/")[2]


@given(typed, names)
def test_the_part_that_a_name_is_called_by_changes_only_the_order(text, known):
    assert set(rank(text, known, last)) == set(rank(text, known))


@pytest.mark.parametrize(
    ("text", "best"),
    [
        pytest.param("dep", "b/deployment/depot", id="not by its kind"),
        pytest.param("inv", "ecom/deployment/inv", id="not by its namespace"),
        pytest.param("inv/deployment", "inv/deployment/ui", id="the whole where more is typed"),
        pytest.param("stat", "a/statefulset/db", id="by its kind where no name fits"),
    ],
)
def test_a_workload_is_found_by_its_name_first(text, best):
    known = ["a/deployment/ui", "a/statefulset/db", "b/deployment/depot", "ecom/deployment/inv", "inv/deployment/ui"]
    assert rank(text, known, last)[0] == best
