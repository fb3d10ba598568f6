"""Opens the terminal program. No other module of the command line imports textual."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from meshtui.cli.hangup import watch
from meshtui.cli.terminal import has_terminal
from meshtui.model.errors import UsageError

if TYPE_CHECKING:
    from meshtui.engine.expect.expectations import Entry
    from meshtui.sandbox.drills import Drill, Tour
    from meshtui.session import Session
    from meshtui.settings import Settings


Warn = Callable[[str], None]


def run_tui(
    read_settings: Callable[[Warn], Settings],
    guided_by: Drill | Tour | None = None,
    *,
    offered: bool = False,
    stdin_first: bool = False,
    theme: str = "",
) -> int:
    """Run the TUI until the person quits; in the sandbox, with a drill or the tour beside it.

    Settings are read, and the source and session are made, once the first frame is drawn; before it where manifests come
    from standard input, which is the terminal's keys then. Warnings about settings are written when the terminal is
    restored. ``theme`` is the one that was asked for on the command line. Raises MeshtuiError.
    """
    warnings: list[str] = []
    if not has_terminal():
        read_settings(warnings.append)  # what is wrong with them is said first
        raise UsageError("this is not a terminal", "commands that print text: meshtui --help")
    try:
        from meshtui.app import Contexts, MeshtuiApp
    except ModuleNotFoundError as error:
        hint = "install meshtui with its dependencies (docs/guide/installing.md)"
        raise UsageError(f"the terminal program needs {error.name}", hint) from error

    def open_session() -> Session:
        from meshtui.cli.source import source_for
        from meshtui.session import Session

        settings = read_settings(warnings.append)
        _ = settings.timeouts  # those that are read late are read now: on the event loop that would be too slow
        return Session(source_for(settings), settings)

    def read_entries() -> list[Entry]:
        from meshtui.cli.expectations import find, read_expectations

        return read_expectations(*find(app.session.settings.checkout.expectations))

    def open_context(name: str) -> Session:
        from meshtui.cli.source import source_for
        from meshtui.session import Session

        settings = app.session.settings.model_copy(update={"context": name})
        return Session(source_for(settings), settings)

    def names() -> list[str]:
        from meshtui.cli.completing import contexts_of

        settings = app.session.settings
        return [] if settings.filenames else contexts_of(settings.kubeconfig)

    from meshtui.remembered import Remembered

    app = MeshtuiApp(
        open_session() if stdin_first else open_session,
        read_entries,
        contexts=Contexts(names, open_context),
        theme=theme or _theme_set(),
        remembered=Remembered.load(),
    )
    if guided_by is not None:
        app.guided_by(guided_by, offered=offered)
    watch()
    app.run()
    for text in warnings:
        sys.stderr.write(f"meshtui: warning: {text}\n")
    if app.failed is not None:
        raise app.failed
    return app.return_code or 0


def _theme_set() -> str:
    """The theme in the environment or the configuration file, for the first frame: other settings are read behind it.

    Whatever is wrong with them is said then.
    """
    import tomllib

    from platformdirs import user_config_path

    if os.environ.get("MESHTUI_THEME"):
        return os.environ["MESHTUI_THEME"]
    try:
        known = tomllib.loads(Path(os.environ.get("MESHTUI_CONFIG") or user_config_path("meshtui") / "config.toml").read_text())
    except (OSError, ValueError):
        return ""
    theme = known.get("theme", "")
    return theme if isinstance(theme, str) else ""
