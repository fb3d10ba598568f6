"""The confirmation before a change."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from meshtui.model.errors import ReadOnlyError, UsageError
from meshtui.model.plain import clean
from meshtui.sources.kubernetes.writes import Confirmation


def confirmed(lines: Sequence[str], read_only: str, *, yes: bool) -> Confirmation:
    """Ask on the terminal, unless ``--yes``.

    Raises ReadOnlyError in read-only mode or after a no, and UsageError if there is no terminal.
    """
    if read_only:
        raise ReadOnlyError(f"nothing is changed: {read_only}")
    if yes:
        return Confirmation("--yes")
    sys.stderr.write("".join(f"{clean(line)}\n" for line in lines))
    if not sys.stdin.isatty():
        raise UsageError("this needs a confirmation, and there is no terminal to ask on", "give --yes")
    sys.stderr.write("Go on? [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline().strip().lower()
    if answer not in {"y", "yes"}:
        raise ReadOnlyError("nothing is changed: you said no")
    return Confirmation("answered on the terminal")
