"""``meshtui verify``: expectations against prediction, and with ``--probe`` against reality."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from meshtui.cli.command import Command
from meshtui.cli.expectations import find, read_expectations
from meshtui.cli.expectations_report import FORMATS
from meshtui.cli.private import private
from meshtui.cli.source import one_snapshot, open_session
from meshtui.engine import Engine
from meshtui.engine.expect.expectations import HIDDEN, Entry, expand
from meshtui.engine.expect.verification import Result, exit_code, verify
from meshtui.model.errors import UsageError

if TYPE_CHECKING:
    from meshtui.model.observation import Observation
    from meshtui.model.snapshot import Snapshot
    from meshtui.settings import Settings


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "flows", metavar="FLOWS.yaml", nargs="?", help="the expectations; - is standard input, bookstore the shipped"
    )
    parser.add_argument("--init", action="store_true", help="write a first file from what is predicted now (no file: print it)")
    parser.add_argument("--probe", action="store_true", help="test them against reality too, with short-lived pods")
    parser.add_argument("--probe-image", metavar="IMAGE", help="an image that has sh and curl")
    parser.add_argument("--unsafe-methods", action="store_true", help="send requests other than GET, HEAD and OPTIONS too")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    parser.add_argument("-o", "--output", choices=sorted(FORMATS), default="text")


def _run(args: argparse.Namespace, settings: Settings) -> int:
    if args.init:
        if args.probe:
            raise UsageError("--init writes what is predicted: it doesn't go with --probe")
        return _init(args.flows, settings)
    if args.flows is None:
        raise UsageError("no expectations", "name a file, `bookstore` for the shipped one, or --init to write a first one")
    if args.flows == "-" and "-" in settings.filenames:
        raise UsageError("standard input can't be both the expectations and the manifests")
    entries = read_expectations(*find(args.flows))
    if args.probe:
        import asyncio

        results = asyncio.run(_probed(args, settings, entries))
    else:
        snapshot = one_snapshot(settings)
        _say_what_is_hidden(snapshot)
        engine = Engine(snapshot)
        results = verify(engine, expand(engine, entries))
    sys.stdout.write(FORMATS[args.output](results))
    return exit_code(results)


async def _probed(args: argparse.Namespace, settings: Settings, entries: list[Entry]) -> list[Result]:
    """Probe what can be probed, and judge. Raises ReadOnlyError without a yes, and what the launcher raises."""
    from meshtui.cli.ask import confirmed
    from meshtui.cli.probe import plan_in_words
    from meshtui.probe.plan import make_plan

    async with open_session(settings) as session:
        _say_what_is_hidden(session.snapshot)
        expected = expand(session.engine, entries)
        any_method = args.unsafe_methods or session.label.sandbox
        plan = make_plan(session.engine, [each.flow for each in expected], settings.probe, any_method=any_method)
        confirmation = confirmed(plan_in_words(plan, session.label.context), session.read_only, yes=args.yes)
        observations = await session.probe(plan, confirmation, _Progress(len(expected)))
        return verify(session.engine, expected, {o.flow.id: o for o in observations})


class _Progress:
    """How many flows are settled, on a terminal's last line."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._settled = 0

    def __call__(self, _: Observation) -> None:
        """One more."""
        self._settled += 1
        if sys.stderr.isatty():
            done = self._settled == self._total
            sys.stderr.write("\r\x1b[K" if done else f"\r\x1b[K… {self._settled} of {self._total}")
            sys.stderr.flush()


def _say_what_is_hidden(snapshot: Snapshot) -> None:
    """Kinds that couldn't be read: what they hold isn't known, and a prediction may be unknown for it."""
    lines = [f"{kind}: {state.message or state.status.value}" for kind, state in snapshot.kinds.items() if state.status in HIDDEN]
    if snapshot.live and not snapshot.mesh.found:
        lines.append(f"no ConfigMap istio can be read: the trust domain is taken to be {snapshot.mesh.trust_domain}")
    sys.stderr.write("".join(f"meshtui: note: {_plain(line)}\n" for line in lines))


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _init(file: str | None, settings: Settings) -> int:
    """Write the file, or print it. Never over another one."""
    from meshtui.cli.expectations_init import first_file

    namespace = "" if settings.all_namespaces else settings.namespace
    text = first_file(Engine(one_snapshot(settings)), namespace)
    if file in {None, "-"}:
        sys.stdout.write(text)
        return 0
    try:
        with open(str(file), "x", encoding="utf-8", opener=private) as out:
            out.write(text)
    except FileExistsError as error:
        raise UsageError(f"{file} is there already", "name another file") from error
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}") from error
    sys.stderr.write(f"wrote {file}: read it, then meshtui verify {file}\n")
    return 0


COMMAND = Command("verify", "expectations against what is predicted, and with --probe against reality", _arguments, _run)
