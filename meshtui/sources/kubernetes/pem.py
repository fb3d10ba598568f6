"""Certificates and keys of a kubeconfig, as files or as content.

The kubernetes client writes content to temporary files, which stay on disk if the program is killed, private keys included. Here
content stays in memory.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Content:
    """The text of certificates or of a key. It isn't part of the ``repr``."""

    pem: bytes = field(repr=False)


Pem = str | Content
"""The path of a file, which may be renewed while the program runs, or the content itself."""


def pem_of(entry: Mapping[str, object], name: str, folder: str) -> Pem | None:
    """What a cluster or a user of a kubeconfig has as ``NAME-data`` (base64), else as ``NAME``, a path relative to ``folder``.

    As in client-go, data takes precedence. Raises ValueError for data that isn't base64.
    """
    if data := entry.get(f"{name}-data"):
        return Content(base64.standard_b64decode(str(data)))
    path = entry.get(name)
    return os.path.normpath(Path(folder, str(path))) if path else None


def stamp(pem: Pem | None) -> tuple[str, int, int]:
    """Changes when a file is written or replaced, and when content does: the path, the time in ns and the inode; or a hash."""
    if pem is None:
        return "", 0, 0
    if isinstance(pem, Content):
        return hashlib.sha256(pem.pem).hexdigest(), 0, 0
    try:
        state = Path(pem).stat()
    except OSError:
        return pem, 0, 0
    return pem, state.st_mtime_ns, state.st_ino


@contextlib.contextmanager
def as_path(pem: Pem) -> Iterator[str]:
    """A path that OpenSSL can read during the block. Raises OSError.

    Content is read from memory (memfd_create(2), through /proc); where the system doesn't have that, from a temporary file
    (mode 0600) that is deleted at the end of the block.
    """
    if isinstance(pem, str):
        yield pem
        return
    with contextlib.ExitStack() as stack:
        path = _in_memory(stack, pem.pem)
        if path is None:
            file = stack.enter_context(tempfile.NamedTemporaryFile())
            file.write(pem.pem)
            file.flush()
            path = file.name
        yield path


def _in_memory(stack: contextlib.ExitStack, content: bytes) -> str | None:
    if not hasattr(os, "memfd_create"):
        return None
    try:
        descriptor = os.memfd_create("pem")
    except OSError:
        return None
    stack.callback(os.close, descriptor)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    path = f"/proc/self/fd/{descriptor}"
    return path if os.access(path, os.R_OK) else None
