"""The changes of a verdict from one Snapshot to another: opened, closed, unsure or settled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from meshtui.engine.decision.ruling import Decided
from meshtui.engine.matrix.cells import Cell
from meshtui.engine.matrix.left import PROTOCOLS
from meshtui.engine.matrix.ports import Range, union
from meshtui.model.flow import Flow
from meshtui.model.verdict import Decision, Verdict


class What(Enum):
    """The change of a flow. Reversed, opened and closed are exchanged, and so are unsure and settled."""

    OPENED = "opened"
    CLOSED = "closed"
    UNSURE = "unsure"
    """The verdict was known, and no longer is."""
    SETTLED = "settled"
    """The verdict wasn't known, and now is (or the flow no longer exists)."""


_REACH = {None: 0, Decision.DENY: 0, Decision.MIXED: 1, Decision.ALLOW: 2}


def what_of(before: Decision | None, after: Decision | None) -> What | None:
    """The shift that a change of decision means, or None. A decision of None means that an end doesn't exist."""
    if before is after:
        return None
    if after is Decision.UNKNOWN:
        return What.UNSURE
    if before is Decision.UNKNOWN:
        return What.SETTLED
    gained = _REACH[after] - _REACH[before]
    return None if not gained else What.OPENED if gained > 0 else What.CLOSED


Ports = tuple[tuple[str, tuple[Range, ...]], ...]
"""Ranges of ports by protocol, in the order of PROTOCOLS."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A change of the flows from one workload to another, on some ports.

    ``source`` and ``destination`` are NAMESPACE/KIND/NAME (a Service's port is in ``ports``), or ``external``. ``before`` and
    ``after`` are None when an end doesn't exist. ``some`` means that only some pairs of their pods are affected. ``flow`` is the
    flow that was evaluated, if it has a request or a Service.
    """

    source: str
    destination: str
    what: What
    ports: Ports
    before: Decided | None
    after: Decided | None
    some: bool = False
    flow: Flow | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One change of decision, and its ports."""

    what: What
    before: Decided | None
    after: Decided | None
    ports: Ports


def turns(before: Cell | None, after: Cell | None) -> tuple[Turn, ...]:
    """The changes of a pair of classes; a cell is None when one of the classes has no pods."""
    found: dict[tuple[What, Decided | None, Decided | None], dict[str, list[Range]]] = {}
    for protocol in PROTOCOLS:
        for first, last, old, new in _joined(before, after, protocol):
            what = what_of(decision_of(old), decision_of(new))
            if what is not None:
                found.setdefault((what, old, new), {}).setdefault(protocol, []).append((first, last))
    return tuple(Turn(what, old, new, ports_of(ranges)) for (what, old, new), ranges in found.items())


def _joined(before: Cell | None, after: Cell | None, protocol: str) -> list[tuple[int, int, Decided | None, Decided | None]]:
    """The ranges within which neither side changes: (first, last, old, new)."""
    sides = [cell.of(protocol) if cell is not None else () for cell in (before, after)]
    ends = sorted({segment.last for side in sides for segment in side})
    places = [0, 0]
    found, first = [], 1
    for last in ends:
        now: list[Decided | None] = []
        for number, side in enumerate(sides):
            while side and side[places[number]].last < last:
                places[number] += 1
            now.append(side[places[number]].decided if side else None)
        found.append((first, last, now[0], now[1]))
        first = last + 1
    return found


def ports_of(ranges: dict[str, list[Range]]) -> Ports:
    """Ranges by protocol, merged and in order."""
    return tuple((protocol, tuple(union(ranges[protocol], []))) for protocol in PROTOCOLS if ranges.get(protocol))


def decision_of(said: Decided | Verdict | None) -> Decision | None:
    """The decision of a verdict, or None without one."""
    return None if said is None else said.decision


def order_of(shift: Shift) -> tuple[object, ...]:
    """A sort key for shifts: source and destination, then ports, request and deciding object."""
    flow = str(shift.flow.http) if shift.flow and shift.flow.http else ""
    return (shift.source, shift.destination, shift.ports, flow, str(shift.before), str(shift.after))
