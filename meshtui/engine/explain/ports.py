"""Cells as text: ports, verdicts, deciding objects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from meshtui.engine.decision.ruling import Decided, Ruling
from meshtui.engine.matrix.cells import Cell
from meshtui.engine.matrix.left import PROTOCOLS
from meshtui.engine.matrix.ports import FIRST_PORT, LAST_PORT, Range
from meshtui.model.verdict import Decision

ON_REQUEST = "depends on the request"
"""The words for a verdict that is unknown only because no request is given."""
_ORDER = {decision: place for place, decision in enumerate(Decision)}


@dataclass(frozen=True, slots=True)
class Answer:
    """All ports of a pair, over all protocols, with the same verdict by the same object."""

    decision: Decision
    ruling: Ruling
    ports: str

    @property
    def on_request(self) -> bool:
        """Whether the verdict is unknown only because no request is given."""
        return self.ruling.on_request

    @property
    def by(self) -> str:
        """The layer and the deciding object with its rule; ``no policy`` when nothing selects the flow."""
        return _by(self.decision, self.ruling)

    @property
    def decided_by(self) -> dict[str, str | None] | None:
        """The deciding object as JSON (docs/contracts.md, Decider), or None."""
        decider = self.ruling.decider
        if decider is None:
            return None
        return {"kind": decider.ref.kind, "namespace": decider.ref.namespace, "name": decider.ref.name, "rule": decider.rule}


@lru_cache(maxsize=65536)
def _by(decision: Decision, ruling: Ruling) -> str:
    decider = ruling.decider
    if decider is None:
        return "no policy" if decision is Decision.ALLOW else ruling.layer.value
    rule = f" {decider.rule}" if decider.rule else ""
    return f"{ruling.layer.value} {decider.ref}{rule}"


def answers(cell: Cell) -> tuple[Answer, ...]:
    """The verdicts of a cell with their ports, allowed ports first."""
    found: dict[Decided, dict[str, list[Range]]] = {}
    for protocol, segments in zip(PROTOCOLS, (cell.tcp, cell.udp, cell.sctp), strict=True):
        for segment in segments:
            found.setdefault(segment.decided, {}).setdefault(protocol, []).append((segment.first, segment.last))
    made = [Answer(decided.decision, decided.ruling, _ports(ranges)) for decided, ranges in found.items()]
    return tuple(sorted(made, key=lambda answer: _ORDER[answer.decision]))


def answers_of_services(cell: Cell) -> tuple[Answer, ...]:
    """The verdicts on connections through Services with a waypoint, in order; ``ports`` names the Service and its port."""
    return tuple(
        Answer(each.decided.decision, each.decided.ruling, f"Service {each.service}:{each.port}") for each in cell.services
    )


def ports_in_words(cell: Cell, decision: Decision) -> str:
    """The ports with one verdict: ``TCP 8080,9000-9099; UDP all``, ``all`` for all ports, empty for none."""
    ranges: dict[str, list[Range]] = {}
    for protocol in PROTOCOLS:
        for segment in cell.of(protocol):
            if segment.decided.decision is decision:
                _add(ranges.setdefault(protocol, []), segment.first, segment.last)
    return _ports(ranges)


def ranges_in_words(ranges: dict[str, list[Range]]) -> str:
    """Format ranges of ports by protocol, like ``ports_in_words``."""
    return _ports(ranges)


def _add(ranges: list[Range], first: int, last: int) -> None:
    if ranges and ranges[-1][1] + 1 == first:
        ranges[-1] = (ranges[-1][0], last)
    else:
        ranges.append((first, last))


def _ports(ranges: dict[str, list[Range]]) -> str:
    if len(ranges) == len(PROTOCOLS) and all(found == [(FIRST_PORT, LAST_PORT)] for found in ranges.values()):
        return "all"
    return "; ".join(f"{protocol} {_ranges(found)}" for protocol, found in ranges.items())


def _ranges(found: list[Range]) -> str:
    if found == [(FIRST_PORT, LAST_PORT)]:
        return "all"
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in found)
