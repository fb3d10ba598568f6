"""``meshtui diff``: the flows that a change would open or close, before it is applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from meshtui.cli.command import command, switch, value
from meshtui.cli.complete import files

if TYPE_CHECKING:
    from meshtui.engine.whatif.shifts import Shift
    from meshtui.model.snapshot import Snapshot
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    new: tuple[str, ...]
    allow: str | None
    all_ports: bool
    prune: bool
    output: str


PARAMS = [
    click.Argument(
        ["new"],
        metavar="NEW",
        nargs=-1,
        required=True,
        help="changed manifests: files, folders, or - for standard input",
        shell_complete=files,
    ),
    value("--allow", "FLOWS.yaml", "flows that may be opened: entries that expect allow or connected", shell_complete=files),
    switch("--all-ports", "--allow must cover ports that no container declares, too"),
    switch("--prune", "with -f: objects that NEW doesn't hold are deleted"),
]


def _run(words: Words, settings: Settings) -> int:
    import gc

    from meshtui.cli.diff_report import Report, answer
    from meshtui.cli.formats import write
    from meshtui.cli.notes import note_problems
    from meshtui.cli.reading import noting
    from meshtui.cli.source import loaded, one_snapshot, read_by
    from meshtui.cni import of_snapshot
    from meshtui.engine.whatif.compare import compare
    from meshtui.engine.whatif.overlay import differing, overlaid
    from meshtui.engine.whatif.shifts import What
    from meshtui.model.errors import UsageError

    if [*words.new, *settings.filenames, words.allow].count("-") > 1:
        raise UsageError("standard input can't be two things at once")
    if words.prune and not settings.filenames:
        raise UsageError("--prune is for two folders of manifests", "with -f OLD; nothing prunes a whole cluster")
    new = loaded(words.new, settings)
    before = one_snapshot(settings)
    new = read_by(of_snapshot(new, settings.cni) if words.prune else before.cni, new, words.new, settings)
    after = new if words.prune else overlaid(before, new)
    gc.disable()  # the process ends soon, and creates no reference cycles
    comparison = compare(before, after)
    wanted = _wanted(words, after, comparison.of(What.OPENED)) if words.allow else {}
    report = Report(comparison, tuple(differing(before, after)), wanted)
    if not settings.verbose:
        note_problems(new)
    write(noting(answer(report), read=before.reading, read_new=new.reading), words.output)
    return report.exit_code


def _wanted(words: Words, after: Snapshot, opened: tuple[Shift, ...]) -> dict[Shift, Shift | None]:
    """For each opened flow, the ports that no entry of the file allows. Raises UsageError if the file can't be read."""
    from meshtui.cli.expectations import find, read_expectations
    from meshtui.cli.notes import note
    from meshtui.engine import Engine
    from meshtui.engine.expect.expectations import Expected, expand
    from meshtui.engine.whatif.allowance import WANTED, Allowance
    from meshtui.model.errors import UsageError

    engine = Engine(after)
    expected: list[Expected] = []
    for entry in read_expectations(*find(words.allow or "")):
        if entry.expected not in WANTED:
            continue
        try:
            expected += expand(engine, [entry])
        except UsageError as error:
            note(f"{error.message}: it allows nothing here")
    allowance = Allowance(engine, expected, all_ports=words.all_ports)
    return {shift: allowance.left_of(shift) for shift in opened}


COMMAND = command(
    "diff",
    "the flows that a change would open or close, before it is applied",
    PARAMS,
    Words,
    _run,
    outputs=("text", "table", "wide", "json", "jsonl", "yaml", "csv"),
    exits={
        1: "a flow is opened that --allow doesn't list",
        3: "the cluster can't be reached or refuses",
        4: "it is no longer known whether some flow is allowed",
    },
)
