"""Determines which user's process has the other end of a loopback connection, by asking the kernel.

On Linux with netlink (``sock_diag``), or ``/proc/net/tcp`` where netlink isn't available; elsewhere with ``lsof``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

Address = tuple[str, int]

_NETLINK_SOCK_DIAG = 4
_BY_FAMILY = 20
_REQUEST = 1
_ERROR = 2
_NO_COOKIE = 0xFFFFFFFF
_ALL_STATES = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBxI")
_SOCKET = struct.Struct("!HH16s16sIII")
_ANSWER_ROW = struct.Struct("=BBBB")
_ANSWER_END = struct.Struct("=IIIII")
_LSOF_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Holder:
    """The socket at the other end. ``inode`` 0 means that no process has it open any more."""

    uid: int
    inode: int


def holder_of(peer: Address, ours: Address) -> Holder | None:
    """The owner of the client's socket of the connection ``peer`` → ``ours`` (IPv4); None if it can't be determined.

    A socket that its process has closed has no owner, whatever user the kernel reports for it.
    """
    if not sys.platform.startswith("linux"):
        return _ask_lsof(peer, ours)
    try:
        found = _ask_netlink(peer, ours)
    except OSError:
        found = _read_proc(peer, ours)
    return found if found and found.inode else None


def _packed(address: Address) -> bytes:
    return socket.inet_aton(address[0]).ljust(16, b"\0")


def _ask_netlink(peer: Address, ours: Address) -> Holder | None:
    """Ask for exactly this socket. Raises OSError if netlink can't be used."""
    wanted = _SOCKET.pack(peer[1], ours[1], _packed(peer), _packed(ours), 0, _NO_COOKIE, _NO_COOKIE)
    body = _QUESTION.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, _ALL_STATES) + wanted
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(1)
        kernel.send(_HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, 1, 0) + body)
        answer = kernel.recv(4096)
    _, kind, *_ = _HEADER.unpack_from(answer)
    if kind == _ERROR:
        (code,) = struct.unpack_from("=i", answer, _HEADER.size)
        if -code in {_ENOENT, _ENXIO}:
            return None
        raise OSError(-code, os.strerror(-code))
    return _read_answer(answer[_HEADER.size :], wanted)


_ENOENT, _ENXIO = 2, 6


def _read_answer(message: bytes, wanted: bytes) -> Holder | None:
    named = slice(_ANSWER_ROW.size, _ANSWER_ROW.size + _SOCKET.size)
    addresses = 36  # two ports and two addresses; what follows names the interface and the socket's cookie
    if message[named][:addresses] != wanted[:addresses]:
        return None  # the kernel fell back to a listening socket
    *_, uid, inode = _ANSWER_END.unpack_from(message, named.stop)
    return Holder(uid, inode)


def _read_proc(peer: Address, ours: Address) -> Holder | None:
    local, remote = _as_proc(peer), _as_proc(ours)
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1] == local and fields[2] == remote:
                return Holder(int(fields[7]), int(fields[9]))
    return None


def _as_proc(address: Address) -> str:
    (number,) = struct.unpack("=I", socket.inet_aton(address[0]))
    return f"{number:08X}:{address[1]:04X}"


def _ask_lsof(peer: Address, ours: Address) -> Holder | None:
    """Search the sockets of our own user, the only ones that are visible without root."""
    lsof = shutil.which("lsof", path=f"/usr/sbin:{os.environ.get('PATH', os.defpath)}")
    if lsof is None:
        return None
    command = [lsof, "-nP", "-a", "-u", str(os.getuid()), f"-iTCP:{peer[1]}", "-Fn"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LSOF_TIMEOUT_S)
        if f"n{peer[0]}:{peer[1]}->{ours[0]}:{ours[1]}" in done.stdout.splitlines():
            return Holder(os.getuid(), inode=1)
    return None
