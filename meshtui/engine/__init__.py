"""Judges flows: a Snapshot and a Flow give a Verdict. Pure; no I/O."""

from meshtui.engine.verdict import Engine

__all__ = ["Engine"]
