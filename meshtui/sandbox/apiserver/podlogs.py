"""Container logs: files with a timestamp before every line, followed without polling."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

ROTATE_BYTES = 5 * 1024 * 1024


def stamp() -> str:
    """The time as logs carry it: RFC 3339, microseconds, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class PodLogFiles:
    """One file per container under ``directory``.

    ``container`` "" is a log without a container's name. It shares the file of an existing container's log, and the other way
    round, so that followers of either read all lines.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._files: dict[tuple[str, str], _LogFile] = {}

    def append(self, pod_uid: str, line: str, container: str = "") -> None:
        """Add one line, without its newline, stamped now."""
        self._file(pod_uid, container).append(f"{stamp()} {line}\n")

    def begin(self, pod_uid: str, container: str) -> None:
        """Create an empty log, so that it can be followed before its first line."""
        self._file(pod_uid, container)

    def rotate(self, pod_uid: str, container: str) -> None:
        """Start a new log for a restarted container; the old one becomes ``previous``."""
        self._file(pod_uid, container).restart()

    def forget(self, pod_uid: str) -> None:
        """Remove a pod's logs. Followers get the end of the stream."""
        for file in {self._files.pop(key) for key in [key for key in self._files if key[0] == pod_uid]}:
            file.remove()

    def reader(self, pod_uid: str, container: str) -> LogReader | None:
        """Read and follow a container's log, or None when it has none yet."""
        found = self._known(pod_uid, container)
        return LogReader(found) if found else None

    def previous(self, pod_uid: str, container: str) -> list[bytes] | None:
        """The stamped lines of the container's last run, or None."""
        found = self._files.get((pod_uid, container))
        return found.previous_lines() if found else None

    def close(self) -> None:
        """Close every file."""
        for file in set(self._files.values()):
            file.close()

    def _file(self, pod_uid: str, container: str) -> _LogFile:
        key = (pod_uid, container)
        if key not in self._files:
            shared = self._known(pod_uid, container)
            self._files[key] = shared or _LogFile(self._directory / f"{pod_uid}_{container or 'main'}.log")
        return self._files[key]

    def _known(self, pod_uid: str, container: str) -> _LogFile | None:
        """The container's file, or the one that it shares."""
        others = (file for (uid, name), file in self._files.items() if uid == pod_uid and "" in {name, container})
        return self._files.get((pod_uid, container)) or next(others, None)


class _LogFile:
    """An append-only file. At ``ROTATE_BYTES``, its older half is cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.previous = path.with_suffix(".1")
        self.base = 0  # how many bytes have been cut off since the start
        self.ended = False
        self._wake: asyncio.Event = asyncio.Event()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.size = os.fstat(self._fd).st_size

    def append(self, line: str) -> None:
        data = line.encode("utf-8", "replace")
        try:
            self.size += os.write(self._fd, data)
        except OSError:
            return  # on a full disk log lines are lost, but the sandbox continues
        if self.size > ROTATE_BYTES:
            self._cut()
        self._notify()

    def _cut(self) -> None:
        kept = os.pread(self._fd, ROTATE_BYTES, self.size - ROTATE_BYTES // 2)
        kept = kept[kept.find(b"\n") + 1 :]
        self.base += self.size - len(kept)
        os.ftruncate(self._fd, 0)
        os.write(self._fd, kept)
        self.size = len(kept)

    def restart(self) -> None:
        if self.size:
            self.previous.write_bytes(os.pread(self._fd, self.size, 0))
            self.base += self.size
            os.ftruncate(self._fd, 0)
            self.size = 0

    def previous_lines(self) -> list[bytes] | None:
        return self.previous.read_bytes().splitlines(keepends=True) if self.previous.exists() else None

    def read(self, offset: int) -> bytes:
        """The content after an absolute offset (``base`` is that of the file's beginning)."""
        start = max(offset - self.base, 0)
        return os.pread(self._fd, self.size - start, start) if start < self.size else b""

    def remove(self) -> None:
        self.ended = True
        self._notify()
        self.close()
        self.path.unlink(missing_ok=True)
        self.previous.unlink(missing_ok=True)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd, self.size = -1, 0

    def _notify(self) -> None:
        wake, self._wake = self._wake, asyncio.Event()
        wake.set()

    async def changed(self) -> None:
        await self._wake.wait()


class LogReader:
    """A reading position in one log."""

    def __init__(self, file: _LogFile) -> None:
        self._file = file
        self._offset = file.base

    def lines(self) -> Iterator[bytes]:
        """The stamped lines that have come since the last call."""
        data = self._file.read(self._offset)
        self._offset = self._file.base + self._file.size
        yield from data.splitlines(keepends=True)

    async def changed(self) -> bool:
        """Wait for new lines. Returns False if the log has ended."""
        if self._file.ended:
            return False
        await self._file.changed()
        return not self._file.ended
