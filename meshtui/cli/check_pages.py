"""The pages about rules."""

from __future__ import annotations

from importlib import resources


def page_of(rule: str) -> str:
    """The page of a rule, by its id as it is written: Markdown."""
    from meshtui.journeys import applications

    package = next((a.package for a in applications() if any(each.id == rule for each in a.rules)), "meshtui.findings")
    return resources.files(package).joinpath("pages", f"{rule}.md").read_text("utf-8")
