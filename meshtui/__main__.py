"""``python -m meshtui``, and the installed scripts."""

from __future__ import annotations

import os
import sys

from meshtui.cli.main import run

_NO_HOME = "/nonexistent"


def main() -> None:
    """Run the command line and exit."""
    # In a container a user id may have no entry in the password database, and no HOME: then there are no settings to
    # read and no cache to keep, which is no reason to fail.
    if os.path.expanduser("~") == "~":  # noqa: PTH111 - pathlib would raise, and costs start-up time
        os.environ["HOME"] = _NO_HOME
    sys.exit(run())


if __name__ == "__main__":
    main()
