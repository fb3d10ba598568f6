"""``meshtui serve``: the terminal program in a browser on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import isinf
from typing import TYPE_CHECKING

import click

from meshtui.cli import flags
from meshtui.cli.closest import did_you_mean
from meshtui.cli.command import command, switch, value
from meshtui.cli.complete import scenarios
from meshtui.model.errors import UsageError

if TYPE_CHECKING:
    from meshtui.settings import Settings

_HEALTHY = "healthy"
_OF_A_CLUSTER = "kubeconfig", "context", "namespace", "all_namespaces", "impersonate", "impersonate_groups", "filenames"
"""Settings that ask for a cluster or for files; without them it is the demo."""
_MOST = 4
"""How many pages may be open, unless another number is given."""


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    scenario: str | None
    port: int
    sessions: int
    allow_writes_in_browser: bool


PARAMS = [
    value("--scenario", "NAME", "with the demo: which bookstore (meshtui sandbox --list)", shell_complete=scenarios),
    value("--port", "PORT", "the port on 127.0.0.1 (default: a free one)", type=click.IntRange(0, 65535), default=0),
    value("--sessions", "N", f"how many pages may be open (default: {_MOST})", type=click.IntRange(1, 32), default=_MOST),
    switch("--allow-writes-in-browser", "with --write: what the browser asks may change the cluster"),
]


def _run(words: Words, settings: Settings) -> int:
    try:
        from meshtui.web import serve
    except ModuleNotFoundError as error:
        hint = "install meshtui with its extra: pip install 'kubectl-meshtui[serve]' (docs/guide/browser.md)"
        raise UsageError(f"serve needs {error.name}", hint) from error

    demo = not any(getattr(settings, name) for name in _OF_A_CLUSTER)
    if words.scenario and not demo:
        raise UsageError("a scenario is for the demo", "leave --scenario out, or the flags that name a cluster or files")
    if "-" in settings.filenames:
        raise UsageError("serve can't read manifests from standard input", "write them into a file")
    if words.allow_writes_in_browser and not settings.write:
        raise UsageError("--allow-writes-in-browser needs --write as well", "give both, or neither")

    with _source(words, settings) if demo else contextlib.nullcontext((settings, not settings.read_only)) as (chosen, own):
        writes = own if demo else bool(settings.write and words.allow_writes_in_browser and not settings.read_only)
        title = (
            "the demo"
            if demo
            else ", ".join(settings.filenames) or settings.context or settings.kubeconfig or "the current context"
        )

        stdout = sys.stdout

        def ready(url: str) -> None:
            stdout.write(f"{url}\n")
            stdout.flush()
            sys.stderr.write(f"{_said(demo=demo, writes=writes, asked=settings.write)}\nCtrl-C ends it.\n")

        try:
            with contextlib.redirect_stdout(sys.stderr):  # where the errors of the programs behind the pages are written
                asyncio.run(serve(argv(chosen, writes=writes), title, port=words.port, most=words.sessions, ready=ready))
        except OSError as error:
            raise UsageError(f"port {words.port} can't be used: {error.strerror or error}", "leave --port out") from error
    return 0


def _said(*, demo: bool, writes: bool, asked: bool) -> str:
    if demo:
        can = "can be probed and fixed" if writes else "is read-only"
        return f"serving the demo: the cluster is meshtui's own, and {can}; whoever has this address can use it."
    if writes:
        return "serving with WRITES ALLOWED: whoever has this address can change the cluster, after a question on the page."
    more = " (--write needs --allow-writes-in-browser as well)" if asked else ""
    return f"serving read-only{more}; whoever has this address can read what you can read."


@contextlib.contextmanager
def _source(words: Words, settings: Settings) -> Iterator[tuple[Settings, bool]]:
    """The demo's settings, while its sandbox runs; all pages share it."""
    from meshtui.cli.commands.demo import sandbox
    from meshtui.sandbox.run import check_requirements
    from meshtui.sandbox.scenarios import names

    scenario = words.scenario or _HEALTHY
    if scenario not in names():
        raise UsageError(f"no scenario {scenario!r}{did_you_mean(scenario, names())}", f"known: {', '.join(names())}")
    check_requirements()
    with sandbox(scenario) as kubeconfig:
        yield settings.model_copy(update={"kubeconfig": str(kubeconfig)}), not settings.read_only


def argv(settings: Settings, *, writes: bool) -> list[str]:
    """The command line of the program behind a page. Nothing of it passes a shell."""
    given = {flag.name: getattr(settings, flag.name) for flag in flags.FLAGS if flag.name != "request_timeout"}
    given |= {"read_only": not writes, "write": writes}
    limit = settings.timeouts.request_s
    words = [sys.executable, "-m", "meshtui"]
    for flag in flags.FLAGS:
        said = given.get(flag.name)
        if flag.kind == "switch":
            words += [flag.long] if said else []
        else:
            values = said if flag.kind == "many" else [said]
            words += [f"{flag.long}={each}" for each in values or () if each]
    return [*words, f"--request-timeout={0 if isinf(limit) else f'{limit}s'}"]


COMMAND = command(
    "serve",
    "the terminal program in a browser on this machine: the demo, a cluster, or manifests",
    PARAMS,
    Words,
    _run,
    terminal=True,
    exits={3: "the demo can't be started"},
    more="""
It listens on 127.0.0.1 only, and prints an address with a token: whoever has it can use the page. Without flags that
name a cluster or files it serves the demo. A cluster is read-only, unless both --write and --allow-writes-in-browser are given.
""",
)
