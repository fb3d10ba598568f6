"""An unexpected error, for a person: one line, and a report file without secrets that says where to send it."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime

from platformdirs import user_state_path

from meshtui.sources.redact import redact


def report_unexpected(error: BaseException, argv: Sequence[str]) -> str:
    """Write a report (mode 0600, in the user's state folder); the one line to print, also where it can't be written."""
    kind = type(error).__name__
    text = "".join(traceback.format_exception(error))
    path = user_state_path("meshtui") / f"report-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(redact(f"meshtui {' '.join(argv)}\n\n{text}"))
    except OSError as problem:
        return f"meshtui: an error in meshtui: {kind} (no report: {problem.strerror})"
    return f"meshtui: an error in meshtui: {kind} (please report it with {path})"
