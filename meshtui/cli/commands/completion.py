"""``meshtui completion``: prints the script that completes commands, flags and names in a shell."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from meshtui.cli.command import Choice, command
from meshtui.cli.shell import SHELLS

if TYPE_CHECKING:
    from meshtui.settings import Settings

_HOW = """
  bash   source <(meshtui completion bash)                                    in ~/.bashrc
  zsh    source <(meshtui completion zsh)                                     in ~/.zshrc, after compinit
  fish   meshtui completion fish > ~/.config/fish/completions/meshtui.fish

Contexts, namespaces, workloads, Services, scenarios and rules are completed too: from the manifests that -f names,
or from the cluster, which gets a second and a half to answer.
"""


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    shell: str


PARAMS = [click.Argument(["shell"], metavar="SHELL", type=Choice(SHELLS), help=", ".join(SHELLS))]


def _run(words: Words, _settings: Settings) -> int:
    from meshtui.cli.group import Meshtui
    from meshtui.cli.shell import script

    sys.stdout.write(script(words.shell, Meshtui()))
    return 0


COMMAND = command("completion", "what a shell has to load to complete commands, flags and names", PARAMS, Words, _run, more=_HOW)
