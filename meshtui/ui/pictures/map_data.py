"""A map as data: a workload, namespace or policy, who calls it, whom it calls, and what is decided about each flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from meshtui.model.flow import Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decision

Probed: TypeAlias = Literal["agrees", "disagrees", "old"] | None
"""What a probe of a flow says about its verdict; None: it wasn't probed, or its probe can't tell."""

_WORST = {Decision.DENY: 1, Decision.UNKNOWN: 2, Decision.MIXED: 3, Decision.ALLOW: 4}
NO_EDGE = 5
"""The rank of a neighbour without an edge."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One flow between a neighbour and the centre.

    ``port`` is its text (``:8080``), ``by`` the deciding policy, ``denied`` how often the flow is being denied now.
    """

    flow: Flow
    port: str
    decision: Decision
    by: ObjectRef | None = None
    denied: int = 0
    probed: Probed = None

    @property
    def rank(self) -> int:
        """How bad it is: 0 is denied now, then deny, unknown, mixed, and 4 is allow."""
        return 0 if self.denied else _WORST[self.decision]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One end of edges. ``ref`` is an object, or an endpoint that is none: a host, an address, what is outside.

    ``name`` is what is shown; ``namespace`` is that by which neighbours are grouped, empty for what has none.
    """

    ref: ObjectRef | FlowEndpoint
    name: str
    namespace: str
    edges: tuple[Edge, ...] = ()

    @property
    def rank(self) -> int:
        """The rank of its worst edge."""
        return min((edge.rank for edge in self.edges), default=NO_EDGE)

    @property
    def denied(self) -> int:
        """How often its flows are being denied now."""
        return sum(edge.denied for edge in self.edges)

    @property
    def link(self) -> ObjectRef | None:
        """The object that it is, if it is one."""
        return self.ref if isinstance(self.ref, ObjectRef) else None


@dataclass(frozen=True, slots=True)
class MapData:
    """What a map shows.

    ``identity`` is short (``sa/default``), ``mode`` the mesh mode in words. ``selected`` is whom a policy selects. ``left_out``
    is the number of flows that weren't evaluated.
    """

    name: str
    identity: str = ""
    mode: str = ""
    callers: tuple[Neighbour, ...] = ()
    callees: tuple[Neighbour, ...] = ()
    selected: tuple[Neighbour, ...] = ()
    ref: ObjectRef | None = None
    left_out: int = 0


def worst_first(neighbours: tuple[Neighbour, ...]) -> list[Neighbour]:
    """The neighbours, those with the worst edges first: denied now (most often first), deny, unknown, mixed, allow."""
    return sorted(neighbours, key=lambda each: (each.rank, -each.denied, each.namespace, each.name))


def worst_edges(neighbour: Neighbour) -> list[Edge]:
    """A neighbour's edges, the worst first."""
    return sorted(neighbour.edges, key=lambda edge: (edge.rank, -edge.denied))
