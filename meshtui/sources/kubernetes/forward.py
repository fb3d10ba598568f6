"""Questions to one port of a pod through the API server: a port-forward in a WebSocket (Kubernetes: v4.channel.k8s.io).

A ztunnel's port 15000 can also change its logging and shut it down. So this module can send two requests only, which
``_Question`` lists whole: ``GET /config_dump`` to a ztunnel and ``GET /debug/syncz`` to istiod, one on each connection. Nothing
else opens a port-forward (tests/unit/test_forward_only_asks.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, cast

from meshtui.model.errors import ClusterError
from meshtui.model.redact import redact
from meshtui.model.workload import Pod
from meshtui.sources.kubernetes.api import Api, Switched, segment
from meshtui.sources.kubernetes.bounded import ConnectionLostError, NonsenseError
from meshtui.sources.kubernetes.limits import (
    BODY_BYTES,
    DUMP_BYTES,
    FORWARD_FRAME_BYTES,
    FORWARD_HEAD_BYTES,
    FORWARD_S,
    MESSAGE_CHARS,
    MIB,
    size,
)

if TYPE_CHECKING:
    import h11
    from websockets.client import ClientProtocol
    from websockets.frames import Frame

_SUBPROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
"""The channels of the first port: its bytes, and a message when it can't be reached. Each begins with the port's number."""
_NOT_YET, _NONE = -1, -2
"""The channel of a message before its first byte, and of one that has none."""
_STEP_BYTES = 4 * MIB
"""How much room an answer of unknown length asks for at once."""

MakeRoom = Callable[[int], Awaitable[None]]
"""Waits until an answer may have so many bytes in memory."""


class ForwardError(ClusterError):
    """The node can't connect to the port, or the port's answer isn't one of success."""


class _Question(Enum):
    """All that can be asked through a port-forward: the port, the target of a GET, and the most bytes of its answer."""

    CONFIG_DUMP = (15000, "/config_dump", DUMP_BYTES)
    SYNCZ = (15014, "/debug/syncz", BODY_BYTES)

    @property
    def port(self) -> int:
        return self.value[0]


async def _at_once(_: int) -> None:
    """All the room that there is."""


async def config_dump(api: Api, pod: Pod, make_room: MakeRoom = _at_once) -> bytearray:
    """The config dump of a ztunnel. Raises ClusterError."""
    return await _ask(api, pod, _Question.CONFIG_DUMP, make_room)


async def syncz(api: Api, pod: Pod) -> bytearray:
    """What an istiod says that it has sent to its proxies. Raises ClusterError."""
    return await _ask(api, pod, _Question.SYNCZ, _at_once)


async def _ask(api: Api, pod: Pod, question: _Question, make_room: MakeRoom) -> bytearray:
    """Send the one request, and read its answer."""
    import h11

    port, target, most = question.value
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=FORWARD_HEAD_BYTES)
    head = h11.Request(method="GET", target=target, headers=[("Host", "localhost"), ("Connection", "close")])
    async with _forwarded(api, pod, port) as forward:
        await forward.send((http.send(head) or b"") + (http.send(h11.EndOfMessage()) or b""))
        try:
            return await _answer(http, forward, most, make_room)
        except h11.RemoteProtocolError as error:
            if forward.over:
                raise ConnectionLostError(f"port {port}: the answer ends in its middle{forward.ended}") from error
            raise NonsenseError(f"port {port}: this isn't an answer of HTTP: {_short(str(error))}") from error


async def _answer(http: h11.Connection, forward: _Forward, most: int, make_room: MakeRoom) -> bytearray:
    """The body of a successful answer, of at most ``most`` bytes. Raises ClusterError and h11's RemoteProtocolError."""
    import h11

    body, room = bytearray(), 0
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await forward.receive())
        elif isinstance(event, h11.Response):
            room = _declared(event, forward.port, most)
            await forward.pausing(make_room(room))
        elif isinstance(event, h11.Data):
            if len(body) + len(event.data) > most:
                raise _too_large(forward.port, most)
            if len(body) + len(event.data) > room:
                room = len(body) + len(event.data) + _STEP_BYTES
                await forward.pausing(make_room(room))
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return body
        else:  # an informational answer, for which nobody asked, or the end without an answer
            raise NonsenseError(f"port {forward.port}: this isn't an answer of HTTP: {type(event).__name__}")


def _declared(response: h11.Response, port: int, most: int) -> int:
    """The declared length of an answer, or 0. Raises ClusterError for any answer whose body isn't wanted."""
    headers: Mapping[bytes, bytes] = dict(response.headers)
    if response.status_code != 200:
        raise ForwardError(f"port {port}: HTTP {response.status_code} {_short(bytes(response.reason).decode(errors='replace'))}")
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise NonsenseError(f"port {port}: the answer is compressed, and nobody asked for that")
    length = int(headers.get(b"content-length", b"0"))  # h11 has checked it
    if length > most:
        raise _too_large(port, most)
    return length


def _too_large(port: int, most: int) -> NonsenseError:
    return NonsenseError(f"port {port}: the answer has more than {size(most)}")


