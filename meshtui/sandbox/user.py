"""As whom the sandbox's processes run, and how files are handed to them.

Started by an ordinary user, everything is that user's. Started by root, nothing that the sandbox starts stays root:
pods, PostgreSQL and Envoy get a user id and group that nothing else on this machine has, one for each sandbox process.
Folders that root writes to are never writable by that user, so that no name in them can be turned into a link.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FIRST_UID = 60600
"""Between the ranges that distributions give to people and those that systemd hands out: nobody's."""


@dataclass(frozen=True, slots=True)
class User:
    """A user and group of the sandbox's own."""

    uid: int
    gid: int


def as_user(user: User | None) -> Mapping[str, Any]:
    """Arguments that make ``subprocess`` start a program as ``user`` (None: as ourselves)."""
    return {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}


def user_of(block: int) -> User | None:
    """The user that goes with a block of addresses; None: everything runs as ourselves, since we aren't root."""
    return User(_FIRST_UID + block, _FIRST_UID + block) if os.geteuid() == 0 else None


def is_free(block: int) -> bool:
    """Whether a block's user is nobody else's on this machine."""
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
    """Make a folder that ``user`` can read and only we can write. Raises OSError."""
    _make(path, 0o750, -1, user)


def give_folder(path: Path, user: User | None) -> None:
    """Make a folder that only ``user`` can enter. Its parent must be ours alone. Raises OSError."""
    _make(path, 0o700, -1 if user is None else user.uid, user)


def _make(path: Path, mode: int, uid: int, user: User | None) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user is None:
        return
    # Through the folder itself: a name could mean another one by now.
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(folder, uid, user.gid)
        os.fchmod(folder, mode)
    finally:
        os.close(folder)


def write_for(path: Path, data: bytes, user: User | None) -> None:
    """Replace a file, whole, by one that ``user`` can read. Its folder must be ours alone. Raises OSError."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        if user is not None:
            os.fchown(file.fileno(), -1, user.gid)
            os.fchmod(file.fileno(), 0o640)
        file.write(data)
    fresh.replace(path)
