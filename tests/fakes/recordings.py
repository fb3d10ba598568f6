"""Recordings of a real ztunnel, where they are at hand: in a folder beside the repository, or where a variable says."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("MESHTUI_ZTUNNEL_RECORDINGS") or Path(__file__).parents[3] / "shared" / "ztunnel")


def recording(*names):
    """A recording's text; the test is skipped without it."""
    path = FOLDER.joinpath(*names)
    if not path.is_file():
        pytest.skip(f"no recordings at {FOLDER}: set MESHTUI_ZTUNNEL_RECORDINGS to their folder")
    return path.read_text()
