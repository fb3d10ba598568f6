"""What a command has read of files: the line on standard error, the exit code, and the part of the JSON answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from meshtui.cli.notes import note, note_problems

if TYPE_CHECKING:
    from meshtui.cli.answer import Answer
    from meshtui.model.reading import KindCount, Reading
    from meshtui.model.snapshot import Snapshot
    from meshtui.settings import Settings

_INCOMPLETE = 2
"""The exit code where files were skipped (docs/contracts.md, What was read)."""
Inputs = list[tuple[str, "Snapshot"]]
"""What was read of files: the paths as one text, and the Snapshot."""
_read: ContextVar[Inputs | None] = ContextVar("meshtui_read", default=None)


@contextmanager
def recorded() -> Iterator[Inputs]:
    """Collect the Snapshots of files that are read meanwhile."""
    found: Inputs = []
    token = _read.set(found)
    try:
        yield found
    finally:
        _read.reset(token)


def record(snapshot: Snapshot, paths: Sequence[str]) -> Snapshot:
    """Note that the command that runs has read this Snapshot from files."""
    found = _read.get()
    if found is not None:
        found.append((", ".join(paths), snapshot))
    return snapshot


def say(found: Inputs, *, verbose: bool) -> None:
    """Print one line for each Snapshot; with ``verbose`` also what was skipped, not read and not understood."""
    for paths, snapshot in found:
        if snapshot.reading is None:
            continue
        note(f"{paths}: {snapshot.reading.summary()}" if len(found) > 1 else snapshot.reading.summary())
        if verbose:
            for text in snapshot.reading.details():
                note(text)
            note_problems(snapshot)


def say_skipped(found: Inputs, *, verbose: bool) -> None:
    """The same before an error, if something was skipped: the error may come from that."""
    say([(paths, each) for paths, each in found if each.reading and each.reading.skipped], verbose=verbose)


def exit_code(code: int, found: Inputs, settings: Settings) -> int:
    """2 if files were skipped and ``--skip-unreadable`` isn't given, else the command's own code."""
    if not any(each.reading and each.reading.skipped for _, each in found) or settings.skip_unreadable:
        return code
    note(f"the exit code is {_INCOMPLETE} because of what was skipped: --skip-unreadable accepts it")
    return _INCOMPLETE


def noting(answer: Answer, **readings: Reading | None) -> Answer:
    """An answer whose JSON object also says what was read, under the given names. None, a cluster, is left out."""
    more = {name: to_json(reading) for name, reading in readings.items() if reading is not None}
    return replace(answer, document={**answer.document, **more}) if more else answer


def to_json(reading: Reading) -> dict[str, Any]:
    """A Reading as JSON (docs/contracts.md, What was read)."""
    return {
        "objects": reading.objects,
        "files": reading.files,
        "problems": reading.problems,
        "not_read": [_kind(each) for each in reading.unread],
        "ignored": [_kind(each) for each in reading.ignored],
        "skipped": [
            {"path": each.path, "reason": each.reason, "files": each.files, "command": each.command or None}
            for each in reading.skipped
        ],
        "rendered": list(reading.rendered),
    }


def _kind(each: KindCount) -> dict[str, Any]:
    return {"kind": each.kind, "group": each.group, "count": each.count}
