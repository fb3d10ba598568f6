"""Allocates the addresses of the sandbox's pods.

On Linux every address of 127.0.0.0/8 belongs to the machine: a pod gets 127.1.x.y, and its outbound listeners 127.2.x.y. If
only 127.0.0.1 exists (macOS), such an address is only the pod's name in the cluster, and it is represented by ports of
127.0.0.1 (see `listen_at`). Each sandbox claims whole blocks 127.1.x.0/24, reserved by a bound socket, so that several
sandboxes can run on one machine.
"""

from __future__ import annotations

import os
import socket
import sys
from collections import deque

from meshtui.sandbox.ports import POD_PREFIX
from meshtui.sandbox.user import is_free

OUTBOUND_PREFIX = "127.2"
"""Prefix of the addresses of a pod's outbound listeners; the rest is that of the pod's address."""

_GUARD_PORT = 15999
_FIRST_UNPRIVILEGED_PORT = 1024
_PRIVILEGED_SHIFT = 18000

LOOPBACK_BLOCK = sys.platform.startswith("linux")
"""Whether all of 127.0.0.0/8 can be bound."""


class AddressesExhaustedError(OSError):
    """No block of loopback addresses is free."""


class AddressPool:
    """Hands out pod addresses from blocks that no other sandbox on this machine uses."""

    def __init__(self) -> None:
        self._guards: list[socket.socket] = []
        self._blocks: list[int] = []
        self._free: deque[str] = deque()
        self._by_uid: dict[str, str] = {}
        self._stand_ins: dict[tuple[str, int], int] = {}

    def allocate(self, uid: str) -> str:
        """Return the pod's address; the same uid always gets the same one until it is released."""
        if uid not in self._by_uid:
            if not self._free:
                self._claim_block()
            self._by_uid[uid] = self._free.popleft()
        return self._by_uid[uid]

    def release(self, uid: str) -> None:
        """Release an address. Released addresses are reused last."""
        address = self._by_uid.pop(uid, None)
        if address is not None:
            self._free.append(address)
            ends = {address, outbound_address(address)}
            for key in [key for key in self._stand_ins if key[0] in ends]:
                del self._stand_ins[key]

    def claim(self) -> int:
        """Return the number of the first block, and claim it if there is none yet."""
        if not self._blocks:
            self._claim_block()
        return self._blocks[0]

    def is_foreign(self, address: str) -> bool:
        """Whether an address belongs to a pod of another sandbox."""
        prefix, _, _ = address.rpartition(".")
        start, _, block = prefix.rpartition(".")
        return LOOPBACK_BLOCK and start == POD_PREFIX and int(block) not in self._blocks

    def listen_at(self, address: str, port: int) -> tuple[str, int]:
        """Return the real address of a listener for ``address:port``."""
        if LOOPBACK_BLOCK:
            return address, unprivileged(port)
        key = (address, port)
        if key not in self._stand_ins:
            self._stand_ins[key] = _free_port()
        return "127.0.0.1", self._stand_ins[key]

    def _claim_block(self) -> None:
        start = os.getpid() % 250
        for offset in range(250):
            block = (start + offset) % 250
            guard = _guard(block)
            if guard is not None and not is_free(block):
                guard.close()
            elif guard is not None:
                self._guards.append(guard)
                self._blocks.append(block)
                self._free.extend(f"{POD_PREFIX}.{block}.{host}" for host in range(1, 255))
                return
        msg = f"every block {POD_PREFIX}.x.0/24 is taken by another sandbox on this machine"
        raise AddressesExhaustedError(msg)


def _guard(block: int) -> socket.socket | None:
    """Reserve a block for the life of this process; None if another sandbox has it."""
    guard = socket.socket()
    address = (f"{POD_PREFIX}.{block}.0", _GUARD_PORT) if LOOPBACK_BLOCK else ("127.0.0.1", _GUARD_PORT + block)
    try:
        guard.bind(address)
        guard.listen(1)
    except OSError:
        guard.close()
        return None
    return guard


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def unprivileged(port: int) -> int:
    """Return the port itself, or a substitute if it needs root."""
    return port if port >= _FIRST_UNPRIVILEGED_PORT else port + _PRIVILEGED_SHIFT


def outbound_address(pod_address: str) -> str:
    """Return the address of the pod's outbound listeners."""
    return OUTBOUND_PREFIX + pod_address.removeprefix(POD_PREFIX)


def source_address(pod_address: str) -> str | None:
    """Return the address to which a pod's client sockets are bound; None if only 127.0.0.1 exists."""
    return pod_address if LOOPBACK_BLOCK else None


_POOL = AddressPool()


def claim_block() -> int:
    """Return the number of this process's first block of addresses, which no other sandbox on this machine has."""
    return _POOL.claim()


def is_foreign(address: str) -> bool:
    """Whether an address belongs to a pod of another sandbox."""
    return _POOL.is_foreign(address)


def allocate_pod_address(uid: str) -> str:
    """Return the address of the pod with this uid, from this process's pool."""
    return _POOL.allocate(uid)


def release_pod_address(uid: str) -> None:
    """Release the address of a pod."""
    _POOL.release(uid)


def listen_at(address: str, port: int) -> tuple[str, int]:
    """Return the real address of a listener for ``address:port`` (see `AddressPool.listen_at`)."""
    return _POOL.listen_at(address, port)
