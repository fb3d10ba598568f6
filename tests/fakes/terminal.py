"""A program in a pseudo-terminal: what it draws, keys to it, and whether it leaves processes behind."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_S = 60.0


class Terminal:
    """Runs a command in a terminal of 120×40. Whatever it starts inherits a mark in its environment, by which it is found."""

    def __init__(self, command: list[str], *, cwd: Path, home: Path, env: dict[str, str] | None = None) -> None:
        self.mark = f"TEST_MARK_OF_MESHTUI={os.getpid()}-{time.monotonic_ns()}"
        self.output = b""
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            **dict([self.mark.split("=")]),
            **(env or {}),
        }
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(command[0], command, self._environment)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End what still runs."""
        if self.alive():
            os.kill(self.pid, signal.SIGTERM)
            self.wait()
        os.close(self._fd)

    def alive(self) -> bool:
        """Whether the command still runs."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False

    def _read(self, seconds: float) -> bool:
        if not select.select([self._fd], [], [], seconds)[0]:
            return False
        try:
            chunk = os.read(self._fd, 65536)
        except OSError:
            return False
        self.output += chunk
        return bool(chunk)

    def wait_for(self, text: str) -> None:
        """Read until some text was drawn. Raises AssertionError."""
        end = time.monotonic() + PATIENCE_S
        while text.encode() not in self.output:
            self._read(0.2)
            assert time.monotonic() < end, self.output[-3000:].decode(errors="replace")
            assert self.alive() or self._read(0.1), self.output[-3000:].decode(errors="replace")

    def send(self, keys: str) -> None:
        """Press keys."""
        os.write(self._fd, keys.encode())

    def hang_up(self) -> None:
        """Close the terminal."""
        os.close(self._fd)

    def wait(self) -> int:
        """Read until it ends; its exit code."""
        end = time.monotonic() + PATIENCE_S
        while self.alive():
            self._read(0.1)
            assert time.monotonic() < end, "it does not end"
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def children_left(self) -> list[str]:
        """The commands of processes that carry our mark and still run."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found
