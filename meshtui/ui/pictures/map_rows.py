"""What the rows of a map are: neighbours one by one, an edge on each row, or groups of neighbours by namespace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain

from meshtui.model.flow import Flow
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
MORE = "*"
"""What stands for the namespace in the id of the group of all namespaces that don't fit."""
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


def rows_of(
    neighbours: Sequence[Neighbour], side: str, room: int, opened: AbstractSet[str], kept: Flow | None = None
) -> list[Row]:
    """The rows of a side that has ``room`` rows, the worst first. There are more only if groups are open.

    If each neighbour fits, those with several edges have a row for each as long as there is room. Else the neighbours are
    grouped by namespace, except those denied now for which there is room; the groups that don't fit are one, ``MORE``.
    The flow ``kept`` always has a row, if one of the neighbours has it.
    """
    ordered = worst_first(tuple(neighbours))
    if len(ordered) <= room:
        return list(_one_by_one(ordered, side, room - len(ordered), kept))
    number = len({each.namespace for each in ordered})
    spare = room - number if number <= room else max(room // 3, min(1, room - 1))
    first = [each for each in ordered if _has(each, kept)]
    apart = [*first, *(each for each in ordered if each.denied and not _has(each, kept))][: max(len(first), spare)]
    rows = [row for each in apart for row in _neighbour(each, side, kept=kept)]
    seen = set(map(id, apart))
    groups: dict[str, list[Neighbour]] = {}
    for each in ordered:
        if id(each) not in seen:
            groups.setdefault(each.namespace, []).append(each)
    left = max(1, room - len(rows))
    shown = len(groups) if len(groups) <= left else left - 1
    others: list[list[Neighbour]] = []
    for place, (namespace, members) in enumerate(groups.items()):
        if place < shown or _is_open(namespace, side, opened):
            rows += _namespace(namespace, members, side, opened)
        else:
            others.append(members)
    if others:
        is_open = _is_open(MORE, side, opened)
        name = f"{len(others)} more namespace{'' if len(others) == 1 else 's'}"
        rows.append(_group(MORE, list(chain.from_iterable(others)), side, is_open=is_open, name=name))
        if is_open:
            rows += [row for members in others for row in _namespace(members[0].namespace, members, side, opened)]
    return rows


def _is_open(namespace: str, side: str, opened: AbstractSet[str]) -> bool:
    """Whether a group is open: on both sides (``NAMESPACE``), or on one (``SIDE:NAMESPACE``)."""
    return namespace in opened or f"{side}:{namespace}" in opened


def _namespace(namespace: str, members: Sequence[Neighbour], side: str, opened: AbstractSet[str]) -> list[Row]:
    """The rows of a namespace: an open group, a closed one, or the only neighbour in it."""
    if _is_open(namespace, side, opened):
        rows = [row for each in members for row in _neighbour(each, side, indent=2)]
        return [_group(namespace, members, side, is_open=True), *rows]
    return _neighbour(members[0], side) if len(members) == 1 else [_group(namespace, members, side)]


def _has(neighbour: Neighbour, flow: Flow | None) -> bool:
    return flow is not None and any(edge.flow == flow for edge in neighbour.edges)


def _one_by_one(ordered: Iterable[Neighbour], side: str, spare: int, kept: Flow | None) -> Iterable[Row]:
    for each in ordered:
        further = len(each.edges) - 1
        whole = 0 < further <= spare
        spare -= further if whole else 0
        yield from _neighbour(each, side, whole=whole, kept=kept)


def shown_name(text: str) -> str:
    """A name as it is drawn: cleaned, and never empty."""
    return clean(text).strip() or NAMELESS


def _neighbour(neighbour: Neighbour, side: str, *, whole: bool = False, indent: int = 0, kept: Flow | None = None) -> list[Row]:
    """A neighbour with its worst edge (or that of the flow ``kept``), or a row for each edge.

    In an open group (``indent``) its namespace isn't repeated.
    """
    own = neighbour.name.removeprefix(f"{neighbour.namespace}/") if indent else neighbour.name
    name = " " * indent + shown_name(own)
    edges = sorted(worst_edges(neighbour), key=lambda edge: edge.flow != kept)
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


def _group(namespace: str, members: Sequence[Neighbour], side: str, *, is_open: bool = False, name: str = "") -> Row:
    """The row of a group, with the numbers of its neighbours by their worst edge: ``2 ✗ 5 ✓``."""
    name = name or (shown_name(namespace) if namespace else NO_NAMESPACE)
    text = f"{OPEN if is_open else CLOSED} {name}"
    return Row(text, f"{GROUP}{side}:{namespace}", counts=counts_of(members), header=is_open, tone=STRONG)


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
