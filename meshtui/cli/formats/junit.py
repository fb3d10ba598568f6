"""``-o junit``: each command that has it writes it itself."""

from __future__ import annotations

from meshtui.cli.formats import Format

FORMAT = Format("junit", "JUnit's XML, as Jenkins and GitLab read it", data=True)
