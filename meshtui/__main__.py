"""``python -m meshtui``, and the installed scripts."""

from __future__ import annotations

import os
import sys

_NO_HOME = "/nonexistent"


def main() -> None:
    """Run the command line and exit. The version is told at once: nothing needs to be imported for it."""
    if sys.argv[1:] == ["--version"]:
        from meshtui import __version__

        sys.stdout.write(f"meshtui {__version__}\n")
        return
    # In a container a user id may have no entry in the password database, and no HOME: then there are no settings to
    # read and no cache to keep, which is no reason to fail.
    if os.path.expanduser("~") == "~":  # noqa: PTH111 - pathlib would raise, and costs start-up time
        os.environ["HOME"] = _NO_HOME
    from meshtui.cli.main import run

    sys.exit(run())


if __name__ == "__main__":
    main()
