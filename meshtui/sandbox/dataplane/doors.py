"""Doors: the TCP addresses of the data plane, open only to the sandbox's own processes.

Envoy itself listens only on Unix sockets in a private folder. A door accepts TCP for one of them, asks the kernel which process
has the other end, and relays connections of the sandbox's users. Other connections are closed before a byte is read, and aren't
logged. The original addresses are sent in a PROXY header.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from meshtui.sandbox.dataplane.peers import Address, Holder, holder_of

log = logging.getLogger(__name__)

_CHUNK = 65536
_LAST_WORDS_S = 2.0
"""For how long a client may still send after its server has ended, in seconds."""

Admits = Callable[[Address], bool]


@dataclass(slots=True)
class _Door:
    """One bound TCP socket. ``server`` accepts on it once its Envoy listener exists."""

    bound: socket.socket
    address: Address
    guests: frozenset[int] = frozenset()
    pipe: Path | None = None
    server: asyncio.Server | None = None


class Doors:
    """All doors of one data plane.

    ``uids``: the users whose processes are admitted. ``admits`` checks the client's address: another sandbox of the same user
    has pods at its own addresses.
    """

    def __init__(
        self,
        folder: Path,
        uids: frozenset[int],
        admits: Admits = lambda _: True,
        ask: Callable[[Address, Address], Holder | None] = holder_of,
    ) -> None:
        self._folder = folder
        self._uids = uids
        self._admits = admits
        self._ask = ask
        self._doors: dict[str, _Door] = {}
        self._reserved: set[str] = set()
        self._said: set[str] = set()
        self._relays: set[asyncio.Task[None]] = set()
        self._through: dict[object, tuple[str, Address]] = {}
        self.turned_away = 0
        """How many connections of other users were closed."""

    def connections(self) -> list[tuple[str, Address]]:
        """Every open connection: its door, and the client's address."""
        return list(self._through.values())

    def pipe(self, listener: str) -> Path:
        """The Unix socket of an Envoy listener."""
        return self._folder / hashlib.blake2s(listener.encode(), digest_size=8).hexdigest()

    def reserve(self, name: str, host: str, port: int = 0, guests: frozenset[int] = frozenset()) -> Address | None:
        """Reserve the address of a door, and return it; it accepts after ``publish``. The same name keeps its address.

        ``guests`` are users who are admitted by this door only. Returns None if another program has that address; then nothing
        may be sent there.
        """
        self._reserved.add(name)
        door = self._doors.get(name)
        if door is not None and door.address[0] == host and port in {0, door.address[1]}:
            return door.address
        if door is not None:
            self._close(self._doors.pop(name))
        bound = socket.socket()
        try:
            # Not SO_REUSEADDR: until it listens, another user could bind a socket to the same address.
            bound.bind((host, port))
            bound.setblocking(False)
        except OSError as error:
            bound.close()
            self._say(f"{host}:{port} belongs to another program: nothing is sent there ({error.strerror})")
            return None
        self._doors[name] = _Door(bound, bound.getsockname(), guests)
        return self._doors[name].address

    async def publish(self, listeners: Mapping[str, str]) -> None:
        """Open the doors in ``listeners`` (door → Envoy listener), and close those that were not reserved since the last call."""
        for name in set(self._doors) - self._reserved:
            self._close(self._doors.pop(name))
        self._reserved.clear()
        for name, door in self._doors.items():
            listener = listeners.get(name)
            door.pipe = None if listener is None else self.pipe(listener)
            if door.pipe is not None and door.server is None:
                await self._open(name, door)

    async def close(self) -> None:
        """Close all doors and open connections."""
        for door in self._doors.values():
            self._close(door)
        self._doors.clear()
        relays = list(self._relays)
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)

    async def _open(self, name: str, door: _Door) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                self._relays.add(task)
                task.add_done_callback(self._relays.discard)
            try:
                await self._serve(name, door, reader, writer)
            finally:
                if not writer.is_closing():
                    writer.transport.abort()

        try:
            door.server = await asyncio.start_server(serve, sock=door.bound, limit=_CHUNK, backlog=256)
        except OSError as error:
            self._say(f"{door.address[0]}:{door.address[1]} can't be listened on: {error.strerror}")

    def _close(self, door: _Door) -> None:
        """Accept no more connections. Existing ones end when Envoy closes them."""
        if door.server is not None:
            door.server.close()
        door.bound.close()

    async def _serve(self, name: str, door: _Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer: Address = writer.get_extra_info("peername")[:2]
        ours: Address = writer.get_extra_info("sockname")[:2]
        if door.pipe is None or not self._is_ours(door, peer, ours, writer):
            return
        try:
            inner_reader, inner_writer = await asyncio.open_unix_connection(str(door.pipe), limit=_CHUNK)
        except OSError:  # Envoy is restarting
            return
        inner_writer.write(f"PROXY TCP4 {peer[0]} {ours[0]} {peer[1]} {ours[1]}\r\n".encode())
        self._through[writer] = (name, peer)
        try:
            await _relay(reader, writer, inner_reader, inner_writer)
        finally:
            del self._through[writer]
            inner_writer.close()

    def _is_ours(self, door: _Door, peer: Address, ours: Address, writer: asyncio.StreamWriter) -> bool:
        holder = self._ask(peer, ours)
        connection: socket.socket = writer.get_extra_info("socket")
        try:
            connection.getpeername()  # the answer is about this connection only if that still stands
        except OSError:
            return False
        if holder is not None and holder.uid in self._uids | door.guests and self._admits(peer):
            return True
        self.turned_away += 1
        who = "a process that has gone" if holder is None else f"a process of user {holder.uid}"
        self._say(f"{who} tried to speak as a pod, or to one, and was turned away")
        return False

    def _say(self, message: str) -> None:
        """Print each message once, so that another user can't fill the log."""
        if message not in self._said and len(self._said) < 100:
            self._said.add(message)
            log.warning("%s", message)


async def _relay(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    inner_reader: asyncio.StreamReader,
    inner_writer: asyncio.StreamWriter,
) -> None:
    """Relay data in both directions until the server has ended, or either end has failed."""
    up = asyncio.create_task(_pump(reader, inner_writer))
    down = asyncio.create_task(_pump(inner_reader, writer))
    try:
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        if up.done() and up.exception() is None:
            await asyncio.wait({down})
        elif down.done() and down.exception() is None:
            await asyncio.wait({up}, timeout=_LAST_WORDS_S)
        if down.done() and down.exception() is None:
            writer.close()
    finally:
        for task in (up, down):
            task.cancel()
        await asyncio.gather(up, down, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        target.write(data)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()
