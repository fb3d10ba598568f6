"""Lines of logs that nobody would write by accident: each is read, left out or unreadable, and ends nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.logs.envoy import Unreadable
from meshtui.logs.rejections import EnvoyReader, ZtunnelReader, read_line
from meshtui.logs.ztunnel import parse_access_line

LONG, BROKEN, NET = "longer than 65536 characters", "broken JSON", "it can't be read"
LINES = {  # and why ztunnel's reader and Envoy's can't read it; None: it is none of theirs
    "nested": ('{"scope": "access", "error": ' + "[" * 100_000, LONG, LONG),
    "a lone surrogate": ('{"scope": "access", "error": "\\ud800abcdef", "target": "access"}', BROKEN, BROKEN),
    "a code of 5,000 digits": ('{"response_code": "' + "9" * 5000 + '"}', "JSON without scope", f"{NET}: ValueError"),
    "other types": (
        '{"scope": ["access"], "target": {}, "error": 7, "response_code": [], "start_time": {}}',
        None,
        "response_code isn't a number",
    ),
    "half a pair": ('{"scope": "access", "error": "\\udc00"}', BROKEN, BROKEN),
}


@pytest.mark.parametrize(("line", "ztunnel", "envoy"), LINES.values(), ids=LINES)
def test_a_hostile_line_is_left_out_or_unreadable(line, ztunnel, envoy):
    for reader, why in ((ZtunnelReader(), ztunnel), (EnvoyReader("gateway"), envoy)):
        seen = read_line(reader, line)
        assert (seen.why if isinstance(seen, Unreadable) else seen) == why
        assert seen is None or (seen.raw and line.startswith(seen.raw))  # a long one is cut
    assert parse_access_line(line) is None


@given(st.text(max_size=200))
def test_any_text_is_left_out_or_unreadable_and_no_reader_fails_at_it(line):
    for reader in (ZtunnelReader(), EnvoyReader("waypoint")):
        seen = read_line(reader, line)
        assert seen is None or (isinstance(seen, Unreadable) and seen.raw == line and not seen.why.startswith(NET))
    assert parse_access_line(line) is None


class Failing:
    """A reader with an error in it."""

    def read(self, _text):
        raise KeyError("x")


def test_a_reader_that_fails_leaves_an_unreadable_line():
    assert read_line(Failing(), "a line") == Unreadable("a line", "it can't be read: KeyError")
