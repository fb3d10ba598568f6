"""A journey's file: what is wrong is told with its line and field, and nothing else is ever raised."""

import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.journeys.known import catalogue
from meshtui.journeys.lines import line_at, lines_of
from meshtui.journeys.load import content, parsed, read
from meshtui.journeys.model import Journey
from meshtui.model.errors import ConfigError
from meshtui.settings import Checkout, Settings

GOOD = """\
name = "browse"
title = "Browse, then look at the stock"

[gateway]
namespace = "infra"
name = "gateway"
host = "api.service.net"

[variables]
first = 0
token = { env = "SHOP_TOKEN", value = "" }

[headers]
Authorization = "Bearer {token}"

[[gauge]]
name = "orders"
request.path = "/orders/count"
value = "/n"
change = 1

[[step]]
name = "books"
request = { path = "/ecom/books" }
expect = { status = [200, 203], has = ["/0/title"] }
take = { book = "/0/book_id" }

[[step]]
name = "stock"
request = { path = "/inven/stock/{book}" }

[step.expect.json]
"/book_id" = "{book}"

[[step.call]]
name = "inventory"
from = "infra/deploy/gateway-istio"
to = "inventory/svc/inventory-service:8000"
to_identity = "inventory/inventory-service"

[step.means]
http_404 = "inventory doesn't know the book"
otherwise = { says = "inventory is broken", look_at = ["inventory/svc/inventory-service"] }
"""


def problems(text):
    found = parsed("j.toml", text.encode())
    return [] if isinstance(found, Journey) else found


def test_a_good_one():
    journey = read("j.toml", GOOD.encode())
    assert [step.name for step in journey.step] == ["books", "stock"]
    assert journey.step[1].call[0].source == "infra/deploy/gateway-istio"
    assert not journey.changing


WRONG = [
    ("an unknown field", 'title = "', 'titel = "x"\ntitle = "', 2, "titel", "did you mean 'title'?"),
    ("an unknown field below", 'request = { path = "/ecom', 'requst = { path = "/ecom', 24, "step[1].requst", "'request'"),
    ("an unknown field in a table", "host = ", "hots = ", 7, "gateway.hots", "did you mean 'host'?"),
    ("a wrong type", 'name = "orders"', "name = 1", 17, "gauge[1].name", "expected `str`, got `int`"),
    ("a wrong type in an array", "[200, 203]", '[200, "x"]', 25, "step[1].expect.status[2]", "expected `int`, got `str`"),
    ("a wrong type in a mapping", 'book = "/0/book_id"', "book = 7", 26, "step[1].take.book", "expected `str`, got `int`"),
    ("a name that is none", 'name = "books"', 'name = "My Books"', 23, "step[1].name", "matching regex"),
    ("a missing field", 'title = "Browse, then look at the stock"\n', "", 1, "", "missing required field `title`"),
    ("a pointer that is none", '"/0/book_id"', '"book_id"', 26, "step[1].take.book", "regex"),
    ("an unknown variable", "stock/{book}", "stock/{boook}", 30, "step[2].request.path", "did you mean 'book'?"),
    ("a variable from later", '"/orders/count"', '"/orders/{book}"', 18, "gauge[1].request.path", "no value here yet"),
    ("a lone brace", "stock/{book}", "stock/{book", 30, "step[2].request.path", "a lone '{'"),
    ("a step's name twice", 'name = "stock"', 'name = "books"', 29, "step[2].name", "'books' is there twice"),
    ("a name that a gauge has", 'name = "stock"', 'name = "orders_after"', 29, "step[2].name", "is there twice"),
    ("no status", "[200, 203]", "99", 25, "step[1].expect.status", "99 isn't an HTTP status"),
    ("no reference", '"inventory/svc/inventory-service:8000"', '"inventory:x:y"', 38, "step[2].call[1].to", ""),
    ("no account", '"inventory/inventory-service"', '"inventory"', 39, "step[2].call[1].to_identity", "SERVICEACCOUNT"),
    ("no outcome", "http_404", "http_4xx", 42, "step[2].means.http_4xx", "isn't an outcome"),
    ("no path", '"/orders/count"', '"orders"', 18, "gauge[1].request.path", "isn't a path"),
    ("no gateway", 'name = "gateway"', "", 4, "gateway", "nobody knows where requests go"),
    ("not TOML", 'name = "browse"', 'name = "browse', 1, "", "not TOML"),
    ("twice the same key", "first = 0", "first = 0\nfirst = 1", 11, "", "not TOML"),
    ("a date in JSON", '"/book_id" = "{book}"', '"/book_id" = 2026-01-01', 33, "step[2].expect.json./book_id", "can't stand"),
    ("Host as a header", "Authorization =", "host =", 14, "headers.host", "gateway.host"),
    ("two kinds of step", 'name = "stock"', 'name = "stock"\nanswer_of = "books"', 28, "step[2]", "a request, or"),
    ("an answer of nobody", 'request = { path = "/inven/stock/{book}" }', 'answer_of = "stock"', 30, "step[2].answer_of", ""),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "field", "says"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_is_wrong_has_its_line_and_field(old, new, line, field, says):
    assert GOOD.count(old) >= 1
    text = GOOD.replace(old, new, 1)
    first = problems(text)[0]
    assert (first.line, first.field) == (line, field), first
    assert says in first.says
    with pytest.raises(ConfigError) as caught:
        read("j.toml", text.encode())
    assert caught.value.message.startswith(f"j.toml:{line}: {f'{field}: ' if field else ''}")
    assert (caught.value.exit_code, "\n" in caught.value.message) == (2, False)


def test_a_journey_that_sends_a_post_changes_something_and_may_not_say_otherwise():
    text = GOOD.replace('request = { path = "/ecom/books" }', 'request = { method = "POST", path = "/ecom/books" }')
    assert read("j.toml", text.encode()).changing
    (found,) = problems(text.replace("title =", "changes = false\ntitle =", 1))
    assert (found.line, found.field) == (2, "changes")
    assert "POST" in found.says
    assert read("j.toml", GOOD.replace("title =", "changes = true\ntitle =", 1).encode()).changing


def test_all_problems_are_told_in_order():
    text = GOOD.replace("{book}", "{boook}").replace('"/orders/count"', '"orders"').replace("http_404", "http_4xx")
    assert [each.line for each in problems(text)] == [18, 30, 33, 42]


@pytest.mark.parametrize(
    "text", [b"\xff", b"a = 1" + b"0" * 5000, b"a = " + b"[" * 5000, b"", b"\x00", "name = 'ü'".encode("latin-1")]
)
def test_what_is_no_text_at_all(text):
    with pytest.raises(ConfigError) as caught:
        read("j.toml", text)
    assert caught.value.message.startswith("j.toml:")


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.toml"):
        content(tmp_path / "gone.toml")
    with pytest.raises(ConfigError):
        content(tmp_path)
    (tmp_path / "long.toml").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match="isn't a journey"):
        content(tmp_path / "long.toml")


