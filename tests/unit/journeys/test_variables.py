"""Variables in text, in paths and in JSON; and pointers into answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.journeys.variables import MISSING, Template, UnsetError, Variables, at, in_path, names_in, usable


@pytest.mark.parametrize(
    ("text", "names"),
    [("plain", []), ("/a/{id}/{+rest}", ["id", "rest"]), ("{{id}}", []), ("{a}{a}", ["a", "a"]), ("}}{{", [])],
)
def test_names(text, names):
    assert names_in(text) == names


@pytest.mark.parametrize("text", ["{", "a}b", "{1x}", "{a b}", "{}", "{a"])
def test_a_lone_brace_is_an_error(text):
    with pytest.raises(ValueError, match="lone"):
        names_in(text)


@pytest.mark.parametrize(
    ("template", "path", "text"),
    [
        ("/stock/{book}", "/stock/a%2Fb%20c", "/stock/a/b c"),
        ("/stock/{+book}", "/stock/a/b c", "/stock/a/b c"),
        ("{+stock}", "/stock/a%2Fb%20c/now", "/stock/a/b c/now"),
        ("/x{stock}", "/x%2Fstock%2Fa%2Fb%20c%2Fnow", "/x/stock/a/b c/now"),
        ("{{book}}", "{book}", "{book}"),
        ("{many} {right}", "3 true", "3 true"),
    ],
)
def test_text(template, path, text):
    variables = Variables({"book": "a/b c", "stock": Template("/stock/{book}/now"), "many": 3, "right": True})
    assert variables.text(template, in_path) == path
    assert variables.text(template) == text


def test_what_came_from_an_answer_is_never_a_template():
    variables = Variables({"password": "hidden"})
    variables.give("book", "{password}")
    assert variables.text("{book}") == "{password}"
    assert variables.data(["{book}"]) == ["{password}"]


def test_data_keeps_a_number_a_number():
    variables = Variables({"quantity": 2, "id": "x", "same": Template("{quantity}")})
    assert variables.data({"{id}": ["{quantity}", "{same}", "n{quantity}", None, 1.5]}) == {"x": [2, 2, "n2", None, 1.5]}


@pytest.mark.parametrize("values", [{}, {"a": Template("{b}")}, {"a": Template("{a}")}, {"a": Template("x{a}")}])
def test_a_variable_without_a_value(values):
    with pytest.raises(UnsetError):
        Variables(values).text("{a}")
    with pytest.raises(UnsetError):
        Variables(values).data("{a}")
    assert Variables(values).get("a") is None


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("", {"a": [{"b/c": 1, "~": 2}], "n": None}),
        ("/a/0/b~1c", 1),
        ("/a/0/~0", 2),
        ("/n", None),
        ("/a/1", MISSING),
        ("/a/-1", MISSING),
        ("/a/b", MISSING),
        ("/n/x", MISSING),
        ("/", MISSING),
    ],
)
def test_pointers(pointer, found):
    assert at({"a": [{"b/c": 1, "~": 2}], "n": None}, pointer) == found


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda deeper: st.lists(deeper) | st.dictionaries(st.text(), deeper),
    max_leaves=8,
)


@given(_JSON, st.text())
def test_any_pointer_into_anything_is_an_answer(body, text):
    usable(at(body, f"/{text}"))


@given(st.text(), st.text())
def test_in_a_path_a_value_is_one_piece(before, value):
    path = Variables({"v": value}).text("/{v}", in_path)
    assert path.count("/") == 1
    assert "?" not in path
    assert "#" not in path
