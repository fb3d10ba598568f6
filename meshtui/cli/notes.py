"""Notes for people on standard error, one line each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from meshtui.model.plain import clean

if TYPE_CHECKING:
    from meshtui.model.snapshot import Snapshot


def note(text: str) -> None:
    """Print one note in one line, whatever characters the text has."""
    sys.stderr.write(f"meshtui: note: {clean(text)}\n")


def note_problems(snapshot: Snapshot) -> None:
    """Print the objects of the input that couldn't be decoded, each with its place."""
    for problem in snapshot.problems:
        note(f"{problem.where}: {problem.path}: {problem.reason}")


def note_trust_domain(snapshot: Snapshot) -> None:
    """Print a note if the mesh's trust domain is assumed."""
    if snapshot.live and not snapshot.mesh.found:
        note(f"no ConfigMap istio can be read: the trust domain is taken to be {snapshot.mesh.trust_domain}")
