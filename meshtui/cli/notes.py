"""What is said to the person beside the answer: one line a note on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from meshtui.model.plain import clean

if TYPE_CHECKING:
    from meshtui.model.snapshot import Snapshot


def note(text: str) -> None:
    """One line, whatever stands in the text."""
    sys.stderr.write(f"meshtui: note: {clean(text)}\n")


def note_problems(snapshot: Snapshot) -> None:
    """The objects of the input that couldn't be understood, each with its place."""
    for problem in snapshot.problems:
        note(f"{problem.where}: {problem.path}: {problem.reason}")


def note_trust_domain(snapshot: Snapshot) -> None:
    """Say when the mesh's trust domain is a guess."""
    if snapshot.live and not snapshot.mesh.found:
        note(f"no ConfigMap istio can be read: the trust domain is taken to be {snapshot.mesh.trust_domain}")
