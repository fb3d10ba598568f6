"""The flags that all commands share. They may be before or after the command; the values of both places are merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from meshtui.cli.complete import contexts, files, namespaces, output_formats
from meshtui.model.errors import UsageError


@dataclass(frozen=True, slots=True)
class Flag:
    """One shared flag. ``kind`` is ``one`` (a value, given once), ``many`` (repeatable) or ``switch``."""

    name: str
    words: tuple[str, ...]
    kind: str
    help: str
    metavar: str = ""
    complete: Any = None

    @property
    def long(self) -> str:
        """The name of the flag in messages."""
        return self.words[-1]

    def value(self, word: str) -> str:
        """The value in an argument: ``-n=shop`` means shop, as in kubectl."""
        return word.removeprefix("=") if len(self.words) > 1 else word

    def option(self) -> click.Option:
        """The flag as a click option. All values are collected, so that a second one doesn't silently replace the first."""
        words = [*self.words, self.name]
        if self.kind == "switch":
            return click.Option(words, is_flag=True, help=self.help)
        return click.Option(words, metavar=self.metavar, multiple=True, help=self.help, shell_complete=self.complete)


FLAGS = (
    Flag("kubeconfig", ("--kubeconfig",), "one", "default: $KUBECONFIG, ~/.kube/config, in-cluster", "PATH", files),
    Flag("context", ("--context",), "one", "a context of the kubeconfig", "NAME", contexts),
    Flag("namespace", ("-n", "--namespace"), "one", "only this namespace", "NS", namespaces),
    Flag("all_namespaces", ("-A", "--all-namespaces"), "switch", "all namespaces"),
    Flag("impersonate", ("--as",), "one", "impersonate a user", "USER"),
    Flag("impersonate_groups", ("--as-group",), "many", "impersonate a group (repeatable)", "GROUP"),
    Flag("request_timeout", ("--request-timeout",), "one", "how long one request may take: 30s, 1m, 2m30s; 0: no limit", "TIME"),
    Flag("filenames", ("-f", "--filename"), "many", "read manifests instead: a file, a folder, - (repeatable)", "PATH", files),
    Flag("cni", ("--cni",), "one", "the CNI, whose reading of NetworkPolicies counts (default: detected)", "NAME"),
    Flag("pod_cidrs", ("--pod-cidr",), "many", "the addresses of pods that have none yet, as in manifests (repeatable)", "CIDR"),
    Flag("render", ("--render",), "switch", "with -f: run kubectl kustomize and helm template for what has to be rendered"),
    Flag("skip_unreadable", ("--skip-unreadable",), "switch", "with -f: files that were skipped don't make the exit code 2"),
    Flag("verbose", ("-v", "--verbose"), "switch", "with -f: list what was skipped and which kinds weren't read"),
    Flag("read_only", ("--read-only",), "switch", "never change anything in the cluster"),
    Flag("write", ("--write",), "switch", "fixes may be applied, each after a confirmation (the sandbox has it)"),
    Flag(
        "theme",
        ("--theme",),
        "one",
        "colours of the terminal program: meshtui-dark, meshtui-light, meshtui-mono, or one of Textual's",
        "NAME",
    ),
)
"""The flags that choose the cluster, and what may be changed there."""

OF_FILES = frozenset({"filenames", "render", "skip_unreadable", "verbose"})
"""The flags about files. A command that reads none refuses all of them."""

OF_THE_PROGRAM = frozenset({"theme"})
"""The flags of the terminal program. Commands that don't open it refuse them, and their help leaves them out."""

OUTPUT = Flag("output", ("-o", "--output"), "one", "how to answer", "FORMAT", output_formats)
"""The flag for the output format. Each command has its own formats."""

SHARED = (*FLAGS, OUTPUT)


def options() -> list[click.Parameter]:
    """All shared flags, for one place on the command line."""
    return [flag.option() for flag in SHARED]


def merged(places: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The values from all places by name; flags that weren't given are left out.

    Raises UsageError for different values of a flag that takes one, and for empty values: an unset shell variable would
    otherwise select another cluster.
    """
    found: dict[str, Any] = {}
    given = list(places)
    for flag in SHARED:
        if flag.kind == "switch":
            if any(place.get(flag.name) for place in given):
                found[flag.name] = True
            continue
        values = tuple(dict.fromkeys(flag.value(word) for place in given for word in place.get(flag.name) or ()))
        if not values:
            continue
        if "" in values:
            raise UsageError(f"{flag.long} is empty", "an unset variable? leave it out to mean the default")
        if flag.kind == "many":
            found[flag.name] = values
        elif len(values) > 1:
            raise UsageError(f"{flag.long} is given twice, as {' and as '.join(map(repr, values))}", "give it once")
        else:
            found[flag.name] = values[0]
    return found
