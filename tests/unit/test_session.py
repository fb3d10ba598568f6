"""What a session holds: a Snapshot and an engine that belong together, whoever asks while a new Snapshot comes."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from meshtui.engine import Engine
from meshtui.model.snapshot import KindState, KindStatus
from meshtui.session import Session, current
from meshtui.settings import Settings
from meshtui.sources.manifest_source import ManifestSource
from tests.fakes.snapshots import namespace, pod, snapshot_of


@pytest.fixture
def session():
    world = snapshot_of([namespace("a"), pod("a/web", "10.0.0.1")])
    made = Session(ManifestSource(world, ()), Settings())
    made.publish(world)
    return made


def test_an_engine_that_is_being_built_while_a_snapshot_comes_is_not_kept(session, monkeypatch):
    new = snapshot_of([namespace("a"), pod("a/web", "10.0.0.2")])

    def interrupted(snapshot):
        if snapshot is not new:
            session.publish(new)
        return Engine(snapshot)

    monkeypatch.setattr(current, "Engine", interrupted)
    old = session.engine
    assert old.snapshot is not new, "who asked before gets what was current then"
    assert session.snapshot is new
    assert session.engine.snapshot is new


def test_threads_never_leave_an_engine_of_an_older_snapshot(session):
    worlds = [snapshot_of([namespace("a"), *(pod(f"a/p{n}", f"10.0.{i}.{n}") for n in range(30))]) for i in range(40)]
    done = threading.Event()

    def ask():
        while not done.is_set():
            assert session.engine.snapshot is not None

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for world in worlds * 5:
            session.publish(world)
            assert session.engine.snapshot is world
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_one_snapshot_has_one_engine_for_all_threads(session, monkeypatch):
    built = []

    def counted(snapshot):
        built.append(snapshot)
        return Engine(snapshot)

    monkeypatch.setattr(current, "Engine", counted)
    session.publish(snapshot_of([namespace("a"), pod("a/web", "10.0.0.3")]))
    start, found = threading.Barrier(8), []

    def ask():
        start.wait()
        found.append(session.engine)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert len(set(map(id, found))) == 1


def test_an_outage_began_when_the_server_was_heard_of_last_whatever_each_kind_says(session):
    """Kinds fall silent one after the other, and change from one way of not being there to another."""
    at = datetime(2026, 1, 1, tzinfo=UTC)

    def health(*states):
        kinds = {f"Kind{n}": KindState(status, since=at + timedelta(seconds=s)) for n, (status, s) in enumerate(states)}
        session.publish(replace(session.snapshot, kinds=kinds))
        return session.health()

    stale, away = KindStatus.STALE, KindStatus.UNREACHABLE
    assert health((stale, 3), (stale, 9), (stale, 5)).since == at + timedelta(seconds=9)
    later = health((away, 3), (stale, 9), (away, 5))
    assert (later.status, later.since) == (away, at + timedelta(seconds=9))
