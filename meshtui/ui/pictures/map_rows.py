"""What the rows of a map are: neighbours one by one, an edge on each row, or groups of neighbours by namespace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from meshtui.model.verdict import Decision
from meshtui.ui.document import BAD, DIM, OK, PLAIN, STRONG, WARN
from meshtui.ui.links import Link
from meshtui.ui.pictures.map_data import Edge, Neighbour, Probed, worst_edges, worst_first
from meshtui.ui.text import clean
from meshtui.ui.verdicts import VERDICTS

NO_NAMESPACE = "no namespace"
"""The name of the group of what has no namespace."""
NAMELESS = "(no name)"
GROUP = "group:"
"""What the id of a group's item begins with; then come the side and the namespace."""
CLOSED, OPEN = "▸", "▾"
MARKS: dict[Probed, tuple[str, str]] = {
    "agrees": ("=", OK),
    "disagrees": ("≠", BAD),
    "old": ("old", WARN),
    None: ("", PLAIN),
}
"""Mark and tone of what a probe says."""
_ORDER = (Decision.DENY, Decision.UNKNOWN, Decision.MIXED, Decision.ALLOW)
_MOST_COUNT = 9_999
Words = tuple[tuple[str, str], ...]
"""Pairs of a text and its tone."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a side of a map.

    ``first`` and ``last`` say which of a neighbour's edges it has. The name stands on the first. ``counts`` are those of a group.
    """

    name: str
    name_id: str = ""
    link: Link | None = None
    edge: Edge | None = None
    more: int = 0
    """The number of edges that have no row."""
    counts: Words = ()
    first: bool = True
    last: bool = True
    header: bool = False
    """Whether it only names the open group of the rows below."""
    tone: str = PLAIN

    @property
    def joined(self) -> bool:
        """Whether a line leads from it to the centre."""
        return not self.header

    @property
    def flows(self) -> bool:
        """Whether its line is whole: not all traffic is denied."""
        if self.edge is None:
            return not self.counts or any(text for text, _ in self.counts[1:-1])
        return self.edge.decision is not Decision.DENY


def rows_of(neighbours: Sequence[Neighbour], side: str, room: int, opened: AbstractSet[str]) -> list[Row]:
    """The rows of a side that has ``room`` rows, the worst first. There are more only if groups are open, or too many.

    If each neighbour fits, those with several edges have a row for each as long as there is room. Else the neighbours are
    grouped by namespace, except those denied now for which there is room.
    """
    ordered = worst_first(tuple(neighbours))
    if len(ordered) <= room:
        return list(_one_by_one(ordered, side, room - len(ordered)))
    groups: dict[str, list[Neighbour]] = {}
    for each in ordered:
        groups.setdefault(each.namespace, []).append(each)
    spare = max(0, room - len(groups))
    apart = {id(each) for each in [each for each in ordered if each.denied][:spare]}
    rows: list[Row] = [row for each in ordered if id(each) in apart for row in _neighbour(each, side)]
    for namespace, members in groups.items():
        if namespace in opened:
            rest = [each for each in members if id(each) not in apart]
            rows.append(_group(namespace, rest, side, is_open=True))
            rows += [row for each in rest for row in _neighbour(each, side, indent=2)]
            continue
        rest = [each for each in members if id(each) not in apart]
        if len(rest) == 1:
            rows += _neighbour(rest[0], side)
        elif rest:
            rows.append(_group(namespace, rest, side))
    return rows


def _one_by_one(ordered: Iterable[Neighbour], side: str, spare: int) -> Iterable[Row]:
    for each in ordered:
        further = len(each.edges) - 1
        whole = 0 < further <= spare
        spare -= further if whole else 0
        yield from _neighbour(each, side, whole=whole)


def shown_name(text: str) -> str:
    """A name as it is drawn: cleaned, and never empty."""
    return clean(text).strip() or NAMELESS


def _neighbour(neighbour: Neighbour, side: str, *, whole: bool = False, indent: int = 0) -> list[Row]:
    """A neighbour with its worst edge, or a row for each edge."""
    name = " " * indent + shown_name(neighbour.name)
    edges = worst_edges(neighbour)
    head = Row(name, f"{side}:{neighbour.ref} {neighbour.name}", neighbour.link, tone=BAD if neighbour.denied else PLAIN)
    if not edges:
        return [head]
    shown = edges if whole else edges[:1]
    more = len(edges) - len(shown)
    return [
        Row(
            head.name if index == 0 else "",
            head.name_id,
            head.link,
            edge,
            more,
            first=index == 0,
            last=index == len(shown) - 1,
            tone=head.tone,
        )
        for index, edge in enumerate(shown)
    ]


def _group(namespace: str, members: Sequence[Neighbour], side: str, *, is_open: bool = False) -> Row:
    """The row of a group, with the numbers of its neighbours by their worst edge: ``2 ✗ 5 ✓``."""
    name = f"{OPEN if is_open else CLOSED} {shown_name(namespace) if namespace else NO_NAMESPACE}"
    return Row(name, f"{GROUP}{side}:{namespace}", counts=counts_of(members), header=is_open, tone=STRONG)


def counts_of(members: Iterable[Neighbour]) -> Words:
    """The numbers of neighbours by their worst edge, those without one, and how often flows are denied now. Some are empty."""
    found: Counter[Decision] = Counter()
    denied = alone = 0
    for each in members:
        edges = worst_edges(each)
        denied += each.denied
        if edges:
            found[edges[0].decision] += 1
        else:
            alone += 1
    words = [
        (f"{found[decision]} {VERDICTS[decision][0][0]}" if found[decision] else "", VERDICTS[decision][1]) for decision in _ORDER
    ]
    return (*words, (str(alone) if alone else "", DIM), (times(denied), BAD))


def times(number: int) -> str:
    """A number of denials, in at most six cells; empty for none."""
    return f"×{min(number, _MOST_COUNT)}{'+' if number > _MOST_COUNT else ''}" if number else ""
