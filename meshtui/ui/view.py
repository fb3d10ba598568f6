"""The cache of a screen: table rows that are still valid, and the marks of findings that were drawn last.

After a change of 100 of 10,000 objects, only 100 rows are created.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from meshtui.engine import Engine
from meshtui.engine.explain.selected import Selected
from meshtui.model.workload import MeshMode
from meshtui.session import Session
from meshtui.ui.finding_marks import Marks
from meshtui.ui.widgets.table import Row

Made = tuple[tuple[object, ...], Row]
Shape = tuple[tuple[Mapping[str, str], bool, MeshMode], ...]
"""The properties of a namespace's pods that policies can match, in order: labels, whether the pod has ended, and mesh mode."""


class Kept:
    """The rows of one pane: those of the last rendering, and those of the current one."""

    def __init__(self, before: Mapping[str, Made]) -> None:
        self._before = before
        self.now: dict[str, Made] = {}

    def row(self, uid: str, made_of: tuple[object, ...], make: Callable[[], Row]) -> Row:
        """The row of an object; it is created again only when a part of ``made_of`` has changed."""
        old = self._before.get(uid)
        row = old[1] if old is not None and old[0] == made_of else make()
        self.now[uid] = (made_of, row)
        return row


class View:
    """A session as shown by one screen. Rows are created on the event loop; ``last_marks`` may be read in a thread."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.last_marks = Marks()
        """The marks that were drawn last."""
        self._rows: dict[str, dict[str, Made]] = {}
        self._selected: tuple[Engine, Selected] | None = None
        self._shapes: dict[str, tuple[tuple[object, ...], Shape]] = {}

    def marks(self) -> Marks:
        """The marks of the session's current findings."""
        self.last_marks = self.last_marks.of(self.session.looking.report)
        return self.last_marks

    def selected(self) -> Selected:
        """What policies of the network select in the current Snapshot."""
        engine = self.session.engine
        if self._selected is None or self._selected[0] is not engine:
            self._selected = engine, Selected(engine)
        return self._selected[1]

    @contextmanager
    def keeping(self, pane: str) -> Iterator[Kept]:
        """Provide the rows of a pane; rows that aren't requested inside the context are dropped."""
        kept = Kept(self._rows.get(pane, {}))
        yield kept
        self._rows[pane] = kept.now

    def shapes(self) -> Mapping[str, Shape]:
        """The shape of each namespace; the same object as long as the shape is equal."""
        snapshot = self.session.snapshot
        found: dict[str, tuple[tuple[object, ...], Shape]] = {}
        for name, pods in snapshot.pods_by_namespace.items():
            made_of = (pods, snapshot.namespace_by_name.get(name), snapshot.live)
            old = self._shapes.get(name)
            if old is not None and all(a is b for a, b in zip(old[0], made_of, strict=True)):
                found[name] = old
                continue
            shape = tuple((pod.labels, pod.completed, snapshot.mesh_mode(pod)) for pod in pods)
            found[name] = (made_of, old[1] if old is not None and old[1] == shape else shape)
        self._shapes = found
        return {name: shape for name, (_, shape) in found.items()}
