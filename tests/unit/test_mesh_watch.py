"""Looks at the ztunnels in a session: when there is one, which of them count, and what a report changes."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from meshtui.model.enrolment import Capture
from meshtui.model.verdict import Decision
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.sources.kubernetes import mesh_look
from meshtui.sources.ports import SourceLabel
from tests.fakes.dumps import plain_tables
from tests.fakes.snapshots import snapshot_of
from tests.fakes.ztunnels import NOW, certificate, dump, look_of, policy
from tests.unit.mesh.test_enrolment import MESH, pod, ztunnel

WEB, CATALOG = ("Pod/shop/web", "shop", "web", "default"), ("Pod/shop/catalog", "shop", "catalog", "default")
SNAPSHOT = snapshot_of([MESH, pod("web"), pod("catalog"), ztunnel()], live=True)
DESIRED = {table.value: list(entries.values()) for table, entries in plain_tables(SNAPSHOT).items()}
HELD = [certificate("spiffe://cluster.local/ns/shop/sa/default")]
SOUND = dump(pods=[WEB, CATALOG], certificates=HELD, **DESIRED)
LOST = dump(pods=[CATALOG], certificates=HELD, **DESIRED)
ODD = [SOUND, dump("b", certificates=HELD, **(DESIRED | {"policies": [policy("shop", "old")]}))]


class Source:
    """A live source that publishes one Snapshot."""

    def __init__(self, snapshot, *, sandbox):
        self.snapshot = snapshot
        self.label = SourceLabel(context="c", sandbox=sandbox, changeable=True)
        self.api = object()  # nothing is asked: the looks are planned, and no agent runs

    async def run(self, publish):
        publish(self.snapshot)
        await asyncio.Event().wait()

    async def close(self):
        pass

    def retry_now(self):
        pass

    async def pod_logs(self, *_args, **_more):
        for line in ():
            yield line


@pytest.fixture
def looks(monkeypatch):
    """What the next looks show: lists of dumps, each with the seconds since the first. The last one is repeated."""
    planned = []

    async def look_at_mesh(_api, _pods, **_more):
        found = planned.pop(0) if len(planned) > 1 else planned[0]
        after_s, *dumps = found
        if isinstance(dumps[0], Exception):
            raise dumps[0]
        return look_of(*dumps, at=NOW + timedelta(seconds=after_s))

    monkeypatch.setattr(mesh_look, "look_at_mesh", look_at_mesh)
    monkeypatch.setattr("meshtui.session.mesh._SANDBOX_S", 0.02)
    monkeypatch.setattr("meshtui.session.mesh._UNSETTLED_S", 0.01)
    return planned


def session(*, sandbox=True):
    made = Session(Source(SNAPSHOT, sandbox=sandbox), Settings(), clock=lambda: NOW + timedelta(minutes=1))
    made.denials.follow = lambda *_: None
    return made


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  (a condition on anything)
            await asyncio.sleep(0.01)


async def run(made, condition):
    made.start()
    try:
        await until(condition)
    finally:
        await made.stop()


async def test_a_calm_look_counts_at_once(looks):
    looks.append((0, SOUND))
    made = session()
    await run(made, lambda: made.mesh.looked)
    assert {each.capture for each in made.snapshot.enrolments.values()} == {Capture.UNPROVEN}
    assert made.mesh.report.differences == ()


async def test_what_differs_counts_only_when_a_second_look_shows_it_too(looks):
    looks += [(0, *ODD), (16, *ODD)]
    made = session()
    await run(made, lambda: made.mesh.looked)
    assert {(each.node, each.name) for each in made.mesh.report.differences} == {("b", "AuthorizationPolicy shop/old")}
    assert made.mesh.report.at == NOW + timedelta(seconds=16)


async def test_what_passes_is_never_shown(looks):
    """The difference of the first look is gone in the second: nothing was drift at any time."""
    looks += [(0, *ODD), (16, SOUND)]
    made, shown = session(), []
    made.listen(lambda: shown.extend(made.mesh.report.differences))
    await run(made, lambda: made.mesh.looked)
    assert shown == []
    assert made.mesh.report.differences == ()


async def test_looks_in_quick_succession_are_confirmed_by_the_first_of_them(looks):
    """Somebody opens the pane again and again."""
    looks += [(0, *ODD), (8, *ODD), (16, *ODD), (24, SOUND)]
    made = session()
    await run(made, lambda: made.mesh.looked)
    assert made.mesh.report.at == NOW + timedelta(seconds=16)


@pytest.mark.parametrize(
    ("name", "ready", "looks_again"),
    [("another", "True", True), ("another", "False", False), ("ztunnel-a", "True", False)],
    ids=["replaced", "not ready yet", "the same one"],
)
async def test_a_ztunnel_that_was_replaced_is_looked_at_soon(looks, monkeypatch, name, ready, looks_again):
    monkeypatch.setattr("meshtui.session.mesh._SANDBOX_S", 3600)
    other = ztunnel(ready=ready)
    other["metadata"] |= {"name": name, "uid": name}
    after = snapshot_of([MESH, pod("web"), pod("catalog"), other], live=True)
    desired = {table.value: list(entries.values()) for table, entries in plain_tables(after).items()}
    looks += [(0, SOUND), (1, dump(pods=[WEB, CATALOG], certificates=HELD, **desired))]
    made = session()
    made.start()
    try:
        await until(lambda: made.mesh.looked and not made.mesh.looking)
        made.publish(after)
        assert made.mesh._ask.is_set() is looks_again
        if looks_again:
            await until(lambda: made.mesh.report.at == NOW + timedelta(seconds=1))
    finally:
        await made.stop()


async def test_two_looks_too_near_each_other_confirm_nothing(looks):
    looks += [(0, *ODD), (3, *ODD), (6, SOUND)]
    made = session()
    await run(made, lambda: made.mesh.looked)
    assert made.mesh.report.differences == ()


async def test_a_lost_pod_makes_verdicts_unknown_and_a_finding(looks):
    looks += [(0, LOST), (16, LOST), (32, SOUND)]
    made = session()
    flow_of = "shop/Pod/catalog", "shop/Pod/web:80"
    seen = []

    def note():
        from meshtui.engine.path.references import parse_flow

        lost = [uid for uid, each in made.snapshot.enrolments.items() if each.capture is Capture.LOST]
        if lost:
            found = [f.rule for f in made.findings]
            seen.append((lost, made.verdict(parse_flow(*flow_of)).decision, "MT501" in found))

    made.listen(note)
    made.start()
    try:
        await until(lambda: seen)
        assert seen[0] == (["Pod/shop/web"], Decision.UNKNOWN, True)
        await until(lambda: made.mesh.report.at == NOW + timedelta(seconds=32))
        assert {each.capture for each in made.snapshot.enrolments.values()} == {Capture.UNPROVEN}
        assert "MT501" not in {f.rule for f in made.findings}
    finally:
        await made.stop()


async def test_a_look_that_fails_says_why_and_the_next_one_counts(looks):
    from meshtui.model.errors import ClusterError

    looks += [(0, ClusterError("the VPN is down")), (1, SOUND)]
    made, problems = session(), []
    made.listen(lambda: problems.append(made.mesh.problem))
    await run(made, lambda: made.mesh.looked)
    assert "the VPN is down" in problems
    assert made.mesh.problem == ""


async def test_a_cluster_is_asked_only_on_demand(looks):
    looks.append((0, SOUND))
    made = session(sandbox=False)
    made.start()
    try:
        await until(lambda: made.has_data)
        await asyncio.sleep(0.1)
        assert not made.mesh.looked
        made.mesh.ask()
        await until(lambda: made.mesh.looked)
    finally:
        await made.stop()


async def test_the_setting_asks_from_the_start(looks):
    looks.append((0, SOUND))
    made = session(sandbox=False)
    made.settings = made.settings.model_copy(update={"mesh": made.settings.mesh.model_copy(update={"follow": True})})
    await run(made, lambda: made.mesh.looked)


async def test_manifests_are_never_asked(looks):
    looks.append((0, SOUND))
    made = session(sandbox=False)
    made.source.label = replace(made.source.label, changeable=False)
    made.start()
    made.mesh.ask()
    await asyncio.sleep(0.05)
    await made.stop()
    assert not made.mesh.looked
