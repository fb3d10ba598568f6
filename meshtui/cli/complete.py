"""What a shell offers after a word: one function for each kind of value. They are silent: whatever fails offers nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem

_SAFE = re.compile(r"[\w.:/@%+=*-]+", re.ASCII)
"""What a shell takes as it is: a name with anything else in it (from a hostile cluster or file) is not offered."""

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _offering(values: Callable[[dict[str, Any]], Iterable[str]]) -> Completer:
    """A completer for those of some values that begin as the word does; ``values`` gets the shared flags given so far."""

    def offer(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 (click's)
        found = values(_given(ctx))
        return [CompletionItem(each) for each in found if each.startswith(incomplete) and _SAFE.fullmatch(each)]

    return offer


def _given(ctx: click.Context) -> dict[str, Any]:
    """The shared flags of the words so far, wherever they stand."""
    from meshtui.cli import flags

    return flags.merged([place.params for place in (ctx, ctx.parent) if place is not None])


def _contexts(given: dict[str, Any]) -> Iterable[str]:
    from meshtui.cli.completing import contexts_of

    return contexts_of(given.get("kubeconfig", ""))


def _namespaces(given: dict[str, Any]) -> Iterable[str]:
    from meshtui.cli.completing import namespaces_of

    return namespaces_of(given)


def _sources(given: dict[str, Any]) -> Iterable[str]:
    from meshtui.cli.completing import workloads_of

    return ["external", *workloads_of(given)]


def _destinations(given: dict[str, Any]) -> Iterable[str]:
    from meshtui.cli.completing import services_of, workloads_of

    return [*services_of(given), *workloads_of(given)]


def _scenarios(_: dict[str, Any]) -> Iterable[str]:
    from meshtui.cli.completing import scenario_names

    return scenario_names()


def _rules(_: dict[str, Any]) -> Iterable[str]:
    from meshtui.cli.completing import rule_ids

    return rule_ids()


def _schemas(_: dict[str, Any]) -> Iterable[str]:
    from meshtui.cli.schemas import SCHEMAS

    return sorted(SCHEMAS)


def _commands(_: dict[str, Any]) -> Iterable[str]:
    from meshtui.cli.registry import names

    return names()


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 (click's)
    """Files and folders: the shell itself knows them."""
    return [CompletionItem(incomplete, type="file")]


def output_formats(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 (click's)
    """The forms of answer that the command knows; before a command, all of them."""
    from meshtui.cli.formats import formats

    known = formats()
    offered = getattr(ctx.command, "outputs", tuple(known))
    return [CompletionItem(name, help=known[name].summary) for name in offered if name.startswith(incomplete)]


contexts = _offering(_contexts)
namespaces = _offering(_namespaces)
sources = _offering(_sources)
destinations = _offering(_destinations)
scenarios = _offering(_scenarios)
rule_names = _offering(_rules)
schema_names = _offering(_schemas)
command_names = _offering(_commands)
