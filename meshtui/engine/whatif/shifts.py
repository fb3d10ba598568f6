"""What becomes of a verdict from one Snapshot to another: opened, closed, or not known any more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from meshtui.engine.matrix.cells import Cell
from meshtui.engine.matrix.partition import PROTOCOLS
from meshtui.engine.matrix.ports import Decided, Range, Ruling, union
from meshtui.model.flow import Flow
from meshtui.model.verdict import Decision, Verdict


class What(Enum):
    """What happened to a flow. Forwards and backwards, opened and closed change places, and so do the other two."""

    OPENED = "opened"
    CLOSED = "closed"
    UNSURE = "unsure"
    """It was known, and isn't any more."""
    SETTLED = "settled"
    """It wasn't known, and is now (or is gone)."""

    @property
    def mirrored(self) -> What:
        """What it is backwards."""
        return {
            What.OPENED: What.CLOSED,
            What.CLOSED: What.OPENED,
            What.UNSURE: What.SETTLED,
            What.SETTLED: What.UNSURE,
        }[self]


_REACH = {None: 0, Decision.DENY: 0, Decision.MIXED: 1, Decision.ALLOW: 2}


def what_of(before: Decision | None, after: Decision | None) -> What | None:
    """What a change of decision means, or None for nothing. None as a decision: an end isn't there."""
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
    """What becomes of the flows from one workload to another, on some ports.

    ``source`` and ``destination`` are NAMESPACE/KIND/NAME (a Service's port stands in ``ports``), or ``external``. ``before``
    and ``after`` are None where one of them isn't there. ``some``: it is so for some of their pods only. ``flow`` is the one
    that was judged where a request or a Service was.
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
    """One change of decision, and the ports on which it happens."""

    what: What
    before: Decided | None
    after: Decided | None
    ports: Ports


def turns(before: Cell | None, after: Cell | None) -> tuple[Turn, ...]:
    """What becomes of a pair of classes; None where one of them has no pods."""
    found: dict[tuple[What, Decided | None, Decided | None], dict[str, list[Range]]] = {}
    for protocol in PROTOCOLS:
        for first, last, old, new in _joined(before, after, protocol):
            what = what_of(decision_of(old), decision_of(new))
            if what is not None:
                found.setdefault((what, old, new), {}).setdefault(protocol, []).append((first, last))
    return tuple(Turn(what, old, new, ports_of(ranges)) for (what, old, new), ranges in found.items())


def _joined(before: Cell | None, after: Cell | None, protocol: str) -> list[tuple[int, int, Decided | None, Decided | None]]:
    """The ranges on which neither side changes: (first, last, old, new)."""
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
    """The decision of a verdict, where there is one."""
    return None if said is None else said.decision


def decided_of(verdict: Verdict | None) -> Decided | None:
    """A verdict without its ladder."""
    return None if verdict is None else Decided(verdict.decision, Ruling(verdict.layer, verdict.decided_by, verdict.outcome))


def order_of(shift: Shift) -> tuple[object, ...]:
    """Shifts by source and destination, then by what decides."""
    flow = str(shift.flow.http) if shift.flow and shift.flow.http else ""
    return (shift.source, shift.destination, shift.ports, flow, str(shift.before), str(shift.after))
