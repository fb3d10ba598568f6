"""An address that never answers: a listening socket with a full queue, so that the kernel drops every SYN."""

from __future__ import annotations

import contextlib
import socket

from meshtui.sandbox import addresses

_FILLERS = 4


class BlackHole:
    """The destination of connections that a NetworkPolicy drops."""

    def __init__(self) -> None:
        host = "127.3.0.1" if addresses.LOOPBACK_BLOCK else "127.0.0.1"
        self._listener = socket.socket()
        self._listener.bind((host, 0))
        self._listener.listen(0)
        self.address: tuple[str, int] = self._listener.getsockname()
        self._fillers = [self._filler() for _ in range(_FILLERS)]

    def _filler(self) -> socket.socket:
        filler = socket.socket()
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            filler.connect(self.address)
        return filler

    def close(self) -> None:
        """Close the sockets."""
        for each in (*self._fillers, self._listener):
            each.close()
