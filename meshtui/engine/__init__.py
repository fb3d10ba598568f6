"""The evaluation of flows: a Snapshot and a Flow give a Verdict. Pure; no I/O."""

from meshtui.engine.engine import Engine

__all__ = ["Engine"]
