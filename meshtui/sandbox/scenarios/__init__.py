"""The sandbox's scenarios: a folder each, found by looking here."""

from meshtui.sandbox.scenarios.catalogue import ScenarioError, fix, load, names, page, title

__all__ = ["ScenarioError", "fix", "load", "names", "page", "title"]
