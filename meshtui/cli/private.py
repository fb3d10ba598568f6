"""Files that meshtui writes hold what it saw of a cluster: they are their owner's alone."""

from __future__ import annotations

import os


def private(path: str, flags: int) -> int:
    """An ``opener`` for ``open``: a new file gets mode 0600; one that is there keeps its own."""
    return os.open(path, flags, 0o600)
