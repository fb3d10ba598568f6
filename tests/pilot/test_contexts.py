"""From one context to another: nothing of the old one is shown, read or written any more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from textual.pilot import Pilot

from meshtui.app import Contexts, MeshtuiApp
from meshtui.cli.completing import contexts_of
from meshtui.engine.path.references import parse_flow
from meshtui.model.errors import ConfigError
from meshtui.probe.plan import Plan
from meshtui.sandbox.apiserver.server import ApiServer, running_api
from meshtui.screens.describe import DescribeScreen
from meshtui.screens.main import MainScreen
from meshtui.screens.probe import ProbeScreen
from meshtui.session import Session
from meshtui.settings import load_settings
from meshtui.sources.kubernetes.live import SANDBOX_LABEL, LiveSource
from meshtui.ui.widgets.status import StatusBar
from tests.pilot.test_keys import names, until


def world(name: str) -> list[dict[str, Any]]:
    """A namespace with a pod, both called after a cluster."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-of-{name}", "namespace": f"space-of-{name}"},
        "spec": {"containers": [{"name": "main", "image": "demo:1"}]},
        "status": {"phase": "Running"},
    }
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"space-of-{name}"}}, pod]


@dataclass
class Two:
    """Two clusters, and the program on the first."""

    one: ApiServer
    two: ApiServer
    app: MeshtuiApp
    pilot: Pilot[Any]
    opened: list[Session]

    @property
    def screen(self) -> MainScreen:
        screen = self.app.screen
        assert isinstance(screen, MainScreen)
        return screen

    async def ready(self, name: str) -> None:
        await until(
            self.pilot,
            lambda: (
                isinstance(self.app.screen, MainScreen)
                and bool(self.app.screen.query("#status"))
                and self.app.session.settled
                and names(self.screen) == [f"pod-of-{name}"]
            ),
        )


@contextlib.asynccontextmanager
async def two_clusters(folder: Path) -> AsyncIterator[Two]:
    async with running_api(objects=world("one")) as one, running_api(objects=world("two")) as two:
        merged: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
        for name, api in (("one", one), ("two", two)):
            system = api.store.get("namespaces", "", "kube-system")
            labels = {key: value for key, value in system["metadata"]["labels"].items() if key != SANDBOX_LABEL}
            api.store.update("namespaces", {**system, "metadata": {**system["metadata"], "labels": labels}})
            config = yaml.safe_load(api.kubeconfig.read_text())
            merged["clusters"].append({**config["clusters"][0], "name": name})
            merged["users"].append({**config["users"][0], "name": name})
            merged["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
        dead = {"server": "https://127.0.0.1:9", "insecure-skip-tls-verify": True}
        merged["clusters"].append({"name": "dead", "cluster": dead})
        merged["contexts"].append({"name": "dead", "context": {"cluster": "dead", "user": "one"}})
        file = folder / "merged"
        file.write_text(yaml.safe_dump({**merged, "current-context": "one"}))
        opened: list[Session] = []

        def opens(name: str) -> Session:
            if name == "broken":
                raise ConfigError("no such file")
            settings = load_settings({"kubeconfig": str(file), "context": name})
            opened.append(Session(LiveSource(settings), settings))
            return opened[-1]

        app = MeshtuiApp(opens("one"), contexts=Contexts(lambda: [*contexts_of(str(file)), "broken"], opens))
        async with app.run_test(size=(120, 40)) as pilot:
            made = Two(one, two, app, pilot, opened)
            await made.ready("one")
            yield made


def tasks_of(session: Session) -> set[asyncio.Task[Any]]:
    """The running tasks that hold a session, or its source."""
    found = set()
    for task in asyncio.all_tasks():
        coroutine = task.get_coro()
        frame = getattr(coroutine, "cr_frame", None)
        held = frame.f_locals.get("self") if frame is not None else None
        if held is session or held is session.source or getattr(held, "_host", None) is session:
            found.add(task)
    return found


async def test_ctx_and_a_name_shows_the_other_cluster_and_nothing_of_the_old_one(tmp_path: Path) -> None:
    async with two_clusters(tmp_path) as made:
        pilot, old = made.pilot, made.app.session
        await pilot.press("d")
        await until(pilot, lambda: isinstance(made.app.screen, DescribeScreen))
        await pilot.press("escape", "colon", *"ctx two", "enter")
        await made.ready("two")
        await until(pilot, lambda: not old.running and not tasks_of(old))
        assert len(made.app.screen_stack) == 2
        assert made.screen.session is made.app.session is not old
        assert "two" in str(made.screen.query_one(StatusBar).render())
        made.one.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "later"}})
        made.two.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "later-in-two"}})
        await pilot.press("1")
        await until(pilot, lambda: "later-in-two" in names(made.screen))
        assert not any("one" in name or name == "later" for name in names(made.screen))
        assert "later" not in old.snapshot.namespace_by_name
        old.tell()  # whoever still listened to the old one would show it now
        await pilot.pause()
        assert not old._listeners or made.screen.session is not old
        await pilot.press("colon", *"ctx one", "enter")
        await made.ready("one")


