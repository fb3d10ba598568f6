"""Streaming answers: watches and followed logs, which end with the client, the server, or a fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.types import Receive, Scope, Send


class StreamCut(Exception):  # noqa: N818 - it is not an error of ours: a fault was asked for
    """The connection is to be broken."""


class Streams:
    """The open streams."""

    def __init__(self) -> None:
        self._open: set[ByteStream] = set()

    def open(self, chunks: AsyncIterator[bytes], media_type: str) -> ByteStream:
        """A response that sends ``chunks`` until they end or the client disconnects."""
        return ByteStream(self._open, chunks, media_type)

    def cut(self) -> None:
        """Break every stream."""
        for stream in list(self._open):
            stream.stop(abruptly=True)

    def end(self) -> None:
        """End every stream with a last chunk."""
        for stream in list(self._open):
            stream.stop(abruptly=False)


class ByteStream:
    """One streaming response (an ASGI application)."""

    def __init__(self, registry: set[ByteStream], chunks: AsyncIterator[bytes], media_type: str) -> None:
        self._registry = registry
        self._chunks = chunks
        self._media_type = media_type
        self._pump: asyncio.Task[None] | None = None
        self._abruptly = False

    def stop(self, *, abruptly: bool) -> None:
        """End the stream: with a last chunk, or by breaking the connection."""
        self._abruptly = abruptly
        if self._pump:
            self._pump.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the chunks end, or the client or the server closes."""
        del scope
        headers = [(b"content-type", self._media_type.encode()), (b"cache-control", b"no-cache, private")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        self._pump = asyncio.create_task(self._send_all(send))
        gone = asyncio.create_task(_disconnected(receive))
        self._registry.add(self)
        try:
            await asyncio.wait({self._pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._registry.discard(self)
            self._pump.cancel()
            gone.cancel()
            await asyncio.gather(self._pump, gone, return_exceptions=True)
        if self._abruptly:
            raise StreamCut
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        async for chunk in self._chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
