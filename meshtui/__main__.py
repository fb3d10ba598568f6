"""``python -m meshtui``, and the installed scripts."""

from __future__ import annotations

import sys

from meshtui.cli.main import run


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run())


if __name__ == "__main__":
    main()
