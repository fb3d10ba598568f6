"""Port-forwards against a server on a socket: good ones, refused ones, and hostile ones, each within limits."""

import asyncio
import base64
import ssl

import pytest

from meshtui.model.errors import ClusterError, ForbiddenError, SessionExpiredError
from meshtui.sandbox.pki import Pki
from meshtui.settings import Timeouts
from meshtui.sources.kubernetes import forward as forwarding
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.authorization import _Named
from meshtui.sources.kubernetes.bounded import ConnectionLostError, NonsenseError
from meshtui.sources.kubernetes.connection import Connection
from meshtui.sources.kubernetes.forward import ForwardError, config_dump, syncz
from tests.fakes.forwards import BINARY, CLOSE, CONT, PING, TEXT, FakeApi, accepting, answer, forgetful, frame, pod
from tests.fakes.proxies import Proxy

ZTUNNEL = pod("istio-system/ztunnel-a", node="a")
BODY = b'{"workloads": []}'


def connection(server, **more):
    return Connection(
        server=server.url, tls=more.pop("tls", False), authorization=more.pop("authorization", lambda: "Bearer x"), **more
    )


async def asked(server, question=config_dump, *, request_s=5.0, **more):
    """The answer to one question through a fresh Api."""
    api = Api(connection(server, **more), Timeouts(request_s=request_s))
    try:
        async with asyncio.timeout(20):
            return await question(api, ZTUNNEL)
    finally:
        await api.close()


async def good(forward):
    await forgetful(forward, BODY)


@pytest.mark.parametrize(("question", "port", "line"), [(config_dump, 15000, "/config_dump"), (syncz, 15014, "/debug/syncz")])
async def test_one_get_on_each_connection(question, port, line):
    async with FakeApi(good) as server:
        assert await asked(server, question) == BODY
    (one,) = server.asked
    assert str(one) == "GET /api/v1/namespaces/istio-system/pods/ztunnel-a/portforward"
    assert one.query == {"ports": str(port)}
    assert one.headers["sec-websocket-protocol"] == "v4.channel.k8s.io"
    assert one.headers["authorization"] == "Bearer x"
    assert one.through == f"GET {line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


