"""HTTP on a pair of connected sockets: nobody but the two ends can reach it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import h11

from meshtui.sandbox.ports import Streams

_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a request."""

    code: int
    body: bytes = b""
    media_type: str = "text/plain"

    @staticmethod
    def of(value: object) -> Answer:
        """JSON."""
        return Answer(200, json.dumps(value, indent=2, ensure_ascii=False).encode(), "application/json")


Handler = Callable[[str, str], Answer]
"""Method and path (without the query) → answer."""


class Connections:
    """The open connections to handlers."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, handler: Handler) -> Streams:
        """Return the client's end of a new connection to a handler."""
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        task = asyncio.create_task(_ending(_serve(reader, writer, handler), writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.open_connection(sock=theirs)

    async def close(self) -> None:
        """Close all connections."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _ending(serving: Awaitable[None], writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(OSError, h11.RemoteProtocolError):
            await serving
    finally:
        writer.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    connection = h11.Connection(h11.SERVER)
    request: h11.Request | None = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            answer = handler(request.method.decode(), request.target.decode("latin-1").partition("?")[0])
            headers = [("content-type", answer.media_type), ("content-length", str(len(answer.body)))]
            body = b"" if request.method == b"HEAD" else answer.body
            for part in (h11.Response(status_code=answer.code, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
                writer.write(connection.send(part) or b"")
            await writer.drain()
            if connection.our_state is h11.MUST_CLOSE:
                return
            connection.start_next_cycle()
        elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
            return
