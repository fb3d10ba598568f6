"""Pairs of what people name: pods, workloads or namespaces, each standing for one or more classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.matrix.cells import Cell, Segment
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.partition import PROTOCOLS
from meshtui.engine.matrix.ports import FIRST_PORT, LAST_PORT, Decided
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decision

BY = ("workload", "pod", "namespace")


@dataclass(slots=True, eq=False)
class Group:
    """Pods under one name: how many of them are in which class."""

    name: str
    namespace: str
    counts: dict[int, int] = field(default_factory=dict)


def groups_of(matrix: Matrix, by: str) -> list[Group]:
    """The groups of a matrix by namespace and name: workloads as NAMESPACE/KIND/NAME, pods as NAMESPACE/NAME."""
    found: dict[tuple[str, ...], Group] = {}
    owners: dict[tuple[str, str, str], ObjectRef] = {}
    snapshot = matrix.snapshot
    for member in matrix.classes:
        for key, pod in member.pods.items():
            if by == "pod":
                name: tuple[str, ...] = (pod.namespace, pod.name)
            elif by == "namespace":
                name = (pod.namespace,)
            else:
                owner = pod.controller
                hashed = (pod.namespace, owner.name if owner else key, pod.meta.labels.get("pod-template-hash", ""))
                ref = owners.get(hashed) if owner else None
                if ref is None or owner is None or (owner.kind not in {"ReplicaSet", ref.kind}):
                    ref = owners[hashed] = snapshot.owner_of(pod)
                name = (ref.namespace, ref.kind, ref.name)
            group = found.get(name)
            if group is None:
                group = found[name] = Group("/".join(name), pod.namespace)
            group.counts[member.number] = group.counts.get(member.number, 0) + 1
    return [found[name] for name in sorted(found)]


ClassRows = Iterable[tuple[PodClass, Sequence[Cell]]]
"""Each class that has pods as a source, with a cell for each class as a destination (Matrix.rows, Proxied.rows)."""


def pairs(class_rows: ClassRows, groups: Sequence[Group]) -> Iterator[tuple[Group, list[Cell | None]]]:
    """Each group as a source, with a cell for each group as a destination; None where a group has only itself to meet."""
    merger = _Merger()
    firsts = [next(iter(group.counts)) for group in groups]
    several = [place for place, group in enumerate(groups) if len(group.counts) > 1]
    places = {id(group): place for place, group in enumerate(groups)}
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
            cells[places[id(group)]] = merger.inside(group, known)
            yield group, cells


class _Merger:
    """Puts the cells of class pairs together to one; the same cells give the same object."""

    def __init__(self) -> None:
        self._known: dict[frozenset[Cell], Cell] = {}

    def together(self, cells: Iterator[Cell]) -> Cell:
        """One cell for several."""
        distinct = frozenset(cells)
        if len(distinct) == 1:
            return next(iter(distinct))
        known = self._known.get(distinct)
        if known is None:
            known = self._known[distinct] = merged(distinct)
        return known

    def inside(self, group: Group, rows: dict[int, Sequence[Cell]]) -> Cell | None:
        """The pods of one group among themselves; no pod is paired with itself."""
        counts = group.counts
        cells = [rows[a][b] for a in counts for b in counts if a != b or counts[a] > 1]
        return self.together(iter(cells)) if cells else None


def merged(cells: frozenset[Cell]) -> Cell:
    """One cell for the pairs of several: where they agree their verdict, doubt where one doubts, else mixed (as Engine)."""
    tcp, udp, sctp = (_merged_segments([cell.of(protocol) for cell in cells]) for protocol in PROTOCOLS)
    return Cell(tcp, udp, sctp)


def _merged_segments(several: Sequence[Sequence[Segment]]) -> tuple[Segment, ...]:
    ends = sorted({segment.last for segments in several for segment in segments})
    found: list[Segment] = []
    first = FIRST_PORT
    for last in ends:
        decided = _agreed([next(s.decided for s in segments if last <= s.last) for segments in several])
        if found and found[-1].decided == decided:
            found[-1] = Segment(found[-1].first, last, decided)
        else:
            found.append(Segment(first, last, decided))
        first = last + 1
    assert not ends or ends[-1] == LAST_PORT  # noqa: S101  (every cell covers all ports)
    return tuple(found)


def _agreed(verdicts: Sequence[Decided]) -> Decided:
    decisions = {verdict.decision for verdict in verdicts}
    least = sorted(verdicts, key=_order)
    if len(decisions) == 1:
        return least[0]
    if Decision.UNKNOWN in decisions:
        return next(verdict for verdict in least if verdict.decision is Decision.UNKNOWN)
    blocked = next(verdict for verdict in least if verdict.decision in {Decision.DENY, Decision.MIXED})
    return Decided(Decision.MIXED, blocked.ruling)


def _order(verdict: Decided) -> tuple[bool, str, str]:
    decider = verdict.ruling.decider
    return (decider is None, str(decider and decider.ref), str(decider))
