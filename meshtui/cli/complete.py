"""Completion of values in a shell, one function per kind of value. Errors are silent and complete nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem

_SAFE = re.compile(r"[\w.:/@%+=*-]+", re.ASCII)
"""Characters that a shell doesn't interpret. Names with other characters (from a hostile cluster or file) aren't offered."""

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _offering(values: Callable[[dict[str, Any]], Iterable[str]]) -> Completer:
    """A completer that offers the values with the typed prefix; ``values`` gets the shared flags that were given so far."""

    def offer(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 (click's)
        found = values(_given(ctx))
        return [CompletionItem(each) for each in found if each.startswith(incomplete) and _SAFE.fullmatch(each)]

    return offer


def _given(ctx: click.Context) -> dict[str, Any]:
    """The shared flags on the command line so far, at any position."""
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
    from meshtui.cli.completing import hosts_of, services_of, workloads_of

    return [*services_of(given), *workloads_of(given), *hosts_of(given)]


def _scenarios(_: dict[str, Any]) -> Iterable[str]:
    from meshtui.cli.completing import scenario_names

    return scenario_names()


def _rules(_: dict[str, Any]) -> Iterable[str]:
    from meshtui.cli.completing import rule_ids

    return rule_ids()


def _schemas(_: dict[str, Any]) -> Iterable[str]:
    from meshtui.cli.schemas import SCHEMAS

    return sorted(SCHEMAS)


def _journeys(_: dict[str, Any]) -> Iterable[str]:
    from meshtui.cli.completing import journey_names as found

    return found()


def _commands(_: dict[str, Any]) -> Iterable[str]:
    from meshtui.cli.registry import names

    return names()


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 (click's)
    """Files and folders, which the shell completes itself."""
    return [CompletionItem(incomplete, type="file")]


def output_formats(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 (click's)
    """The output formats of the command; before a command, all of them."""
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
journey_names = _offering(_journeys)
command_names = _offering(_commands)
