"""``-o junit``: written by the commands that have it."""

from __future__ import annotations

from meshtui.cli.formats import Format

FORMAT = Format("junit", "JUnit's XML, as Jenkins and GitLab read it", data=True)
