"""Which objects have a map, and which of its flows is the worst."""

from __future__ import annotations

from meshtui.kinds.registry import POLICY_KINDS
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.ui.pictures.map_data import MapData, worst_edges, worst_first


def has_map(snapshot: Snapshot, ref: ObjectRef) -> bool:
    """Whether there is a map of an object."""
    return ref.kind in {"Namespace", "Service", *POLICY_KINDS} or ref in snapshot.workloads


def worst_flow(data: MapData) -> Flow | None:
    """The flow to look at first: the worst one of the callees, then of the callers."""
    edges = [edge for side in (data.callees, data.callers) for each in worst_first(side)[:1] for edge in worst_edges(each)[:1]]
    return min(edges, key=lambda edge: edge.rank).flow if edges else None
