"""Pairs of named groups: pods, workloads or namespaces, each with one or more classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.decision.ruling import Decided, agreement
from meshtui.engine.matrix.cells import ByService, Cell, Segment
from meshtui.engine.matrix.left import PROTOCOLS
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.ports import FIRST_PORT, LAST_PORT
from meshtui.engine.matrix.proxied import Proxied
from meshtui.engine.matrix.through import Entrance
from meshtui.model.ids import ObjectRef
from meshtui.model.workload import Pod


@dataclass(slots=True, eq=False)
class Group:
    """The pods with one name: the number of them in each class."""

    name: str
    namespace: str
    counts: dict[int, int] = field(default_factory=dict)


def groups_of(matrix: Matrix, by: str) -> list[Group]:
    """The groups of a matrix, sorted by namespace and name: workloads as NAMESPACE/KIND/NAME, pods as NAMESPACE/NAME."""
    found: dict[tuple[str, ...], Group] = {}
    named = namer(matrix, by)
    for member in matrix.classes:
        for pod in member.pods.values():
            name = named(pod)
            group = found.get(name)
            if group is None:
                group = found[name] = Group("/".join(name), pod.namespace)
            group.counts[member.number] = group.counts.get(member.number, 0) + 1
    return [found[name] for name in sorted(found)]


def namer(matrix: Matrix, by: str) -> Callable[[Pod], tuple[str, ...]]:
    """A function that returns the parts of the name of a pod's group."""
    owners: dict[tuple[str, str, str], ObjectRef] = {}
    snapshot = matrix.snapshot

    def workload(pod: Pod) -> tuple[str, ...]:
        owner = pod.controller
        hashed = (pod.namespace, owner.name if owner else pod.key, pod.meta.labels.get("pod-template-hash", ""))
        ref = owners.get(hashed) if owner else None
        if ref is None or owner is None or (owner.kind not in {"ReplicaSet", ref.kind}):
            ref = owners[hashed] = snapshot.owner_of(pod)
        return (ref.namespace, ref.kind, ref.name)

    if by == "pod":
        return lambda pod: (pod.namespace, pod.name)
    return (lambda pod: (pod.namespace,)) if by == "namespace" else workload


def through_services(proxied: Proxied, matrix: Matrix, by: str, groups: Sequence[Group], rows: Rows) -> Rows:
    """The rows, with the verdicts on connections through Services that have a waypoint in the cells of the pods behind them."""
    named = namer(matrix, by)
    behind: dict[str, list[Entrance]] = defaultdict(list)
    for entrance in proxied.entrances():
        if entrance.backend.pod is not None:
            behind["/".join(named(entrance.backend.pod))].append(entrance)
    places = [(place, behind[group.name]) for place, group in enumerate(groups) if group.name in behind]
    for source, cells in rows:
        for place, entries in places:
            cell = cells[place]
            services = () if cell is None else _services(proxied, [matrix.classes[n] for n in source.counts], entries)
            if cell is not None and services:
                cells[place] = replace(cell, services=services)
        yield source, cells


def _services(proxied: Proxied, sources: Sequence[PodClass], entries: Sequence[Entrance]) -> tuple[ByService, ...]:
    found: dict[tuple[str, int], list[Decided]] = {}
    for entrance in entries:
        key = (f"{entrance.service.meta.namespace}/{entrance.service.meta.name}", entrance.port.number)
        verdicts = (proxied.through(source, entrance) for source in sources)
        found.setdefault(key, []).extend(verdict for verdict in verdicts if verdict is not None)
    return tuple(ByService(*key, agreement(several)) for key, several in found.items() if several)


ClassRows = Iterable[tuple[PodClass, Sequence[Cell]]]
"""Each class with pods as a source, with a cell for each class as a destination (Matrix.rows, Proxied.rows)."""
Rows = Iterator[tuple[Group, list[Cell | None]]]
"""Each group as a source, with a cell for each group as a destination."""


def pairs(class_rows: ClassRows, groups: Sequence[Group]) -> Rows:
    """Each group as a source, with a cell for each group as a destination; None for the pair of a single pod with itself."""
    merger = _Merger()
    firsts = [next(iter(group.counts)) for group in groups]
    several = [place for place, group in enumerate(groups) if len(group.counts) > 1]
    places = {group: place for place, group in enumerate(groups)}
    rows = ((source.endpoint.namespace, source.number, row) for source, row in class_rows)
    by_namespace = {name: list(members) for name, members in groupby(groups, key=lambda group: group.namespace)}
    for namespace, run in groupby(rows, key=lambda row: row[0]):
        known = {number: row for _, number, row in run}
        for group in by_namespace.get(namespace, ()):
            mine = [known[number] for number in group.counts]
            cells: list[Cell | None] = [mine[0][first] for first in firsts]
            if len(mine) > 1:
                for place, other in enumerate(groups):
                    cells[place] = merger.together(row[number] for row in mine for number in other.counts)
            else:
                for place in several:
                    cells[place] = merger.together(mine[0][number] for number in groups[place].counts)
            cells[places[group]] = merger.inside(group, known)
            yield group, cells


class _Merger:
    """Merges the cells of class pairs into one; the same set of cells gives the same object."""

    def __init__(self) -> None:
        self._known: dict[frozenset[Cell], Cell] = {}

    def together(self, cells: Iterator[Cell]) -> Cell:
        """Merge several cells into one."""
        distinct = frozenset(cells)
        if len(distinct) == 1:
            return next(iter(distinct))
        known = self._known.get(distinct)
        if known is None:
            known = self._known[distinct] = merged(distinct)
        return known

    def inside(self, group: Group, rows: dict[int, Sequence[Cell]]) -> Cell | None:
        """The merged cell of the pods of one group with each other; no pod is paired with itself."""
        counts = group.counts
        cells = [rows[a][b] for a in counts for b in counts if a != b or counts[a] > 1]
        return self.together(iter(cells)) if cells else None


def merged(cells: frozenset[Cell]) -> Cell:
    """Merge cells by port: the common verdict where they agree, unknown where one is unknown, else mixed (as in Engine)."""
    tcp, udp, sctp = (_merged_segments([cell.of(protocol) for cell in cells]) for protocol in PROTOCOLS)
    return Cell(tcp, udp, sctp)


def _merged_segments(several: Sequence[Sequence[Segment]]) -> tuple[Segment, ...]:
    ends = sorted({segment.last for segments in several for segment in segments})
    found: list[Segment] = []
    first = FIRST_PORT
    for last in ends:
        decided = agreement([next(s.decided for s in segments if last <= s.last) for segments in several])
        if found and found[-1].decided == decided:
            found[-1] = Segment(found[-1].first, last, decided)
        else:
            found.append(Segment(first, last, decided))
        first = last + 1
    assert not ends or ends[-1] == LAST_PORT  # noqa: S101  (every cell covers all ports)
    return tuple(found)
