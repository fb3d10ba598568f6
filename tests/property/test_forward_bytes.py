"""Port-forwards whose bytes are cut anywhere, or are anything: the same answer, or one error of the cluster."""

import asyncio
import random

import h11
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri

from meshtui.model.errors import ClusterError
from meshtui.sources.kubernetes import forward as forwarding
from tests.fakes.forwards import BINARY, CLOSE, CONT, PING, TEXT, answer, frame

PORT = 15000
BEGIN = frame(b"\0" + PORT.to_bytes(2, "little")) + frame(b"\1" + PORT.to_bytes(2, "little"))


class Connection:
    """Hands out bytes in the given parts, then the end."""

    def __init__(self, parts):
        self._parts = iter(parts)
        self.written = b""

    async def read(self):
        await asyncio.sleep(0)
        return next(self._parts, b"")

    async def write(self, data):
        self.written += data


async def read(parts):
    """The body that is read from the parts, or None for an error of the cluster."""
    protocol = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=1 << 20)
    forward = forwarding._Forward(Connection(filter(None, parts)), protocol, PORT)
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 16)
    http.send(h11.Request(method="GET", target="/", headers=[("Host", "x"), ("Connection", "close")]))
    http.send(h11.EndOfMessage())
    try:
        return bytes(await forwarding._answer(http, forward, 1 << 20, forwarding._at_once))
    except (ClusterError, h11.RemoteProtocolError):
        return None


def cut(data, places):
    places = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


@given(body=st.binary(max_size=3000), chunked=st.booleans(), seed=st.integers(0, 1 << 20), places=st.lists(st.integers(0, 9999)))
@settings(max_examples=200, deadline=None)
async def test_wherever_it_is_cut_the_answer_is_the_same(body, chunked, seed, places):
    chosen = random.Random(seed)
    if chunked:
        parts = filter(None, cut(body, [chosen.randrange(9999) for _ in range(5)]))
        whole = answer(b"", Content_Length=None, Transfer_Encoding="chunked")
        whole += b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + b"0\r\n\r\n"
    else:
        whole = answer(body)
    sent = BEGIN
    for part in cut(whole, [chosen.randrange(9999) for _ in range(8)]):
        *first, last = cut(b"\0" + part, [chosen.randrange(9999) for _ in range(chosen.randrange(3))])
        fragments = [*first, last]
        for number, each in enumerate(fragments):
            sent += frame(each, CONT if number else BINARY, fin=number == len(fragments) - 1)
            sent += frame(b"x", PING) if chosen.random() < 0.3 else b""
    assert await read(cut(sent, places)) == body


ANY_FRAME = st.builds(
    frame,
    st.binary(max_size=200) | st.sampled_from([b"\0" + answer(b"x"), b"\0HTTP/1.1 200 OK\r\n", b"\1no", b"\0" + b"5\r\n"]),
    st.sampled_from([BINARY, BINARY, BINARY, CONT, TEXT, CLOSE, PING, 3]),
    fin=st.booleans(),
)


@given(
    frames=st.lists(ANY_FRAME | st.binary(max_size=50), max_size=12), begun=st.booleans(), places=st.lists(st.integers(0, 9999))
)
@settings(max_examples=400, deadline=None)
async def test_whatever_comes_it_ends_with_an_answer_or_an_error_of_the_cluster(frames, begun, places):
    async with asyncio.timeout(10):
        await read(cut((BEGIN if begun else b"") + b"".join(frames), places))
