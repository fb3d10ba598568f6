"""The gateway's port for clients outside the cluster: 30000, or the next free one."""

from __future__ import annotations

import contextlib
import socket

from meshtui.sandbox import addresses

_NODE_PORTS = range(30000, 32768)
_GUARD_HOST = "127.3.0.2"


class NodePortError(OSError):
    """All node ports of this machine are in use."""


class NodePortClaim:
    """Reserves a port of 127.0.0.1 for this sandbox, so that no other sandbox uses it."""

    def __init__(self) -> None:
        self._guard = socket.socket()
        self.port = next((port for port in _NODE_PORTS if self._take(port)), 0)
        if not self.port:
            msg = "every node port (30000 to 32767) is taken on 127.0.0.1"
            raise NodePortError(msg)

    def close(self) -> None:
        """Release the port."""
        self._guard.close()

    def _take(self, port: int) -> bool:
        if not _is_free(port):
            return False
        if not addresses.LOOPBACK_BLOCK:
            return True
        self._guard.close()
        self._guard = socket.socket()
        with contextlib.suppress(OSError):
            self._guard.bind((_GUARD_HOST, port))
            self._guard.listen(1)
            return True
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Without SO_REUSEADDR, like the door: a port that another sandbox has just released isn't free yet.
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