async def test_a_context_that_cannot_be_reached_says_so_and_one_can_go_back(tmp_path: Path) -> None:
    async with two_clusters(tmp_path) as made:
        pilot = made.pilot
        await pilot.press("colon", *"ctx dead", "enter")
        await until(pilot, lambda: made.app.session.label.context == "dead" and isinstance(made.app.screen, MainScreen))
        await until(pilot, lambda: bool(made.app.screen.query("#status")) and "reached" in made.screen.box.document.plain)
        await pilot.press("1", "M", "c", "colon", *"ctx one", "enter")
        await made.ready("one")


@pytest.mark.parametrize("name", ["broken", "nowhere"])
async def test_a_context_that_cannot_be_opened_leaves_the_old_one(name: str, tmp_path: Path) -> None:
    async with two_clusters(tmp_path) as made:
        old = made.app.session
        made.app.switch_context(name)
        await until(made.pilot, lambda: any("no " in each.message for each in made.app._notifications))
        assert made.app.session is old
        assert old.running
        made.one.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "later"}})
        await until(made.pilot, lambda: "later" in old.snapshot.namespace_by_name)


async def test_two_switches_at_once_leave_no_session_behind(tmp_path: Path) -> None:
    async with two_clusters(tmp_path) as made:
        made.app.switch_context("two")
        made.app.switch_context("one")
        await made.ready("two")
        await until(made.pilot, lambda: not made.app._switching)
        running = [session for session in made.opened if session.running]
        assert running == [made.app.session]


async def test_a_probe_that_runs_is_stopped_and_removed_before_its_cluster_is_left(tmp_path: Path) -> None:
    async with two_clusters(tmp_path) as made:
        old, removed = made.app.session, asyncio.Event()

        async def probes(*_: object) -> list[Any]:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.3)
                await old.api().get("/version")  # the connection is still there
                removed.set()
            return []

        old.probe = probes  # type: ignore[method-assign, assignment]
        screen = ProbeScreen(old, "pod-of-one", [parse_flow("space-of-one/pod-of-one", "1.2.3.4:80")])
        await made.app.push_screen(screen)
        screen._run(Plan((), (), ()))
        await made.pilot.pause(0.1)
        made.app.switch_context("two")
        await made.ready("two")
        await until(made.pilot, removed.is_set)
        await until(made.pilot, lambda: not old.running)
        assert not made.app._exception


async def test_the_completer_knows_the_contexts(tmp_path: Path) -> None:
    async with two_clusters(tmp_path) as made:
        await made.pilot.press("colon", *"ctx tw", "tab")
        assert made.screen.query_one("#prompt-input").value == "ctx two"  # type: ignore[attr-defined]
        await made.pilot.press("escape", "colon", *"ctx", "enter")
        await until(made.pilot, lambda: any("contexts: one, two, dead" in each.message for each in made.app._notifications))
