"""Whether the input holds a namespace's own objects: only then an object that isn't there is missing."""

from __future__ import annotations

from meshtui.kinds.unread import anywhere
from meshtui.model.snapshot import Snapshot


def not_given(snapshot: Snapshot, namespace: str) -> str:
    """Why an object of a namespace may exist without being in the input, as the end of a sentence; empty if nothing says so.

    A folder often holds the objects of one team: of a namespace that isn't among them, with neither the Namespace nor a Service
    or Gateway, nothing is known. A cluster holds everything.
    """
    if snapshot.live:
        return ""
    space = snapshot.namespace_by_name.get(namespace)
    homes = {*(s.meta.namespace for s in snapshot.services.values()), *(g.meta.namespace for g in snapshot.gateways.values())}
    if (space is None or not space.known) and namespace not in homes:
        return f"; the input has nothing else of namespace {namespace}, so it may be elsewhere"
    reading = snapshot.reading
    if reading is not None and reading.skipped:
        return "; it may be in what was skipped"
    maker = next((each for each in reading.makers if anywhere(each.kind)), None) if reading is not None else None
    return f"; it may be made from {maker}" if maker is not None else ""
