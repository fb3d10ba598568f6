"""Run a demo in a terminal of its own until a service of the bookstore is seen, then leave it.

``python -m tests.demo_screen make demo`` exits with the demo's own code, or 1 with what was on the screen when nothing came.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import sys
import time

SEEN = b"ecom-service"
WITHIN_S = 90.0
LEAVES_WITHIN_S = 30.0
_CONTROL = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|[\x00-\x08\x0e-\x1f]")


def main(command: list[str]) -> int:
    """Run the command; see above."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"TERM": "xterm-256color", "COLUMNS": "160", "LINES": "48"}
        os.execvp(command[0], command)
    began = time.monotonic()
    screen = _read(terminal, began + WITHIN_S, SEEN)
    if SEEN not in screen:
        os.kill(pid, signal.SIGKILL)
        sys.stdout.write(_CONTROL.sub(b" ", screen)[-3000:].decode(errors="replace") + "\n")
        return 1
    sys.stdout.write(f"seen after {time.monotonic() - began:.1f} s\n")
    os.write(terminal, b"\x11")
    _read(terminal, time.monotonic() + LEAVES_WITHIN_S, None)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _read(terminal: int, deadline: float, wanted: bytes | None) -> bytes:
    """What the terminal shows until it shows ``wanted``, or ends."""
    seen = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while time.monotonic() < deadline and (wanted is None or wanted not in seen):
            if select.select([terminal], [], [], 0.2)[0]:
                chunk = os.read(terminal, 65536)
                if not chunk:
                    break
                seen += chunk
    return seen


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
