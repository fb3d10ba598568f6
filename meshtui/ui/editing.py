"""Runs the user's editor on a text, while the screen is suspended."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meshtui.model.errors import ClusterError, UsageError
from meshtui.model.finding import Finding
from meshtui.model.ids import ObjectRef
from meshtui.remediate.editing import by_hand
from meshtui.sources.edits import written
from meshtui.sources.manifest_yaml import yaml_documents

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 100


def editor() -> list[str]:
    """The command of the editor: ``$KUBE_EDITOR``, ``$VISUAL``, ``$EDITOR``, else vi. Raises UsageError for a broken one."""
    wanted = next((os.environ[name] for name in ("KUBE_EDITOR", "VISUAL", "EDITOR") if os.environ.get(name)), "vi")
    try:
        words = shlex.split(wanted)
    except ValueError as error:
        raise UsageError(f"the editor {wanted!r} can't be run: {error}", "set EDITOR") from error
    return words or ["vi"]


def edited_text(text: str, name: str) -> str:
    """The text after the editor has ended. Raises UsageError if the editor can't be run, or fails, or what it left is no text."""
    with tempfile.TemporaryDirectory(prefix="meshtui-edit-") as folder:
        stem = _NOT_IN_NAMES.sub("-", name).strip("-.")[:_LONGEST] or "object"
        path = Path(folder) / f"{stem}.yaml"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        command = editor()
        try:
            with _ctrl_c_is_the_editor_s():
                done = subprocess.run([*command, str(path)], check=False)
        except OSError as error:
            raise UsageError(f"the editor {command[0]} can't be run: {error.strerror}", "set EDITOR") from error
        if done.returncode:
            raise UsageError(f"nothing is changed: {command[0]} ended with {done.returncode}")
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"nothing is changed: {command[0]} left no text: {error}") from error


@contextmanager
def _ctrl_c_is_the_editor_s() -> Iterator[None]:
    """The terminal sends Ctrl-C to the editor and to this program, which has to outlive it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which the editor would inherit
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def changed_by_hand(ref: ObjectRef, text: str, changed: str, now: str) -> Finding | None:
    """What was changed in a manifest, as a finding with a fix; None if nothing was.

    ``now`` is the manifest after the editing: operations count places in lists, so that they fit only what was edited.
    Raises UsageError, ManifestError and, if somebody else has changed the object in between, ClusterError.
    """
    before, after, current = (yaml_documents("manifest", each.encode()) for each in (text, changed, now))
    finding = by_hand(ref, before[0], after[0] if len(after) == 1 else None)
    if finding is not None and written(before[0]) != written(current[0]):
        raise ClusterError(f"nothing is changed: {ref} was changed while it was edited", "edit it again")
    return finding
