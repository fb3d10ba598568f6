"""Opens the terminal program; textual is imported here and nowhere else in the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from meshtui.cli.source import source_for
from meshtui.model.errors import UsageError
from meshtui.session import Session

if TYPE_CHECKING:
    from meshtui.sandbox.drills import Drill, Tour
    from meshtui.settings import Settings


def run_tui(settings: Settings, guided_by: Drill | Tour | None = None, *, offered: bool = False) -> int:
    """Run the TUI until the person quits; in the sandbox, with a drill or the tour beside it."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("this is not a terminal", "commands that print text: meshtui --help")
    try:
        from meshtui.app import MeshtuiApp
    except ModuleNotFoundError as error:
        hint = "install meshtui with its dependencies (docs/guide/installing.md)"
        raise UsageError(f"the terminal program needs {error.name}", hint) from error
    from meshtui.cli.expectations import find, read_expectations

    session = Session(source_for(settings), settings)
    app = MeshtuiApp(session, lambda: read_expectations(*find(settings.checkout.expectations)))
    if guided_by is not None:
        app.guided_by(guided_by, offered=offered)
    app.run()
    return app.return_code or 0
