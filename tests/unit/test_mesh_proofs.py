"""What a session keeps of a probe from outside the mesh: for a while, for the pod that was asked, and for no other."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest

from meshtui.engine import Engine
from meshtui.model.enrolment import Capture, Evidence, Proofs, Seen
from meshtui.model.ids import Uid
from meshtui.probe import prove as proving
from meshtui.probe.capture import plan_capture
from meshtui.session.journal import Outcome
from meshtui.session.mesh import MeshWatch
from meshtui.settings import Settings
from meshtui.sources.kubernetes import mesh_look
from meshtui.sources.kubernetes.writes import Confirmation
from tests.fakes.ztunnels import NOW, dump, look_of
from tests.unit.mesh.test_enrolment import cluster, pod


class Host:
    """A session without a cluster: looks show that the ztunnel has shop/web."""

    settings = Settings()
    running = False
    now = NOW

    def __init__(self):
        self.snapshot = cluster(pod("web"))
        self.reports = []
        self.done = []

    def clock(self):
        return self.now

    @contextlib.contextmanager
    def doing(self, what):
        self.done.append((what, outcome := Outcome()))
        yield outcome

    def tell(self):
        pass

    def api(self):
        return None

    writes = api

    def capture_log(self):
        return {}, ()

    def seen_of_mesh(self, report):
        self.reports.append(report)

    def look(self):
        (uid,) = self.snapshot.pods
        return look_of(dump(pods=[(uid, "shop", "web", "web")]), at=self.now)


@pytest.fixture
def host(monkeypatch):
    made = Host()

    async def look(*_, **_more):
        return made.look()

    monkeypatch.setattr(mesh_look, "look_at_mesh", look)
    return made


def ask(monkeypatch, watch, host, proofs):
    async def answer(*_):
        return proofs

    monkeypatch.setattr(proving, "prove", answer)
    asked = plan_capture(Engine(host.snapshot), host.snapshot.pods.values(), host.settings.probe)
    asyncio.run(watch.prove(asked, Confirmation("a test")))


def look(watch, host):
    """Two looks, of which the second confirms the first."""
    for _ in range(2):
        host.now += timedelta(seconds=15)
        asyncio.run(watch._look())


def state(watch):
    return [each.capture for each in watch.enrolments.values()]


def test_a_proof_is_used_at_once_and_in_later_looks_until_it_is_old(host, monkeypatch):
    watch = MeshWatch(host)
    look(watch, host)
    assert state(watch) == [Capture.UNPROVEN]
    ask(monkeypatch, watch, host, Proofs({"shop/web": Evidence(Seen.PROBE, True, "answers", host.now)}))
    assert state(watch) == [Capture.PROVEN]
    host.now += timedelta(minutes=9)
    look(watch, host)
    assert state(watch) == [Capture.PROVEN]
    host.now += timedelta(minutes=1)
    look(watch, host)
    assert state(watch) == [Capture.UNPROVEN]


def test_a_pod_of_the_same_name_has_no_proof(host, monkeypatch):
    watch = MeshWatch(host)
    look(watch, host)
    ask(monkeypatch, watch, host, Proofs({"shop/web": Evidence(Seen.PROBE, True, "answers", host.now)}))
    (old,) = host.snapshot.pods.values()
    new = replace(old, meta=replace(old.meta, uid=Uid("another")))
    host.snapshot = replace(host.snapshot, pods={new.uid: new})
    look(watch, host)
    assert state(watch) == [Capture.UNPROVEN]


def test_a_look_that_confirms_keeps_what_a_probe_showed(host, monkeypatch):
    """The report before, to which the next one is compared, has it too."""
    watch = MeshWatch(host)
    look(watch, host)
    ask(monkeypatch, watch, host, Proofs({"shop/web": Evidence(Seen.PROBE_REFUSED, False, "refuses", host.now)}))
    assert state(watch) == [Capture.LOST]
    look(watch, host)
    assert state(watch) == [Capture.LOST]


def test_a_single_look_after_it_does_not_take_it_away(host, monkeypatch):
    watch = MeshWatch(host)
    look(watch, host)
    ask(monkeypatch, watch, host, Proofs({"shop/web": Evidence(Seen.PROBE, True, "answers", host.now)}))
    host.now += timedelta(seconds=15)
    asyncio.run(watch._look())
    assert state(watch) == [Capture.PROVEN]


def test_why_nothing_is_known_is_kept_until_the_next_probe(host, monkeypatch):
    watch = MeshWatch(host)
    ask(monkeypatch, watch, host, Proofs({}, {"shop/web": "no answer"}))
    assert list(watch.unproven.values()) == ["no answer"]
    assert not host.reports, "there is no report before the first look"
    ask(monkeypatch, watch, host, Proofs({"shop/web": Evidence(Seen.PROBE, True, "answers", host.now)}))
    assert watch.unproven == {}


def test_an_error_leaves_nothing_behind(host, monkeypatch):
    watch = MeshWatch(host)

    async def failing(*_):
        raise RuntimeError

    monkeypatch.setattr(proving, "prove", failing)
    asked = plan_capture(Engine(host.snapshot), host.snapshot.pods.values(), host.settings.probe)
    with pytest.raises(RuntimeError):
        asyncio.run(watch.prove(asked, Confirmation("a test")))
    assert watch.proving == 0
