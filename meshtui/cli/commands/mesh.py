"""``meshtui mesh``: whether the mesh's own parts agree: nodes, drift, certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from meshtui.cli.command import NOT_KNOWN, Choice, command, switch, value
from meshtui.cli.complete import files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from meshtui.mesh.report import MeshReport
    from meshtui.model.snapshot import Snapshot
    from meshtui.settings import Settings
    from meshtui.ztunnel.look import NodeLook

_APART_MIN = 5
WHAT = ("status", "drift", "certificates")
_MORE = """
  status         each node's ztunnel: version, readiness, captured pods, certificates, drift
  drift          where a ztunnel differs from the others, from the API, or from its status
  certificates   stuck renewals, missing and unknown certificates

A live look reads each ztunnel's config dump through a port-forward, twice, --wait apart: what differs in both looks is
drift. Saved dumps are compared with each other, and with manifests (-f) of the same cluster.

status --probe asks port 15008 of each pod that isn't proven to be captured, from short-lived pods outside the mesh, after a
confirmation: a ztunnel answers with TLS and the pod's identity.
"""


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    what: str
    dump: tuple[str, ...]
    now: str | None
    node: tuple[str, ...]
    wait: str
    probe: bool
    probe_image: str | None
    yes: bool
    output: str


PARAMS = [
    click.Argument(["what"], metavar="WHAT", type=Choice(WHAT), help=", ".join(WHAT)),
    value(
        "--dump",
        "FILE",
        "a saved config dump, a bug report, or a folder of them; - is standard input",
        multiple=True,
        shell_complete=files,
    ),
    value("--now", "TIME", "the time to compare certificates of saved dumps with (default: each file's own)"),
    value("--node", "NAME", "only this node; may be repeated", multiple=True),
    value("--wait", "TIME", "the time between two looks; 0 for one look only", default="15s"),
    switch("--probe", "ask the pods that aren't proven to be captured, from pods outside the mesh (status)"),
    value("--probe-image", "IMAGE", "an image that has sh and curl"),
    switch("--yes", "don't ask"),
]


def _run(words: Words, settings: Settings) -> int:
    from meshtui.cli.formats import write
    from meshtui.cli.mesh_report import ANSWERS, is_known, says_no
    from meshtui.cli.notes import note
    from meshtui.model.errors import UsageError

    if words.now and not words.dump:
        raise UsageError("--now is for saved dumps", "name them with --dump")
    if words.probe and (words.what != "status" or words.dump):
        raise UsageError("--probe is for the status of a cluster", "meshtui mesh status --probe")
    for flag, given in (("--yes", words.yes), ("--probe-image", words.probe_image)):
        if given and not words.probe:
            raise UsageError(f"{flag} is for --probe", "meshtui mesh status --probe")
    if words.dump and settings.namespace:
        note("a namespace has no effect here: saved dumps are compared whole")
    report, snapshot = _saved(words, settings) if words.dump else _live(words, settings)
    for text in report.missing:
        note(text)
    for each in report.nodes:
        for text in each.problems:
            note(f"{each.node}: {text}")
    write(ANSWERS[words.what](report, snapshot), words.output)
    if says_no(words.what, report):
        return 1
    return 0 if is_known(words.what, report) else NOT_KNOWN


def _saved(words: Words, settings: Settings) -> tuple[MeshReport, Snapshot | None]:
    """A report on saved dumps, beside manifests if there are any."""
    from dataclasses import replace

    from meshtui.cli.durations import seconds_of
    from meshtui.mesh.compare import compare
    from meshtui.model.errors import UsageError
    from meshtui.sources.dumps import read_dumps

    look = read_dumps(words.dump)
    there = {each.node for each in look.nodes}
    unknown = [node for node in words.node if node not in there]
    if unknown:
        raise UsageError(f"no dump is of node {unknown[0]}", f"there are dumps of {', '.join(sorted(there))}")
    seconds_of(words.wait)
    chosen = tuple(each for each in look.nodes if not words.node or each.node in words.node)
    look = replace(look, nodes=chosen if words.now else tuple(map(_dated, chosen)))
    _note_ages(chosen)
    snapshot = None
    if settings.filenames:
        from meshtui.cli.source import one_snapshot

        snapshot = one_snapshot(settings)
    return compare(snapshot, look, now=_moment(words.now) if words.now else None), snapshot


def _note_ages(looks: Sequence[NodeLook]) -> None:
    """Say that dumps were taken at different times, as far as their files show."""
    from meshtui.cli.notes import note

    times = [look.at for look in looks if look.at is not None]
    minutes = int((max(times) - min(times)).total_seconds() // 60) if times else 0
    if minutes >= _APART_MIN:
        note(f"the dumps are {minutes:,} minutes apart by their files' times: what has changed in between shows as drift")


def _dated(look: NodeLook) -> NodeLook:
    """A dump whose time is that of its file, or isn't known where that can't be."""
    from dataclasses import replace

    from meshtui.cli.notes import note
    from meshtui.mesh.certificates import may_be_of

    if look.dump is None or look.at is None or may_be_of(look.dump, look.at):
        return look
    words = "by the file's time no certificate would be valid, or every renewal stuck, so times aren't judged"
    note(f"{look.origin}: {words}: --now TIME says when it was taken")
    return replace(look, at=None)


def _live(words: Words, settings: Settings) -> tuple[MeshReport, Snapshot]:
    """A report on a cluster, of two looks."""
    import asyncio

    from meshtui.cli.durations import seconds_of
    from meshtui.cli.mesh_live import look_twice
    from meshtui.cli.mesh_probe import Prover
    from meshtui.model.errors import UsageError

    if settings.filenames:
        raise UsageError("manifests have no ztunnel to ask", "name saved dumps with --dump, or leave out -f")
    prover = Prover(settings, words.yes) if words.probe else None
    return asyncio.run(look_twice(settings, nodes=words.node, wait_s=seconds_of(words.wait), prover=prover))


def _moment(text: str) -> datetime:
    from datetime import UTC, datetime

    from meshtui.model.errors import UsageError

    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} isn't a time", "write 2026-11-26T14:00:00Z") from error


COMMAND = command(
    "mesh",
    "whether the mesh's own parts agree: captured pods, drift between ztunnels and the API, certificates",
    PARAMS,
    Words,
    _run,
    outputs=("text", "table", "wide", "json", "jsonl", "yaml", "csv", "name"),
    exits={
        1: "there is drift, a faulty certificate, or (status) a pod that isn't captured",
        2: "bad usage; with --probe also: read-only, or not confirmed",
        3: "the cluster can't be reached or refuses",
        4: "no ztunnel could be asked, (drift) not all of a dump could be compared, or (certificates) the time, a certificate's "
        "dates or its root aren't known",
    },
    more=_MORE,
)