def said(text):
    """What is wrong with a text, as it is raised; empty for a journey."""
    try:
        read("j.toml", text)
    except ConfigError as error:
        return error.message
    return ""


@given(st.binary(max_size=200))
def test_anything_is_a_journey_or_a_config_error(text):
    assert said(text).startswith("j.toml:")


_PIECES = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        "[[step]]",
        "\n",
        '"',
        "'",
        "=",
        ".",
        "#",
        '"""',
        "name",
        "step",
        "{book}",
        "{{",
        "\\",
        ",",
        "1",
        "[a]",
        "-",
    ]
)


@given(st.integers(0, len(GOOD)), st.integers(0, 30), st.lists(_PIECES, max_size=4).map("".join))
def test_a_good_file_with_anything_in_it_is_a_journey_or_a_config_error(start, length, inserted):
    text = GOOD[:start] + inserted + GOOD[start + length :]
    message = said(text.encode())
    if message:
        assert 1 <= int(message.split(":")[1]) <= text.count("\n") + 1


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab{}./ \n", max_size=5),
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text("ab_", min_size=1, max_size=4), deeper, max_size=3),
    max_leaves=6,
)


def _toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, int):
        return str(value or 0)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return "{" + ", ".join(f'"{key}" = {_toml(item)}' for key, item in value.items()) + "}"


@given(st.sampled_from(["name", "title", "gateway", "variables", "gauge", "step", "headers", "changes"]), _VALUES)
def test_any_value_in_any_place_is_a_journey_or_a_config_error(place, value):
    data = tomllib.loads(GOOD)
    text = "\n".join(f"{key} = {_toml(value if key == place else item)}" for key, item in data.items())
    message = said(text.encode())
    assert not message or message.startswith("j.toml:")


@given(st.dictionaries(st.text("ab-. \"'", min_size=1, max_size=4), _VALUES, max_size=4))
def test_every_key_has_its_line(data):
    text = "\n# a comment\n".join(f"{_toml(key)} = {_toml(value)}" for key, value in data.items())
    lines = lines_of(text)
    if any('"' in key for key in data):  # quotes within quotes: lines may be missing, and are those of what is around
        return
    for number, (key, value) in enumerate(data.items()):
        assert line_at(lines, (key,)) == 2 * number + 1
        if isinstance(value, dict):
            assert all(line_at(lines, (key, inner)) == 2 * number + 1 for inner in value)


def test_the_checkout_that_is_shipped_says_what_the_settings_say_by_default():
    text = resources.files("meshtui.journeys.bookstore").joinpath("checkout.toml").read_bytes()
    journey = read("checkout.toml", text)
    defaults = Checkout().model_dump()
    shared = {name: value for name, value in journey.variables.items() if name in defaults}
    assert shared == {name: defaults[name] for name in shared}
    assert set(defaults) - set(shared) == {"gateway", "reserve_path", "expectations"}
    (known,) = catalogue(Settings()).journeys
    assert known.given["stock_path"] == journey.variables["stock_path"]
    assert known.given["books_path"] == journey.variables["books_path"]
    assert {name: value for name, value in known.given.items() if name in defaults} == shared | {
        "stock_path": known.given["stock_path"]
    }


def test_names_are_there_once_and_a_wrong_file_hides_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("MESHTUI_CONFIG", str(tmp_path / "config.toml"))
    place = tmp_path / "journeys"
    place.mkdir()
    (place / "a.toml").write_text(GOOD)
    (place / "b.toml").write_text("# the same again\n" + GOOD)
    (place / "c.toml").write_text(GOOD.replace("browse", "checkout", 1))
    (place / "d.toml").write_text("title = 1")
    (place / "notes.txt").write_text("isn't a journey")
    found = catalogue(Settings())
    assert [known.journey.name for known in found.journeys] == ["browse", "checkout"]
    told = [(each.file.rpartition("/")[2], each.line, each.field) for each in found.problems]
    assert told == [("b.toml", 2, "name"), ("c.toml", 1, "name"), ("d.toml", 1, "title")]
    assert str(place / "a.toml") in found.problems[0].hint
    assert "comes with meshtui" in found.problems[1].hint
