"""Small proxies on loopback: HTTP CONNECT and SOCKS5, both by the book, with what they were asked for."""

import asyncio
import contextlib


async def _pump(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Proxy:
    """``asked`` are the hosts and ports that were asked for; every one leads to ``target`` on this machine."""

    def __init__(self, scheme, target):
        self.scheme, self.asked, self.headers = scheme, [], []
        self._target = target

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"{self.scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        try:
            await (self._socks if self.scheme.startswith("socks") else self._connect)(reader, writer)
            upstream = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.gather(_pump(reader, upstream[1]), _pump(upstream[0], writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.close()

    async def _connect(self, reader, writer):
        """RFC 9110, section 9.3.6."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, where, _ = head.split(" ", 2)
        assert method == "CONNECT"
        self.asked.append(where)
        self.headers.append(head)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async def _socks(self, reader, writer):
        """RFC 1928: no authentication, CONNECT to an address or a name."""
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(b"\x05\x00")
        _, command, _, kind = await reader.readexactly(4)
        assert command == 1
        length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        host = await reader.readexactly(length)
        port = int.from_bytes(await reader.readexactly(2))
        name = ".".join(map(str, host)) if kind == 1 else host.decode() if kind == 3 else host.hex()
        self.asked.append(f"{name}:{port}")
        writer.write(b"\x05\x00\x00\x01" + b"\0" * 6)
