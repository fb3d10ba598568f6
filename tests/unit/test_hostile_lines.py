"""Lines of logs that nobody would write by accident: each is read, left out or unreadable, and ends nothing."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.logs.captured import captured_of
from meshtui.logs.cni_agent import read_agent_line
from meshtui.logs.envoy import Unreadable
from meshtui.logs.rejections import EnvoyReader, ZtunnelReader, read_line
from meshtui.logs.ztunnel import parse_access_line
from meshtui.ui.log_lines import page, read_entries
from meshtui.ztunnel.reading import Shared, read_dump
from tests.fakes.snapshots import pod, snapshot_of
from tests.fakes.ztunnels import NOW, certificate, dump

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


DENIED = (
    '{time}\terror\taccess\tconnection complete\tsrc.addr=10.0.0.1:1 src.workload="a" src.namespace="n" {tunnel}'
    'dst.workload="b" dst.namespace="n" direction="inbound" bytes_sent=0 bytes_recv=0 duration="{ms}ms"'
    ' error="connection closed due to policy rejection: allow policies exist, but none allowed"'
)
ENVOY = (
    '[2026-01-01T12:00:00Z] "GET / HTTP/1.1" 403 - rbac_access_denied_matched_policy[none] - "-" 0 19 0 - "-" "curl/8.11.1" '
    '"a" "b" "-" inbound-vip|80|http|b.n.svc.cluster.local; - 10.0.0.2:80 10.0.0.1:1 - default'
)
SNAPSHOT = snapshot_of([pod("n/a", "10.0.0.1"), pod("n/b", "10.0.0.2")])
TIMES = [
    "9999-12-31T23:59:59-23:59",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+23:59",
    "0001-01-01T00:00:00",
    "1969-12-31T23:59:59Z",
    "",
    "soon",
]
PORTS = ["9" * 5000, "65536", "-1", "²", "٣", ""]


def test_the_line_of_a_waypoint_is_read_with_a_time_that_is_one():
    assert read_line(EnvoyReader("waypoint"), ENVOY).at == NOW


def line_of(time="2026-01-01T12:00:00Z", port="80", ms="1"):
    return DENIED.format(time=time, tunnel=f"dst.addr=10.0.0.2:{port} ", ms=ms)


@pytest.mark.parametrize("time", TIMES)
def test_a_time_that_can_t_be_calculated_with_makes_its_line_unreadable(time):
    """Every command writes times in UTC, and the screens in the zone of this machine."""
    line = line_of(time)
    assert isinstance(read_line(ZtunnelReader(), line), Unreadable)
    assert captured_of(line.partition(" error=")[0].replace("src.w", 'src.identity="x" dst.hbone_addr=10.0.0.2:80 src.w')) is None
    assert parse_access_line(line).timestamp is None
    assert read_agent_line(f"{time}\terror\tcni-agent\tfailed to reconcile inpod rules for pod\tns=n name=a") is None
    assert isinstance(read_line(EnvoyReader("waypoint"), ENVOY.replace("2026-01-01T12:00:00Z", time)), Unreadable)


def test_a_time_without_a_zone_is_in_utc():
    seen = read_line(ZtunnelReader(), line_of("2026-01-01T12:00:00"))
    assert seen.at == parse_access_line(line_of()).timestamp == NOW
    entries = read_entries([parse_access_line(line_of("2026-01-01T12:00:00"))], SNAPSHOT)
    assert "60s" in page("log", entries, NOW + timedelta(minutes=1)).document.plain()


@pytest.mark.parametrize("port", PORTS)
def test_a_port_that_no_connection_has_is_none(port):
    line = parse_access_line(line_of(port=port))
    assert line.port is None
    (entry,) = read_entries([line], SNAPSHOT)
    assert entry.flow is None
    assert "n/a → n/b:?" in page("log", [entry], NOW).document.plain()


def test_a_duration_of_any_length_is_read_or_none():
    assert parse_access_line(line_of(ms="9" * 5000)).duration_ms is None
    assert parse_access_line(line_of(ms="12")).duration_ms == 12


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_stands_for_time_and_port_ends_no_page(time, port):
    line = parse_access_line(line_of(time, port))
    if line is not None:
        page("log", read_entries([line], SNAPSHOT), NOW)


def test_a_time_of_a_dump_that_is_in_no_zone_s_calendar_is_none():
    held = certificate("spiffe://cluster.local/ns/n/sa/a")
    held["certChain"][0]["expirationTime"] = TIMES[0]
    held["certChain"][0]["validFrom"] = "9999-12-31T23:59:59Z"
    (found,) = read_dump(dump(certificates=[held]), Shared()).certificates
    assert found.chain[0].expires is None
    assert found.chain[0].valid_from is not None
