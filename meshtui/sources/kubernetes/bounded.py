"""Reads answers within limits on decompressed bytes, and on the length and duration of a line."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from meshtui.model.errors import ClusterError
from meshtui.sources.kubernetes.limits import INFLATION, LOG_LINE_BYTES, MIB, size

if TYPE_CHECKING:
    import httpx


class NonsenseError(ClusterError):
    """The answer isn't one of an API server: another format, or larger than an API server's answers are."""


class ConnectionLostError(ClusterError):
    """There is no answer, or the connection was interrupted."""


async def read_body(response: httpx.Response, limit: int) -> bytes:
    """The whole body, decompressed, of at most ``limit`` bytes. Raises NonsenseError and the exceptions of httpx."""
    inflate = _inflater(response)
    if _declared(response) > limit:
        raise _too_large(limit)
    body, received = bytearray(), 0
    async for chunk in response.aiter_raw():
        received += len(chunk)
        for part in inflate.parts(chunk) if inflate else (chunk,):
            body += part
            if len(body) > limit:
                raise _too_large(limit)
            if len(body) > MIB and len(body) > INFLATION * received:
                raise NonsenseError(f"the answer grows to more than {INFLATION} times its size when it is decompressed")
    if inflate and received and not inflate.whole:
        raise ConnectionLostError("the compressed answer ends in its middle")
    return bytes(body)


async def read_start(response: httpx.Response, limit: int) -> bytes:
    """The beginning of an error's body, up to a limit. Parts that can't be decompressed are left out."""
    body = bytearray()
    try:
        inflate = _inflater(response)
        async for chunk in response.aiter_raw():
            for part in inflate.parts(chunk) if inflate else (chunk,):
                body += part
                if len(body) >= limit:
                    return bytes(body[:limit])
    except NonsenseError:
        return b""
    return bytes(body)


def _too_large(limit: int) -> NonsenseError:
    return NonsenseError(f"the answer has more than {size(limit)}: an API server sends no such thing")


def _declared(response: httpx.Response) -> int:
    given = response.headers.get("Content-Length", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 20 else 0


class _Inflater:
    """Decompresses one gzip stream in limited parts."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)

    @property
    def whole(self) -> bool:
        """Whether the end of the stream was reached."""
        return self._stream.eof

    def parts(self, chunk: bytes) -> Iterator[bytes]:
        """The decompressed content of a chunk, in parts of at most 1 MiB. Raises NonsenseError."""
        while not self.whole:
            try:
                part = self._stream.decompress(chunk, MIB)
            except zlib.error as error:
                raise NonsenseError(f"the answer can't be decompressed: {error}") from error
            yield part
            chunk = self._stream.unconsumed_tail
            if not chunk and len(part) < MIB:
                return


def _inflater(response: httpx.Response) -> _Inflater | None:
    """The decompressor for an answer. Raises NonsenseError for an encoding that wasn't requested."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return None
    if encoding not in {"gzip", "x-gzip"}:
        raise NonsenseError(f"the answer is compressed in a way that nobody asked for: {encoding[:40]!r}")
    return _Inflater()


class Streamed:
    """An answer that is read as a stream."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._compressed = _inflater(response) is not None

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """The parts of the body. Raises NonsenseError for a compressed answer, since none was requested."""
        if self._compressed:
            raise NonsenseError("the answer is compressed, and nobody asked for that")
        async for chunk in self._response.aiter_raw():
            yield chunk

    async def aiter_lines(self) -> AsyncIterator[str]:
        """Lines of text. Only newlines separate lines; a line that is too long is split."""
        pending = bytearray()
        async for chunk in self.aiter_bytes():
            pending += chunk
            *complete, rest = pending.split(b"\n")
            pending = bytearray(rest)
            if len(pending) > LOG_LINE_BYTES:
                complete, pending = [*complete, pending], bytearray()
            for line in complete:
                yield _text(line)
        if pending:
            yield _text(pending)


def _text(line: bytes | bytearray) -> str:
    return line.removesuffix(b"\r").decode(errors="replace")


async def events(chunks: AsyncIterator[bytes], limit: int, line_s: float) -> AsyncIterator[bytes]:
    """The lines of a watch.

    Only newlines separate events, whatever characters their strings contain. ``limit`` is in bytes; a line has to be complete
    within ``line_s`` seconds of its first byte. Raises NonsenseError, ConnectionLostError.
    """
    loop = asyncio.get_running_loop()
    pending, began = bytearray(), 0.0
    while True:
        left_s = began + line_s - loop.time() if pending else None
        try:
            async with asyncio.timeout(left_s):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            break
        except TimeoutError as error:
            raise ConnectionLostError(f"a watch event took longer than {line_s:.0f} s") from error
        began = began if pending else loop.time()
        end = chunk.rfind(b"\n")
        if end >= 0:
            pending += chunk[:end]
            lines, pending, began = pending.split(b"\n"), bytearray(chunk[end + 1 :]), loop.time()
        else:
            lines = []
            pending += chunk
        if len(pending) > limit or any(len(line) > limit for line in lines):
            raise NonsenseError(f"a watch event has more than {size(limit)}: an API server sends no such thing")
        for line in lines:
            if line.strip():
                yield bytes(line)
    if pending.strip():
        yield bytes(pending)  # API servers end every line, so decoding this one will fail
