"""``meshtui diff``: the flows that a change would open or close, before it is applied."""

from __future__ import annotations

import argparse
import gc
import sys
from typing import TYPE_CHECKING

from meshtui.cli.command import Command
from meshtui.cli.diff_report import FORMATS, Report
from meshtui.cli.source import one_snapshot
from meshtui.engine.whatif.compare import compare
from meshtui.engine.whatif.overlay import differing, overlaid
from meshtui.engine.whatif.shifts import Shift, What
from meshtui.model.errors import UsageError

if TYPE_CHECKING:
    from meshtui.model.snapshot import Snapshot
    from meshtui.settings import Settings


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("new", metavar="NEW", nargs="+", help="changed manifests: files, folders, or - for standard input")
    parser.add_argument("--allow", metavar="FLOWS.yaml", help="flows that may be opened: entries that expect allow or connected")
    parser.add_argument("--all-ports", action="store_true", help="--allow must cover ports that no container declares, too")
    parser.add_argument("--prune", action="store_true", help="with -f: objects that NEW doesn't hold are deleted")
    parser.add_argument("-o", "--output", choices=sorted(FORMATS), default="text")


def _run(args: argparse.Namespace, settings: Settings) -> int:
    from meshtui.sources.manifests import load_manifests

    if [*args.new, *settings.filenames, args.allow].count("-") > 1:
        raise UsageError("standard input can't be two things at once")
    if args.prune and not settings.filenames:
        raise UsageError("--prune is for two folders of manifests", "with -f OLD; nothing prunes a whole cluster")
    new = load_manifests(args.new)
    before = one_snapshot(settings)
    after = new if args.prune else overlaid(before, new)
    gc.disable()  # this process ends soon, and makes many objects but no circles of them
    comparison = compare(before, after)
    wanted = _wanted(args, after, comparison.of(What.OPENED)) if args.allow else {}
    report = Report(comparison, tuple(differing(before, after)), wanted)
    for problem in new.problems:
        sys.stderr.write(f"meshtui: note: {problem.where}: {problem.path}: {problem.reason}\n")
    sys.stdout.write(FORMATS[args.output](report))
    return report.exit_code


def _wanted(args: argparse.Namespace, after: Snapshot, opened: tuple[Shift, ...]) -> dict[Shift, Shift | None]:
    """What of each opened flow no entry of the file wants. Raises UsageError for a file that can't be read."""
    from meshtui.cli.expectations import find, read_expectations
    from meshtui.engine import Engine
    from meshtui.engine.expect.expectations import Expected, expand
    from meshtui.engine.whatif.allowance import WANTED, Allowance

    engine = Engine(after)
    expected: list[Expected] = []
    for entry in read_expectations(*find(args.allow)):
        if entry.expected not in WANTED:
            continue
        try:
            expected += expand(engine, [entry])
        except UsageError as error:
            sys.stderr.write(f"meshtui: note: {error.message}: it allows nothing here\n")
    allowance = Allowance(engine, expected, all_ports=args.all_ports)
    return {shift: allowance.left_of(shift) for shift in opened}


COMMAND = Command("diff", "the flows that a change would open or close, before it is applied", _arguments, _run)
