"""The delay before the next retry: doubled after each failure, with jitter, as in client-go's reflectors."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_S, LONGEST_S = 0.8, 30.0
FORGIVEN_AFTER_S = 120.0
"""After this long without a failure, the delay starts again at its minimum."""


class Backoff:
    """The delays between retries of one operation. ``clock`` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float], *, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self._clock = clock
        self._first_s, self._longest_s = first_s, longest_s
        self._step_s = first_s
        self._last: float | None = None

    def next_s(self) -> float:
        """The delay before the next retry: between half and all of the current step. The next step is twice as long."""
        now = self._clock()
        if self._last is not None and now - self._last > FORGIVEN_AFTER_S:
            self._step_s = self._first_s
        wait_s = self._step_s * random.uniform(0.5, 1.0)  # noqa: S311  (jitter)
        self._last = now + wait_s
        self._step_s = min(self._step_s * 2, self._longest_s)
        return wait_s

    def succeeded(self) -> None:
        """Note that the operation succeeded for a while, so that the delay starts again at its minimum."""
        self._step_s = self._first_s
