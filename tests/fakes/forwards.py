"""The API server's side of port-forwards, byte by byte: what comes in is kept, and each can be answered with anything."""

import asyncio
import base64
import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from meshtui.model.meta import Meta
from meshtui.model.workload import OwnerRef, Pod

SUBPROTOCOL = "v4.channel.k8s.io"
BINARY, TEXT, CONT, CLOSE, PING = 2, 1, 0, 8, 9


def frame(payload, opcode=BINARY, *, fin=True):
    """One frame of a server (RFC 6455, section 5.2): not masked."""
    first = (0x80 if fin else 0) | opcode
    if len(payload) < 126:
        head = bytes([first, len(payload)])
    elif len(payload) < 1 << 16:
        head = bytes([first, 126]) + len(payload).to_bytes(2)
    else:
        head = bytes([first, 127]) + len(payload).to_bytes(8)
    return head + payload


def accepting(key, subprotocol=SUBPROTOCOL):
    """The head with which a server switches to WebSocket."""
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    head = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
    return (head + (f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else "") + "\r\n").encode()


def answer(body, *, code=200, reason="OK", **headers):
    """One whole HTTP answer."""
    given = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value is not None)
    return f"HTTP/1.1 {code} {reason}\r\n{lines}\r\n".encode() + body


def pod(key, *, node="", app="ztunnel", created=None, image="istio/ztunnel:1.30.1", labels=None, **more):
    """A pod of the mesh."""
    namespace, _, name = key.partition("/")
    meta = Meta("Pod", namespace, name, f"uid-{name}", labels={"app": app, **(labels or {})}, created=created)
    owners = (OwnerRef("DaemonSet", "ztunnel", "uid-set", controller=True),) if app == "ztunnel" else ()
    return Pod(meta, node=node, images=(image,), **{"owners": owners, **more})


@dataclass
class Asked:
    """One request to the API server, and what came through it if it was a port-forward."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    through: bytes = b""

    def __str__(self):
        return f"{self.method} {self.path}"


@dataclass
class Forward:
    """An open port-forward: ``asked.through`` has what the client sent to the port."""

    asked: Asked
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    requested: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def port(self):
        return int(self.asked.query["ports"])

    async def raw(self, data):
        """Bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def begin(self, port=None):
        """The first frame of each channel."""
        number = (self.port if port is None else port).to_bytes(2, "little")
        await self.raw(frame(b"\0" + number) + frame(b"\1" + number))

    async def data(self, data, size=32768):
        """Bytes of the port, in frames."""
        for start in range(0, len(data), size):
            await self.raw(frame(b"\0" + data[start : start + size]))

    async def error(self, text):
        """A message on the error channel."""
        await self.raw(frame(b"\1" + text))

    async def close(self, said=b""):
        """The end, said politely."""
        await self.raw(frame(b"\x03\xe8" + said, CLOSE))

    async def request(self):
        """Wait for a whole request to the port."""
        await self.requested.wait()

    async def forever(self):
        """Stay until the client goes."""
        await self.closed.wait()


async def _collect(forward):
    """Keep what the client sends on the data channel."""
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        while True:
            first, second = await forward.reader.readexactly(2)
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(await forward.reader.readexactly(2 if size == 126 else 8))
            mask = await forward.reader.readexactly(4)
            payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(await forward.reader.readexactly(size)))
            if first & 0x0F == BINARY and payload[:1] == b"\0":
                forward.asked.through += payload[1:]
                if b"\r\n\r\n" in forward.asked.through:
                    forward.requested.set()
            elif first & 0x0F == CLOSE:
                break
    forward.closed.set()
    forward.requested.set()


class FakeApi:
    """Answers port-forwards with ``play(forward)``, reviews with ``may(verb, resource)``, and pods/proxy from ``pages``."""

    def __init__(self, play=None, *, may=None, pages=None, minor="36", switch=accepting, tls=None):
        self.asked = []
        self.play = play
        self.pages = pages or {}
        self.minor = minor
        self.open, self.most_open = 0, 0
        self._may = may or (lambda verb, resource, namespace: True)
        self._switch = switch
        self._tls = tls
        self._tasks = set()

    @property
    def forwards(self):
        """The requests for port-forwards."""
        return [each for each in self.asked if each.path.endswith("/portforward")]

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _one(self, reader, writer):
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        parts = urlsplit(target)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        asked = Asked(method, unquote(parts.path), query, headers, body)
        self.asked.append(asked)
        if not asked.path.endswith("/portforward"):
            writer.write(self._page(asked))
            await writer.drain()
            return True
        head = self._switch(headers["sec-websocket-key"].encode())
        writer.write(head)
        await writer.drain()
        if not head.startswith(b"HTTP/1.1 101"):
            return True
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        forward = Forward(asked, reader, writer)
        collecting = asyncio.create_task(_collect(forward))
        try:
            await self.play(forward)
        finally:
            self.open -= 1
            collecting.cancel()
        return False

    def _page(self, asked):
        if asked.path.endswith("/selfsubjectaccessreviews"):
            wanted = json.loads(asked.body)["spec"]["resourceAttributes"]
            resource = "/".join(filter(None, (wanted["resource"], wanted["subresource"])))
            allowed = self._may(wanted["verb"], resource, wanted["namespace"])
            return answer(json.dumps({"status": {"allowed": allowed}}).encode(), code=201)
        if asked.path == "/version":
            return answer(json.dumps({"major": "1", "minor": self.minor, "gitVersion": f"v1.{self.minor}.0"}).encode())
        for end, page in self.pages.items():
            if asked.path.endswith(end):
                return page
        return answer(b'{"kind":"Status","message":"not found","code":404}', code=404, reason="Not Found")


async def forgetful(forward, body, **more):
    """What a good port does: an answer to the request, and the end."""
    await forward.begin()
    await forward.request()
    await forward.data(answer(body, **more))
    await forward.close()
