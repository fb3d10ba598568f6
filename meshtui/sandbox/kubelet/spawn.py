"""A script that becomes the given command, and ends with its parent.

``spawn.py PARENT_PID COMMAND ARG…``: on Linux the kernel kills this process when its parent dies (kill -9 included). It uses
only the standard library, and is started with ``-I -S``, so that it takes a few milliseconds and no memory.
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
NOT_FOUND = 127
NOT_EXECUTABLE = 126


def main(argv: list[str]) -> int:
    """Ask the kernel to end this process with its parent, then exec. Returns only if that fails."""
    parent, command = int(argv[1]), argv[2:]
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return 1  # the parent died before prctl was called
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except FileNotFoundError:
        sys.stderr.write(f"{command[0]}: not found\n")
        return NOT_FOUND
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return NOT_EXECUTABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv))
