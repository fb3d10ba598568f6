"""Lines of logs that nobody would write by accident: each is read, left out or unreadable, and ends nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.sources.access_log import Unreadable
from meshtui.sources.denials_read import EnvoyReader, ZtunnelReader, read_line
from meshtui.sources.ztunnel_log import parse_access_line

LINES = {
    "nested": '{"scope": "access", "error": ' + "[" * 100_000,
    "a lone surrogate": '{"scope": "access", "error": "\\ud800abcdef", "target": "access"}',
    "a code of 5,000 digits": '{"response_code": "' + "9" * 5000 + '"}',
    "other types": '{"scope": ["access"], "target": {}, "error": 7, "response_code": [], "start_time": {}}',
    "half a pair": '{"scope": "access", "error": "\\udc00"}',
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
@pytest.mark.parametrize("reader", [ZtunnelReader(), EnvoyReader("gateway")], ids=["ztunnel", "envoy"])
def test_a_hostile_line_is_read_or_unreadable(reader, line):
    seen = read_line(reader, line)
    assert seen is None or isinstance(seen, Unreadable) or str(seen).encode()
    parse_access_line(line)


@given(st.text(max_size=200))
def test_any_text_is_a_line(line):
    for reader in (ZtunnelReader(), EnvoyReader("waypoint")):
        read_line(reader, line)
    parse_access_line(line)


class Failing:
    """A reader with an error in it."""

    def read(self, _text):
        raise KeyError("x")


def test_a_reader_that_fails_leaves_an_unreadable_line():
    assert read_line(Failing(), "a line") == Unreadable("a line", "it can't be read: KeyError")
