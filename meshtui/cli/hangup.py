"""What happens when the terminal closes: output is dropped, the program cleans up and ends, even without a signal."""

from __future__ import annotations

import os
import select
import signal
import threading
import time

_STREAMS = (0, 1, 2)
_GRACE_S = 15.0
"""Time to clean up after the terminal has closed. It is longer than ending a probe takes."""


def let_go() -> None:
    """Replace the standard streams whose terminal has closed by the null device.

    Otherwise Textual's thread for output ends at its first write, and the next writes block without an end.
    """
    gone = [stream for stream in _STREAMS if _has_hung_up(stream)]
    if gone:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in gone:
            os.dup2(null, stream)
        os.close(null)


def watch() -> None:
    """End the program when the terminal on standard input closes.

    SIGHUP is only sent to the leader of the terminal's session: make, for example, doesn't pass it on.
    """
    threading.Thread(target=_wait_and_end, name="hangup", daemon=True).start()


def _wait_and_end() -> None:
    events = select.poll()
    events.register(0, 0)
    while not any(found & select.POLLHUP for _, found in events.poll()):
        time.sleep(1)  # another error of the stream
    let_go()
    os.kill(os.getpid(), signal.SIGHUP)
    time.sleep(_GRACE_S)
    os._exit(128 + signal.SIGHUP)


def _has_hung_up(stream: int) -> bool:
    events = select.poll()
    events.register(stream, 0)
    return any(found & select.POLLHUP for _, found in events.poll(0))