async def test_the_headers_of_impersonation_are_sent():
    async with FakeApi(good) as server:
        await asked(server, headers=(("Impersonate-User", "eve"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b")))
    assert server.asked[0].headers["impersonate-user"] == "eve"


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_with_tls_through_a_proxy(scheme, tmp_path):
    """The name is the proxy's to look up; TLS goes through to the server."""
    pki = Pki.create(tmp_path)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(pki.server_certificate, pki.server_key)
    tls = _Named(ssl.PROTOCOL_TLS_CLIENT)
    tls.load_verify_locations(pki.ca_certificate)
    tls.name = "localhost"
    async with FakeApi(good, tls=server_side) as server, Proxy(scheme, server.port) as proxy:
        server.url = f"https://api.nowhere.invalid:{server.port}"
        assert await asked(server, proxy=proxy.url, tls=tls) == BODY
    assert proxy.asked == [f"api.nowhere.invalid:{server.port}"]


async def test_parts_of_every_size():
    """Bytes one by one, a message in fragments, pings in between, and chunks."""

    async def play(forward):
        port = forward.port.to_bytes(2, "little")
        await forward.raw(frame(b"\0" + port[:1], fin=False) + frame(port[1:], CONT) + frame(b"\1") + frame(b"\1" + port))
        await forward.request()
        body = b"5\r\n" + BODY[:5] + b"\r\n" + f"{len(BODY) - 5:x};x=y\r\n".encode() + BODY[5:] + b"\r\n0\r\n\r\n"
        whole = answer(b"", Content_Length=None, Transfer_Encoding="chunked") + body
        await forward.data(whole[:60], size=1)
        await forward.raw(frame(b"hello", PING))
        await forward.raw(frame(b"\0" + whole[60:70], fin=False) + frame(whole[70:80], CONT, fin=False) + frame(whole[80:], CONT))
        await forward.forever()

    async with FakeApi(play) as server:
        assert await asked(server) == BODY


async def test_an_answer_that_ends_with_the_connection():
    async def play(forward):
        await forward.begin()
        await forward.request()
        await forward.data(answer(BODY, Content_Length=None))

    async with FakeApi(play) as server:
        assert await asked(server) == BODY


async def test_a_large_answer_asks_for_its_room_first():
    body, wanted = bytes(3 << 20), []

    async def make_room(size):
        wanted.append(size)

    async with FakeApi(lambda forward: forgetful(forward, body)) as server:
        assert await asked(server, lambda api, pod: config_dump(api, pod, make_room)) == body
        assert wanted == [3 << 20]
        wanted.clear()
        server.play = lambda forward: forgetful(forward, body, Content_Length=None)
        await asked(server, lambda api, pod: config_dump(api, pod, make_room))
    assert wanted[0] == 0
    assert wanted[-1] >= len(body)


# ---- refused


def refusal(code, message):
    return lambda key: answer(f'{{"kind":"Status","message":"{message}","code":{code}}}'.encode(), code=code, reason="No")


async def test_a_403_names_the_verb():
    async with FakeApi(switch=refusal(403, "no")) as server:
        with pytest.raises(ForbiddenError, match="ask for the verb get, create on pods/portforward in namespace istio-system"):
            await asked(server)


async def test_a_401_makes_the_credentials_be_read_again():
    refused = []
    async with FakeApi(switch=refusal(401, "Bearer abcdefghijkl")) as server:
        with pytest.raises(SessionExpiredError) as caught:
            await asked(server, refused=lambda: refused.append(1))
    assert refused == [1]
    assert "abcdefghijkl" not in str(caught.value)


NO_SWITCH = [
    (lambda key: answer(b"<html>log in</html>"), "doesn't switch"),
    (refusal(400, "Upgrade request required"), "Upgrade request required"),
    (lambda key: accepting(b"another key"), "isn't a WebSocket"),
    (lambda key: accepting(key, "v5.channel.k8s.io"), "isn't a WebSocket"),
    (lambda key: accepting(key, ""), "no port-forward with v4"),
    (lambda key: b"HTTP/1.1 101 X\r\n\r\n", "isn't a WebSocket"),
    (lambda key: b"SSH-2.0-OpenSSH\r\n\r\n", None),
    (lambda key: b"HTTP/1.1 101 X\r\n" + b"A: b\r\n" * 100_000, None),
    (
        lambda key: b"HTTP/1.1 301 X\r\nLocation: https://login.example/?token=abcdefgh\r\nContent-Length: 0\r\n\r\n",
        "login.example",
    ),
]


@pytest.mark.parametrize(("switch", "said"), NO_SWITCH)
async def test_an_answer_that_is_no_websocket(switch, said):
    async with FakeApi(good, switch=switch) as server:
        with pytest.raises(ClusterError, match=said) as caught:
            await asked(server)
    assert "\n" not in str(caught.value)
    assert "abcdefgh" not in str(caught.value)


# ---- hostile


def begun(*raw, request=True, end=True):
    """Begins properly, then sends bytes as they are."""

    async def play(forward):
        await forward.begin()
        if request:
            await forward.request()
        for each in raw:
            await forward.raw(each)
        if not end:
            await forward.forever()

    return play


def data(content):
    return frame(b"\0" + content)


async def wrong_port(forward):
    await forward.begin(15020)
    await forward.forever()


def endless(part, head=b""):
    """Sends the same for as long as somebody reads."""

    async def play(forward):
        await forward.begin()
        await forward.request()
        await forward.raw(head)
        while not forward.closed.is_set():
            await forward.raw(part)

    return play


OK = b"HTTP/1.1 200 OK\r\n"
HOSTILE = {
    "silence": (begun(end=False), ConnectionLostError, "nothing came for 1 s"),
    "silence in the middle": (begun(data(answer(b"x" * 100)[:-50]), end=False), ConnectionLostError, "nothing came"),
    "the end at once": (begun(), ConnectionLostError, "ends in its middle"),
    "the end in the middle": (begun(data(answer(BODY)[:-1])), ConnectionLostError, "ends in its middle"),
    "closed with a reason": (
        begun(frame(b"\x03\xf3gone, token=abcdefgh", CLOSE)),
        ConnectionLostError,
        r"closed \(gone",
    ),
    "an error": (
        begun(frame(b"\1dial tcp4\n127.0.0.1:15000: refused"), end=False),
        ForwardError,
        "dial tcp4 127.0.0.1:15000",
    ),
    "an endless error": (endless(frame(b"\1" + b"x" * 60000)), ForwardError, "x"),
    "an error with a secret": (begun(frame(b"\1password=hunter22 \x1b[31m"), end=False), ForwardError, "redacted"),
    "another port": (wrong_port, NonsenseError, "to port 15020"),
    "another channel": (begun(frame(b"\2x")), NonsenseError, "no channel"),
    "an empty message": (begun(frame(b"")), NonsenseError, "no channel"),
    "a text": (begun(frame(b"\0" + OK, TEXT)), NonsenseError, "no channel"),
    "a masked frame": (begun(b"\x82\x81abcd\0"), NonsenseError, "WebSocket"),
    "a reserved bit": (begun(b"\xc2\x01\0"), NonsenseError, "WebSocket"),
    "a huge frame": (begun(b"\x82\x7f" + (1 << 62).to_bytes(8)), NonsenseError, "WebSocket"),
    "no frame at all": (begun(b"HTTP/1.1 500 Internal Server Error\r\n\r\n" * 9), NonsenseError, "WebSocket"),
    "endless pings": (endless(frame(b"x", PING)), ConnectionLostError, "took longer|nothing came"),
    "endless fragments": (endless(frame(b"x" * 9000, CONT, fin=False), frame(b"\0" + OK, fin=False)), NonsenseError, None),
    "no HTTP": (begun(data(b"SSH-2.0\r\n\r\n")), NonsenseError, "HTTP"),
    "endless headers": (endless(data(b"A: b\r\n" * 5000), data(OK)), NonsenseError, "HTTP"),
    "an endless header": (endless(data(b"a" * 30000), data(OK)), NonsenseError, "HTTP"),
    "an endless trailer": (
        endless(data(b"A: b\r\n" * 5000), data(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")),
        NonsenseError,
        "HTTP",
    ),
    "continue": (endless(data(b"HTTP/1.1 100 Continue\r\n\r\n")), NonsenseError, "HTTP"),
    "a huge length": (begun(data(OK + b"Content-Length: 99999999999999\r\n\r\n")), NonsenseError, "more than 512 MiB"),
    "a negative length": (begun(data(OK + b"Content-Length: -1\r\n\r\n")), NonsenseError, "HTTP"),
    "two lengths": (begun(data(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n")), NonsenseError, "HTTP"),
    "an endless body": (endless(data(b"x" * 60000), data(OK + b"\r\n")), NonsenseError, "more than 1 MiB"),
    "a huge chunk": (
        endless(data(b"x" * 60000), data(OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n")),
        NonsenseError,
        "more than 1 MiB",
    ),
    "a chunk's size without end": (
        endless(data(b"f" * 60000), data(OK + b"Transfer-Encoding: chunked\r\n\r\n")),
        NonsenseError,
        "HTTP",
    ),
    "compressed": (begun(data(answer(b"x", Content_Encoding="gzip"))), NonsenseError, "compressed"),
    "another status": (begun(data(answer(b"", code=404, reason="Not Found"))), ForwardError, "HTTP 404 Not Found"),
    "a redirect": (begun(data(answer(b"", code=302, reason="F", Location="/quitquitquit"))), ForwardError, "HTTP 302"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile(name, monkeypatch):
    play, kind, said = HOSTILE[name]
    limited = {"an endless body", "a huge chunk"}
    if name in limited:
        monkeypatch.setattr(forwarding._Question.CONFIG_DUMP, "_value_", (15000, "/config_dump", 1 << 20))
    ends_in_time = name.startswith("silence") or name == "endless pings"
    monkeypatch.setattr(forwarding, "FORWARD_S", 2.0 if ends_in_time else 60.0)
    async with FakeApi(play) as server:
        with pytest.raises(kind, match=said) as caught:
            await asked(server, request_s=1.0 if ends_in_time else 30.0)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 700
    assert "abcdefgh" not in text
    assert "hunter22" not in text
    (one,) = server.asked
    assert one.through.count(b"HTTP/1.1") <= 1


async def test_cancelled_in_the_middle_it_closes_the_connection():
    opened, gone = asyncio.Event(), asyncio.Event()

    async def play(forward):
        opened.set()
        await forward.begin()
        await forward.forever()
        gone.set()

    async with FakeApi(play) as server:
        task = asyncio.create_task(asked(server))
        await opened.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await gone.wait()


def test_a_frame_is_what_the_standard_says():
    assert frame(b"x") == b"\x82\x01x"
    assert frame(b"x" * 300)[:4] == bytes([0x80 | BINARY, 126, 1, 44])
    assert base64.b64encode(b"x") == b"eA=="
