"""Read-only means that nothing but questions leaves the program: every command, key, drill, fix and undo, behind a proxy."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime

import pytest
from textual.binding import Binding

from meshtui.app import MeshtuiApp
from meshtui.cli.registry import names
from meshtui.findings import look
from meshtui.model.errors import ReadOnlyError
from meshtui.probe import podspec
from meshtui.remediate.fixing import carry_out, propose
from meshtui.sandbox.apiserver.server import running_api
from meshtui.sandbox.drills import drill
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.main import MainScreen
from meshtui.session import Session
from meshtui.settings import Probe, load_settings
from meshtui.sources.kubernetes.apply import Applied, path_of, undo
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.sources.kubernetes.writes import Confirmation
from tests.fakes.auditproxy import audited
from tests.fakes.frozen import recorded_objects
from tests.fakes.settled import settled
from tests.integration.test_audit import ECOM, INVENTORY, _addable, only_looked, run_meshtui

YES = Confirmation("a test")
READ_ONLY = [{"read_only": True, "write": True}, {"read_only_contexts": ("meshtui-*",), "write": True}]
POLICIES = {"NetworkPolicy", "AuthorizationPolicy"}
IDS = ["--read-only --write", "a context of the settings"]


@contextlib.asynccontextmanager
async def broken_bookstore(folder):
    """The recorded bookstore without what guards its databases, and with what a killed probe left, behind a proxy."""
    objects = [_addable(obj) for listed in recorded_objects().values() for obj in listed]
    open_ = [o for o in objects if not (o["kind"] in POLICIES and "db" in o["metadata"]["name"])]
    assert len(open_) < len(objects)
    left = podspec.job("0badcafe", "ecom", Probe(), datetime(2026, 11, 24, tzinfo=UTC))
    async with running_api([*open_, left]) as api, audited(api.kubeconfig, folder) as found:
        yield found


@contextlib.asynccontextmanager
async def opened(folder, settings, scenario=""):
    async with broken_bookstore(folder) as (proxy, kubeconfig):
        chosen = load_settings({"kubeconfig": str(kubeconfig), **settings})
        app = MeshtuiApp(Session(LiveSource(chosen), chosen))
        if scenario:
            app.guided_by(drill(scenario))
        async with app.run_test(size=(140, 40)) as pilot:
            await until(pilot, lambda: app.session.settled and bool(app.session.findings))
            yield proxy, app, pilot


async def until(pilot, holds):
    async with asyncio.timeout(40):
        while not holds():
            await pilot.pause(0.02)


WAYS = {
    "namespaces": ("1",),
    "workloads": ("2", "j"),
    "authorization policies": ("3",),
    "network policies": ("4",),
    "findings": ("5",),
    "probe": ("2", "p"),
    "probe all": ("P",),
    "matrix": ("m",),
    "why": ("2", "p", "w"),
    "flow": ("f",),
    "denials": ("D",),
    "fix": ("5", "f"),
    "checkout": ("b",),
    "journeys": ("J",),
    "acceptance": ("A",),
    "yaml": ("2", "y"),
    "describe": ("2", "d"),
}
"""Keys from the main screen to each other one."""
ENDS = {"q", "ctrl+c", "ctrl+q"}


async def home(app, pilot):
    """Back on the main screen, whatever is open."""
    while not isinstance(app.screen, MainScreen):
        app.pop_screen()
        await pilot.pause()


def keys_of(app):
    """Every key that the screen and the app bind; tables and texts bind only what moves in them, and Enter."""
    found = ["enter"]
    for owner in (app.screen, app):
        for binding in type(owner).BINDINGS:
            keys = binding.key if isinstance(binding, Binding) else binding[0]
            found += [key for key in keys.split(",") if key not in ENDS]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("way", WAYS)
async def test_no_key_changes_anything(tmp_path, way):
    async with opened(tmp_path, READ_ONLY[0]) as (proxy, app, pilot):
        pressed = 0
        await pilot.press(*WAYS[way])
        for key in keys_of(app):
            await home(app, pilot)
            await pilot.press(*WAYS[way])
            await pilot.pause()
            await pilot.press(key)
            await pilot.pause()
            if isinstance(app.screen, ConfirmScreen):
                await pilot.press("y")
                await pilot.pause()
            pressed += 1
        await settled(pilot)
        assert pressed > 3
        only_looked(proxy)


@pytest.mark.parametrize("scenario", ["missing-egress", "as-found"])
async def test_no_drill_changes_anything(tmp_path, scenario):
    async with opened(tmp_path, READ_ONLY[0], scenario) as (proxy, _, pilot):
        for key in ("f3", "f3", "space", "5", "f", "a", "y", "escape", "p", "enter", "y", "escape", "b", "A", "f2"):
            await pilot.press(key)
            await settled(pilot)
        only_looked(proxy)


@contextlib.asynccontextmanager
async def session_on(folder, settings):
    async with broken_bookstore(folder) as (proxy, kubeconfig):
        chosen = load_settings({"kubeconfig": str(kubeconfig), **settings})
        source = LiveSource(chosen)
        session = Session(source, chosen)
        try:
            session.publish(await source.snapshot())
            yield proxy, session
        finally:
            await source.close()


@pytest.mark.parametrize("settings", READ_ONLY, ids=IDS)
async def test_no_fix_is_applied_and_none_is_tried(tmp_path, settings):
    async with session_on(tmp_path, settings) as (proxy, session):
        fixable = [finding for finding in look(session.snapshot).findings if finding.fix is not None]
        assert fixable
        for finding in fixable[:5]:
            proposal = await propose(session, finding)
            done = await carry_out(session, proposal, YES, lambda _: None)
            assert isinstance(done.error, ReadOnlyError)
            assert not done.applied
        only_looked(proxy)


@pytest.mark.parametrize("settings", READ_ONLY, ids=IDS)
async def test_nothing_is_taken_back(tmp_path, settings):
    async with session_on(tmp_path, settings) as (proxy, session):
        ref = next(iter(session.snapshot.network_policies.values())).meta.ref
        now = await session.api().get_object(path_of(ref))
        before = {**now, "spec": {**now["spec"], "egress": []}}
        for was in (before, None):
            with pytest.raises(ReadOnlyError):
                await undo(session.api(), session.writes(), Applied(ref, path_of(ref), was, now), YES)
        only_looked(proxy)


CHANGING = {
    "probe": (ECOM, INVENTORY, "--yes", "--unsafe-methods"),
    "verify": ("flows.yaml", "--probe", "--yes"),
    "clean": ("--all", "--yes"),
    "checkout": ("--yes",),
    "journey": ("run", "checkout", "--yes"),
    "acceptance": ("--yes",),
}
"""Words with which each command that can change something would: it was even told yes."""


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("name", CHANGING)
async def test_no_command_changes_anything(tmp_path, name, before):
    assert name in names()
    expected = {"apiVersion": "meshtui/v1", "flows": [{"name": "a", "from": ECOM, "to": INVENTORY, "expect": "allow"}]}
    (tmp_path / "flows.yaml").write_text(json.dumps(expected))
    flags = ("--read-only", "--write")
    words = (*flags, name, *CHANGING[name]) if before else (name, *CHANGING[name], *flags)
    async with broken_bookstore(tmp_path) as (proxy, kubeconfig):
        code, _, err = await run_meshtui(kubeconfig, tmp_path, *words)
        assert code in {2, 3}, err
        only_looked(proxy)
