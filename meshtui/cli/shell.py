"""Shell completion: the scripts that shells load, and the answers to them.

click has the scripts and parses the shell's words. This module adds a time limit, and suppresses all errors, which would be
printed in the middle of a command line.
"""

from __future__ import annotations

import os
import sys
import threading

import click
from click.shell_completion import get_completion_class

VARIABLE = "_MESHTUI_COMPLETE"
"""An environment variable that the script sets: the program then answers the shell instead of running."""
SHELLS = ("bash", "zsh", "fish")
PROGRAMS = ("meshtui", "kubectl-meshtui")
_PATIENCE_S = 1.5
_SECONDS = f"{VARIABLE}_SECONDS"


def patience_s() -> float:
    """The timeout for a cluster in seconds; ``$_MESHTUI_COMPLETE_SECONDS`` changes it, for slow connections."""
    try:
        return max(float(os.environ.get(_SECONDS, _PATIENCE_S)), 0.1)
    except ValueError:
        return _PATIENCE_S


def script(shell: str, group: click.Group) -> str:
    """The script for a shell, for both names of the program."""
    made = get_completion_class(shell)
    if made is None:
        raise KeyError(shell)
    texts = []
    for program in PROGRAMS:
        complete = made(group, {}, program, VARIABLE)
        texts.append(complete.source_template % complete.source_vars())
    return "".join(texts)


def answer(group: click.Group, instruction: str) -> None:
    """Answer a shell, then end the process at once, whatever a plugin or a server is still doing. Does not return."""
    shell = instruction.partition("_")[0]
    found: list[str] = []
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123  (for the rest of the process: a shell must not see errors)
    thread = threading.Thread(target=_complete, args=(group, shell, found), daemon=True)
    thread.start()
    thread.join(2 * patience_s())  # whatever still blocks: a plugin, a server, an endless file
    sys.stdout.write("".join(f"{text}\n" for text in found))
    sys.stdout.flush()
    os._exit(0)


def _complete(group: click.Group, shell: str, found: list[str]) -> None:
    made = get_completion_class(shell)
    if made is None:
        return
    try:
        found.append(made(group, {}, PROGRAMS[0], VARIABLE).complete())
    except BaseException:  # noqa: BLE001  (a boundary: whatever goes wrong offers nothing)
        return
