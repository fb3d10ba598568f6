"""Saves what is shown as a file in the state folder, as only its user may read it."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from meshtui.ui.text import clean

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 80


def table_text(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as CSV (RFC 4180) with a header. A cell that a spreadsheet would take for a formula gets an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(titles)
    writer.writerows([[_harmless(clean(cell)) for cell in row] for row in rows])
    return buffer.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell[:1] in {"=", "+", "@"} or (cell[:1] == "-" and len(cell) > 1) else cell


def saved(text: str, name: str, suffix: str, now: datetime) -> Path:
    """Write a new file ``NAME-TIME.SUFFIX`` and return its path. Raises OSError."""
    from platformdirs import user_state_path

    folder = user_state_path("meshtui") / "saved"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stem = _NOT_IN_NAMES.sub("-", name).strip("-.")[:_LONGEST] or "view"
    for number in range(1, 1000):
        more = "" if number == 1 else f"-{number}"
        path = folder / f"{stem}-{now:%Y%m%d-%H%M%S}{more}.{suffix}"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return path
    raise FileExistsError(f"{folder} has too many files of this second")
