"""The user of the sandbox's processes, and their files.

If an ordinary user starts the sandbox, everything runs as that user. If root starts it, nothing that the sandbox starts runs as
root: pods, PostgreSQL and Envoy get a user and group id that nothing else on this machine has, one for each sandbox. Folders
that root writes to are never writable by that user, so that no name in them can be replaced by a link.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FIRST_UID = 60600
"""An id between the ranges that distributions assign to people and those of systemd."""


@dataclass(frozen=True, slots=True)
class User:
    """A user and group that only the sandbox uses."""

    uid: int
    gid: int


def as_user(user: User | None) -> Mapping[str, Any]:
    """Arguments for ``subprocess`` that start a program as ``user`` (None: as ourselves)."""
    return {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}


def user_of(block: int) -> User | None:
    """The user of a block of addresses; None if we aren't root, and everything runs as ourselves."""
    return User(_FIRST_UID + block, _FIRST_UID + block) if os.geteuid() == 0 else None


def is_free(block: int) -> bool:
    """Whether no other process or user on this machine has the id of a block's user."""
    user = user_of(block)
    return user is None or not (_is_known(user.uid) or _has_process(user.uid))


def _is_known(uid: int) -> bool:
    import grp
    import pwd

    with contextlib.suppress(KeyError):
        pwd.getpwuid(uid)
        return True
    with contextlib.suppress(KeyError):
        grp.getgrgid(uid)
        return True
    return False


def _has_process(uid: int) -> bool:
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry.stat().st_uid == uid:
                return True
    return False


def open_folder(path: Path, user: User | None) -> None:
    """Create a folder that ``user`` can read and only we can write. Raises OSError."""
    _make(path, 0o750, -1, user)


def give_folder(path: Path, user: User | None) -> None:
    """Create a folder that only ``user`` can enter. Its parent must be writable only by us. Raises OSError."""
    _make(path, 0o700, -1 if user is None else user.uid, user)


def _make(path: Path, mode: int, uid: int, user: User | None) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user is None:
        return
    # Through the file descriptor: the name could refer to another folder by now.
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(folder, uid, user.gid)
        os.fchmod(folder, mode)
    finally:
        os.close(folder)


def write_for(path: Path, data: bytes, user: User | None) -> None:
    """Replace a file atomically by one that ``user`` can read. Its folder must be writable only by us. Raises OSError."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        if user is not None:
            os.fchown(file.fileno(), -1, user.gid)
            os.fchmod(file.fileno(), 0o640)
        file.write(data)
    fresh.replace(path)
