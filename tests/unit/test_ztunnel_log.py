"""ztunnel's access log, both forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.logs.ztunnel import parse_access_line

OK = (
    '2024-11-24T13:00:00.123456Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:41234 src.workload="web-1" '
    'src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/web" dst.addr=10.0.0.2:15008 '
    'dst.hbone_addr=10.0.0.2:8000 dst.workload="db-0" dst.namespace="back" direction="inbound" bytes_sent=12 duration="3ms"'
)
DENIED = OK.replace("info", "error") + ' error="connection closed due to policy rejection: explicitly denied by: back/p"'
V6 = OK.replace("dst.hbone_addr=10.0.0.2:8000", "dst.hbone_addr=[fd00::2]:8000")
PLAIN = OK.replace("dst.hbone_addr=10.0.0.2:8000 ", "").replace("dst.addr=10.0.0.2:15008", "dst.addr=10.0.0.2:8000")
JSON = (
    '{"level":"error","time":"2024-11-24T13:00:00Z","scope":"access","message":"connection complete","src.addr":"10.0.0.1:4",'
    '"dst.addr":"10.0.0.2:8000","error":"http status: 401 Unauthorized","bytes_sent":0}'
)


@pytest.mark.parametrize(
    ("raw", "port", "denied"),
    [(OK, 8000, False), (DENIED, 8000, True), (V6, 8000, False), (PLAIN, 8000, False), (JSON, 8000, True)],
    ids=["complete", "denied", "IPv6", "plaintext", "JSON"],
)
def test_reads(raw, port, denied):
    line = parse_access_line(raw + "\n")
    assert (line.port, line.denied, line.message) == (port, denied, "connection complete")
    assert line.timestamp is not None
    assert line.fields["src.addr"].startswith("10.0.0.1:")


def test_what_was_sent_and_received():
    line = parse_access_line(OK)
    assert (line.bytes_sent, line.bytes_received) == (12, None)
    assert parse_access_line(JSON).bytes_sent == 0
    assert parse_access_line(OK.replace("bytes_sent=12", "bytes_sent=-1")).bytes_sent is None


def test_quoted_values_keep_what_is_in_them():
    line = parse_access_line(OK + r' error="a \"quoted\" k=v \\ word"')
    assert line.error == r'a "quoted" k=v \ word'
    assert "k" not in line.fields


def test_whom_it_concerns():
    line = parse_access_line(OK)
    assert line.concerns("shop", frozenset({"web-1"}))
    assert line.concerns("back", frozenset({"db-0", "other"}))
    assert not line.concerns("back", frozenset({"web-1"}))


@pytest.mark.parametrize(
    "raw",
    ["", "hello", "a\tb\tc\td", "2024\tinfo\tproxy\tx\ty=1", '{"scope":"proxy"}', "{", "[]", '{"message":1}', "\t\t\t\t"],
)
def test_other_lines(raw):
    assert parse_access_line(raw) is None


@given(st.one_of(st.text(), st.text().map(lambda t: OK + t), st.integers(0, len(OK)).map(lambda n: OK[:n])))
def test_no_line_breaks_the_reader(raw):
    line = parse_access_line(raw)
    if line is not None:
        assert (line.port, line.denied, line.timestamp, line.error) is not None
