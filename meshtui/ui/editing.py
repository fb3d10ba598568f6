"""Runs the user's editor on a text, while the screen is suspended."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from meshtui.model.errors import UsageError


def editor() -> list[str]:
    """The command of the editor: ``$KUBE_EDITOR``, ``$VISUAL``, ``$EDITOR``, else vi. Raises UsageError for a broken one."""
    wanted = next((os.environ[name] for name in ("KUBE_EDITOR", "VISUAL", "EDITOR") if os.environ.get(name)), "vi")
    try:
        words = shlex.split(wanted)
    except ValueError as error:
        raise UsageError(f"the editor {wanted!r} can't be run: {error}", "set EDITOR") from error
    return words or ["vi"]


def edited_text(text: str, name: str) -> str:
    """The text after the editor has ended. Raises UsageError if the editor can't be run, or fails."""
    with tempfile.TemporaryDirectory(prefix="meshtui-edit-") as folder:
        path = Path(folder) / f"{name}.yaml"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        command = editor()
        try:
            done = subprocess.run([*command, str(path)], check=False)
        except OSError as error:
            raise UsageError(f"the editor {command[0]} can't be run: {error.strerror}", "set EDITOR") from error
        if done.returncode:
            raise UsageError(f"nothing is changed: {command[0]} ended with {done.returncode}")
        return path.read_text(encoding="utf-8")
