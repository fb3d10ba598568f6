"""``meshtui matrix``: all pairs, with their open ports and deciding objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshtui.cli.command import asks_mesh, choice, command, switch

if TYPE_CHECKING:
    from meshtui.engine.matrix.proxied import Proxied
    from meshtui.settings import Settings

_BY = ("workload", "pod", "namespace")


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    by: str
    closed: bool
    mesh: bool
    output: str


PARAMS = [
    choice("--by", _BY, "workload", "what the rows and columns are"),
    switch("--closed", "text: list the pairs without an open port too"),
    asks_mesh(),
]


def _run(words: Words, settings: Settings) -> int:
    import gc

    from meshtui.cli.formats import stream_for
    from meshtui.cli.matrix_report import FORMATS, counted, in_scope
    from meshtui.cli.notes import note
    from meshtui.cli.source import one_snapshot
    from meshtui.engine.matrix.groups import groups_of, pairs, through_services
    from meshtui.engine.matrix.matrix import Matrix
    from meshtui.engine.matrix.proxied import Proxied

    snapshot = one_snapshot(settings, mesh=words.mesh)
    gc.disable()  # the process ends soon, and creates no reference cycles
    matrix = Matrix(snapshot)
    groups = groups_of(matrix, words.by)
    scope = "" if settings.all_namespaces else settings.namespace
    proxied = Proxied(matrix, lambda *ends: not scope or scope in ends)
    chosen = in_scope(groups, counted(pairs(proxied.rows(), groups), len(groups)), scope)
    chosen = through_services(proxied, matrix, words.by, groups, chosen)
    write = stream_for(words.output).write
    for text in FORMATS[words.output](groups, chosen, words):
        write(text)
    for text in _notes(proxied):
        note(text)
    return 0


def _notes(proxied: Proxied) -> Iterator[str]:
    """Notes about the limits of the answer."""
    if proxied.left:
        yield f"{proxied.left} pairs behind proxies were too many to ask about, and say unknown: -n NAMESPACE narrows them"


COMMAND = command(
    "matrix",
    "all pairs: allowed ports and who decides",
    PARAMS,
    Words,
    _run,
    outputs=("text", "table", "wide", "json", "jsonl", "yaml", "csv", "dot"),
    exits={0: "whatever the verdicts are", 3: "the cluster can't be reached or refuses"},
)
