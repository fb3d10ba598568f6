"""The sandbox's scenarios: a folder each, discovered here."""

from meshtui.sandbox.scenarios.catalogue import ScenarioError, faults, fix, folder, load, names, page, title

__all__ = ["ScenarioError", "faults", "fix", "folder", "load", "names", "page", "title"]
