"""Creates files that only their owner may read, for data from a cluster."""

from __future__ import annotations

import os


def private(path: str, flags: int) -> int:
    """An ``opener`` for ``open``: a new file gets mode 0600; an existing file keeps its mode."""
    return os.open(path, flags, 0o600)
