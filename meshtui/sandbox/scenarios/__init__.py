"""The sandbox's scenarios: a folder each, discovered here."""

from meshtui.sandbox.scenarios.catalogue import ScenarioError, fix, load, names, page, title

__all__ = ["ScenarioError", "fix", "load", "names", "page", "title"]
