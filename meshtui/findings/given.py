"""Whether the input holds a namespace's own objects: only then an object that isn't there is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from meshtui.kinds.unread import anywhere
from meshtui.model.ids import ObjectRef
from meshtui.model.meta import Meta
from meshtui.model.snapshot import Snapshot

_ALIKE: Mapping[str, Callable[[Snapshot], Iterable[Meta]]] = {
    "Service": lambda snapshot: (each.meta for each in snapshot.services.values()),
    "ServiceEntry": lambda snapshot: (each.meta for each in snapshot.service_entries.values()),
    "Gateway": lambda snapshot: (each.meta for each in snapshot.gateways.values()),
    "ReferenceGrant": lambda snapshot: (each.meta for each in snapshot.reference_grants.values()),
}


def labels_not_given(snapshot: Snapshot, namespace: str) -> str:
    """The end of a sentence if the labels of a namespace aren't in the input, which may say otherwise; else empty."""
    space = snapshot.namespace_by_name.get(namespace)
    if snapshot.live or (space is not None and space.known):
        return ""
    return "; its namespace, whose label may do so, isn't in the input"


def not_given(snapshot: Snapshot, ref: ObjectRef) -> str:
    """Why an object that isn't in the input may exist, as the end of a sentence; empty if nothing says so.

    A folder often holds the objects of one team, or those of one kind: if it has neither the Namespace nor another object of the
    kind in it, nothing is known. A cluster holds everything.
    """
    if snapshot.live:
        return ""
    space = snapshot.namespace_by_name.get(ref.namespace)
    alike = _ALIKE[ref.kind](snapshot) if ref.kind in _ALIKE else ()
    if (space is None or not space.known) and all(meta.namespace != ref.namespace for meta in alike):
        return f"; the input has no {ref.kind} of namespace {ref.namespace}, so it may be elsewhere"
    reading = snapshot.reading
    if reading is not None and reading.skipped:
        return "; it may be in what was skipped"
    maker = next((each for each in reading.makers if anywhere(each.kind)), None) if reading is not None else None
    return f"; it may be made from {maker}" if maker is not None else ""
