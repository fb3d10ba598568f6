"""Which objects have a map, and which of its flows is the worst."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from meshtui.kinds.registry import POLICY_KINDS
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.ui.pictures.map_data import MapData, worst_edges, worst_first


def has_map(snapshot: Snapshot, ref: ObjectRef) -> bool:
    """Whether there is a map of an object."""
    return ref.kind in {"Namespace", "Service", *POLICY_KINDS} or ref in snapshot.workloads


def worst_flow(data: MapData, suspects: AbstractSet[ObjectRef] = frozenset()) -> Flow | None:
    """The flow to look at first: one that is denied now, one between objects of findings (``suspects``), else the worst one."""
    found = [
        (0 if edge.denied else 1, each.ref not in suspects, edge.rank, order, edge.flow)
        for order, side in enumerate((data.callees, data.callers))
        for each in worst_first(side)
        for edge in worst_edges(each)[:1]
    ]
    return min(found, key=lambda each: each[:4])[4] if found else None