@contextlib.asynccontextmanager
async def _forwarded(api: Api, pod: Pod, port: int) -> AsyncIterator[_Forward]:
    """A port-forward to one port of a pod. The library for WebSockets is imported at the first one."""
    from websockets.client import ClientProtocol
    from websockets.datastructures import Headers
    from websockets.exceptions import InvalidHandshake
    from websockets.http11 import Response
    from websockets.protocol import State
    from websockets.typing import Subprotocol
    from websockets.uri import parse_uri

    protocol = ClientProtocol(
        parse_uri("ws://localhost/"),  # Api has made the connection already
        subprotocols=[Subprotocol(_SUBPROTOCOL)],
        state=State.OPEN,
        max_size=FORWARD_FRAME_BYTES,
    )
    headers = {name: value for name, value in protocol.connect().headers.raw_items() if name != "Host"}
    path = f"/api/v1/namespaces/{segment(pod.namespace)}/pods/{segment(pod.name)}/portforward"
    async with api.switched(path, {"ports": str(port)}, headers) as connection:
        try:
            protocol.process_response(Response(101, "Switching Protocols", Headers(connection.headers)))
        except InvalidHandshake as error:
            raise NonsenseError(f"this isn't a WebSocket: {_short(str(error))}") from error
        if protocol.subprotocol != _SUBPROTOCOL:
            raise NonsenseError(f"the API server has no port-forward with {_SUBPROTOCOL}")
        forward = _Forward(connection, protocol, port)
        try:
            yield forward
        finally:
            await forward.close()


class _Forward:
    """One port through a WebSocket. ``ended`` says how the other side ended it, and ``over`` that all was read before."""

    def __init__(self, connection: Switched, protocol: ClientProtocol, port: int) -> None:
        self._connection = connection
        self._protocol = protocol
        self._frames: deque[Frame] = deque()
        self._channel = _DATA
        self._begun: dict[int, bytes] = {_DATA: b"", _ERROR: b""}
        self._until = asyncio.get_running_loop().time() + FORWARD_S
        self.port = port
        self.ended = ""
        self.over = False

    async def send(self, data: bytes) -> None:
        """Send bytes to the port."""
        self._protocol.send_binary(bytes([_DATA]) + data)
        await self._flush()

    async def receive(self) -> bytes:
        """The next bytes from the port; empty at the end. Raises ClusterError."""
        while True:
            while self._frames:
                data = self._data_of(self._frames.popleft())
                if data:
                    return data
            if self.ended:
                self.over = True
                return b""
            await self._read()

    async def pausing(self, work: Awaitable[None]) -> None:
        """Wait for something else. The time that it takes isn't the other side's."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await work
        self._until += loop.time() - began

    async def close(self) -> None:
        """Say goodbye, if the other side can still be told. What follows is closing the connection."""
        from websockets.exceptions import InvalidState

        with contextlib.suppress(ClusterError, InvalidState):
            self._protocol.send_close()
            await self._flush()

    async def _read(self) -> None:
        raw = await self._connection.read()
        if asyncio.get_running_loop().time() > self._until:
            raise ConnectionLostError(f"port {self.port}: the answer took longer than {FORWARD_S:.0f} s")
        if raw:
            self._protocol.receive_data(raw)
        else:
            self._protocol.receive_eof()
            self.ended = ": the connection was interrupted"
        self._frames.extend(cast("list[Frame]", self._protocol.events_received()))
        wrong = self._protocol.parser_exc
        if wrong is not None and not isinstance(wrong, EOFError):
            raise NonsenseError(f"port {self.port}: this isn't a WebSocket: {_short(str(wrong))}") from wrong
        await self._flush()

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:  # nothing stands for the end of what is sent: the connection is closed afterwards
                await self._connection.write(data)

    def _data_of(self, frame: Frame) -> bytes:
        """What a frame has for the data channel. Raises ClusterError for a message on the error channel."""
        from websockets.frames import Opcode

        content = bytes(frame.data)
        match frame.opcode:
            case Opcode.PING | Opcode.PONG:
                return b""
            case Opcode.CLOSE:
                said = _short(content[2:].decode(errors="replace"))
                self.ended = f": the port-forward was closed{f' ({said})' if said else ''}"
                return b""
            case Opcode.BINARY:
                self._channel = _NOT_YET
            case Opcode.CONT:
                pass
            case _:
                self._channel = _NONE
        if self._channel == _NOT_YET:
            if not content and not frame.fin:
                return b""
            self._channel, content = content[0] if content else _NONE, content[1:]
        if self._channel not in self._begun:
            raise NonsenseError(f"port {self.port}: this isn't a port-forward: a message for no channel that was asked for")
        content = self._without_port(content)
        if self._channel == _ERROR and content:
            raise ForwardError(f"port {self.port}: {_short(content.decode(errors='replace')) or 'it cannot be reached'}")
        return content

    def _without_port(self, content: bytes) -> bytes:
        """Take the port's number, two bytes in little endian, from the beginning of a channel."""
        begun = self._begun[self._channel]
        if len(begun) == 2 or not content:
            return content
        missing = 2 - len(begun)
        begun += content[:missing]
        self._begun[self._channel] = begun
        if len(begun) == 2 and int.from_bytes(begun, "little") != self.port:
            raise NonsenseError(
                f"port {self.port}: this isn't a port-forward: it leads to port {int.from_bytes(begun, 'little')}"
            )
        return content[missing:]


def _short(text: str) -> str:
    """Somebody's text in one line, without secrets and not too long."""
    return redact(" ".join(text[: 4 * MESSAGE_CHARS].split()))[:MESSAGE_CHARS]
