"""``python -m meshtui``, and the installed scripts."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit. The version is told at once: nothing needs to be imported for it."""
    if sys.argv[1:] == ["--version"]:
        from meshtui import __version__

        sys.stdout.write(f"meshtui {__version__}\n")
        return
    from meshtui.cli.main import run

    sys.exit(run())


if __name__ == "__main__":
    main()
