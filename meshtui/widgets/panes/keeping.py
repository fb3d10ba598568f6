"""Rows that stay as they are while what they are made of stays: after a change of 100 of 10,000 objects, 100 rows are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from meshtui.model.workload import MeshMode, Pod
from meshtui.session import Session
from meshtui.widgets.table import Row

Made = tuple[tuple[object, ...], Row]
_ROWS: WeakKeyDictionary[Session, dict[str, dict[str, Made]]] = WeakKeyDictionary()

Shape = tuple[tuple[Mapping[str, str], bool, MeshMode], ...]
"""What policies can see of the pods of a namespace: labels, whether it has ended, and mesh mode, in order."""
_SHAPES: WeakKeyDictionary[Session, dict[str, tuple[tuple[object, ...], Shape]]] = WeakKeyDictionary()


class Kept:
    """The rows of one pane: those of the last time, and those of this time."""

    def __init__(self, before: Mapping[str, Made]) -> None:
        self._before = before
        self.now: dict[str, Made] = {}

    def row(self, uid: str, made_of: tuple[object, ...], make: Callable[[], Row]) -> Row:
        """The row of an object, made anew only when something that it is made of is another."""
        old = self._before.get(uid)
        row = old[1] if old is not None and old[0] == made_of else make()
        self.now[uid] = (made_of, row)
        return row


@contextmanager
def keeping(session: Session, pane: str) -> Iterator[Kept]:
    """Make the rows of a pane; those that were made before and aren't asked for this time are forgotten."""
    panes = _ROWS.setdefault(session, {})
    kept = Kept(panes.get(pane, {}))
    yield kept
    panes[pane] = kept.now


def shapes(session: Session) -> Mapping[str, Shape]:
    """The shape of each namespace; the same object as long as it is the same shape."""
    snapshot, before = session.snapshot, _SHAPES.get(session, {})
    found: dict[str, tuple[tuple[object, ...], Shape]] = {}
    for name, pods in snapshot.pods_by_namespace.items():
        made_of = (pods, snapshot.namespace_by_name.get(name), snapshot.live)
        old = before.get(name)
        if old is not None and all(a is b for a, b in zip(old[0], made_of, strict=True)):
            found[name] = old
            continue
        shape = tuple((pod.labels, pod.completed, _mode(session, pod)) for pod in pods)
        found[name] = (made_of, old[1] if old is not None and old[1] == shape else shape)
    _SHAPES[session] = found
    return {name: shape for name, (_, shape) in found.items()}


def _mode(session: Session, pod: Pod) -> MeshMode:
    return session.snapshot.mesh_mode(pod)
