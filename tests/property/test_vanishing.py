"""Objects vanish at any moment, also while a picture or a detail of them is computed in a thread: nothing fails by that."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.screens.acting import workload_ref
from meshtui.screens.follow import place_of
from meshtui.session import Session
from meshtui.session.current import Current
from meshtui.settings import Settings
from meshtui.ui.copying import command_of
from meshtui.ui.flow_path import path_of
from meshtui.ui.labels import labels_by_uid
from meshtui.ui.mapped import has_map, worst_flow
from meshtui.ui.mapping import map_of
from meshtui.ui.panes import panes
from meshtui.ui.pictures.map import draw_map
from meshtui.ui.pictures.path import draw_path
from meshtui.ui.related import related, uids_of
from meshtui.ui.view import View
from tests.fakes.frozen import NOW, FrozenSource, bookstore

FIELDS = ("namespaces", "pods", "services", "controllers", "authorization_policies", "network_policies")


class Racing(Session):
    """A session whose Snapshot is another one each time somebody looks, as it may be in a thread."""

    worlds: Iterator[Snapshot] | None = None

    def _next(self) -> None:
        if self.worlds is not None:
            self._current = Current(next(self.worlds))

    @property
    def snapshot(self) -> Snapshot:
        self._next()
        return super().snapshot

    @property
    def engine(self):  # type: ignore[no-untyped-def]  # as the session's
        self._next()
        return super().engine


def without_some(snapshot: Snapshot, seed: int) -> Snapshot:
    chance = random.Random(seed)
    kept = {
        field: {uid: obj for uid, obj in getattr(snapshot, field).items() if chance.random() > 0.5}
        for field in FIELDS
        if chance.random() > 0.3
    }
    return replace(snapshot, **kept)


def racing(seeds: list[int]) -> Racing:
    session = Racing(FrozenSource(bookstore()), Settings(), clock=lambda: NOW)
    session.publish(bookstore())
    session.worlds = cycle([without_some(bookstore(), seed) for seed in seeds])
    return session


REFS = sorted(
    {
        *bookstore().workloads,
        *(n.meta.ref for n in bookstore().namespaces.values()),
        *(s.meta.ref for s in bookstore().services.values()),
        *(p.meta.ref for p in bookstore().authorization_policies.values()),
        *(p.meta.ref for p in bookstore().network_policies.values()),
        ObjectRef("Node", "", "nowhere"),
        ObjectRef("Pod", "ecom", "nobody"),
    }
)
SEEDS = st.lists(st.integers(0, 9999), min_size=2, max_size=5)


@pytest.mark.parametrize("ref", REFS, ids=str)
@settings(max_examples=6)
@given(seeds=SEEDS)
def test_maps_paths_and_marks_bear_it(ref: ObjectRef, seeds: list[int]) -> None:
    session = racing(seeds)
    has_map(session.snapshot, ref)
    uids_of(session.snapshot, related(session.snapshot, ref))
    place_of(session.snapshot, ref)
    command_of(ref, session)
    data = map_of(session, ref)
    if data is None:
        return
    draw_map(data, 80, 20)
    flow = worst_flow(data)
    if flow is not None:
        explain(session, flow)


def explain(session: Session, flow: Flow) -> None:
    command_of(flow, session)
    workload_ref(session.snapshot, flow.source)
    verdict, seen = session.verdict(flow), session.observations.get(flow)
    data = path_of(flow, verdict, session.snapshot, seen, old=session.outdated(flow), now=session.clock())
    draw_path(data, 80, 9)


@pytest.mark.parametrize("pane", panes(), ids=lambda pane: pane.id)
@settings(max_examples=12)
@given(seeds=SEEDS)
def test_details_of_every_pane_bear_it(pane, seeds: list[int]) -> None:  # type: ignore[no-untyped-def]  # a pane
    session = racing(seeds)
    worlds, session.worlds = session.worlds, None
    view = View(session)
    uids = [row.uid for row in pane.rows(view)][:12]
    session.worlds = worlds
    labels_by_uid(session.snapshot)
    for uid in [*uids, "", "nobody"]:
        pane.detail(view, uid).lines()
        pane.ref_of(view, uid)
