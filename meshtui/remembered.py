"""What the terminal program remembers from one start to the next: its theme, the size of its panes, how tables are sorted.

It is one small JSON file in the user's state folder. Nothing depends on it: a file that is damaged, too large, or that
somebody else could have written counts as none.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

FILE = "view.json"
_MOST_BYTES = 64 * 1024
_MOST_SORTED = 64
"""The maximum number of tables whose sort is remembered."""
_LONGEST = 64
"""The maximum number of characters of a name."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass
class Remembered:
    """The fields are empty until they are set. ``sort`` is by the name of a table. Without a ``file`` nothing is written."""

    theme: str = ""
    zoom: str = ""
    sort: dict[str, str] = field(default_factory=dict)
    file: Path | None = None

    @classmethod
    def load(cls, file: Path | None = None) -> Remembered:
        """Read the file: without one, that of the user. Raises nothing; what can't be read or trusted is left out."""
        file = file or _default()
        known = _read(file)
        sort = known.get("sort")
        return cls(
            theme=_name(known.get("theme")),
            zoom=_name(known.get("zoom")),
            sort=_names(sort) if isinstance(sort, dict) else {},
            file=file,
        )

    def save(self) -> bool:
        """Write the file in one step. Returns False if it can't be written; meshtui goes on without it."""
        if self.file is None:
            return False
        known = {"theme": self.theme, "zoom": self.zoom, "sort": dict(list(self.sort.items())[-_MOST_SORTED:])}
        try:
            _write(self.file, json.dumps(known, indent=1) + "\n")
        except OSError:
            return False
        return True


def _default() -> Path:
    from platformdirs import user_state_path

    return user_state_path("meshtui") / FILE


def _name(value: object) -> str:
    """A value that can be a name, else an empty text."""
    return value if isinstance(value, str) and len(value) <= _LONGEST and value.isprintable() else ""


def _names(values: dict[object, object]) -> dict[str, str]:
    pairs = [(_name(key), _name(value)) for key, value in values.items()]
    return dict([(key, value) for key, value in pairs if key and value][:_MOST_SORTED])


def _read(file: Path) -> dict[str, object]:
    """The content of a file that belongs to this user and that nobody else may write; else nothing."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return {}
    with os.fdopen(handle, "rb") as opened:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & _MAY_WRITE:
            return {}
        try:
            text = opened.read(_MOST_BYTES + 1)
            known = json.loads(text) if len(text) <= _MOST_BYTES else None
        except (OSError, ValueError, RecursionError):
            return {}
    return known if isinstance(known, dict) else {}


def _write(file: Path, text: str) -> None:
    """Replace a file by one with mode 0600, in a folder with mode 0700. Raises OSError."""
    folder = file.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = folder.stat()
    if about.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    if about.st_mode & _OTHERS:
        folder.chmod(0o700)
    handle, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
        Path(name).replace(file)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
