"""The log: newest at the bottom and followed, filtered while typed, folded, and from one failure to the next."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.widgets import Static

from meshtui.model.errors import ClusterError
from meshtui.screens.logs import LogScreen
from meshtui.screens.probe import ProbeScreen
from meshtui.screens.why import WhyScreen
from meshtui.ui.widgets.document_view import DocumentView
from tests.fakes.ztunnel_lines import access_line, log_app, pod_of
from tests.pilot.test_keys import until
from tests.snapshot.conftest import pressing


@asynccontextmanager
async def log_screen(size=(120, 40)):
    app = log_app()
    async with app.run_test(size=size) as pilot:
        await pressing("2", "j", "l")(pilot)
        await until(pilot, lambda: isinstance(app.screen, LogScreen) and "98.8 kB" in text(app))
        yield app, pilot


def text(app) -> str:
    return app.screen.query_one(DocumentView).plain


def state(app) -> str:
    return str(app.screen.query_one("#found", Static).content)


def at_end(app) -> bool:
    view = app.screen.query_one(DocumentView)
    return view.scroll_offset.y == view.max_scroll_y


async def test_the_newest_is_at_the_bottom_and_scrapes_are_folded():
    async with log_screen() as (app, pilot):
        times = [row[:8] for row in text(app).split("\n")[2:] if not row.startswith(" ")]
        assert len(times) == 7
        assert times == sorted(times)
        assert "14 metrics scrapes" in text(app)
        assert "18 folded" in state(app)
        await pilot.press("o")
        assert "metrics scrapes" not in text(app)
        assert text(app).count("observability/prometheus") == 18


async def test_it_follows_until_one_reads_further_up_and_again_at_the_end():
    async with log_screen((80, 24)) as (app, pilot):
        await pilot.press("o")
        await until(pilot, lambda: at_end(app) and "● following" in state(app))
        await pilot.press("home")
        await until(pilot, lambda: "not following" in state(app))
        view = app.screen.query_one(DocumentView)
        pods = app.session.snapshot
        for number in range(30):
            line = access_line(pod_of(pods, "ecom-service").key, pod_of(pods, "keycloak").key, 8080, ago_s=1 - number / 100)
            app.screen.heard("a/ztunnel", line)
        await until(pilot, lambda: text(app).count("identity/keycloak") == 30)
        assert view.scroll_offset.y == 0
        await pilot.press("f")
        await until(pilot, lambda: at_end(app) and "● following" in state(app))
        await pilot.press("f")
        await until(pilot, lambda: "not following" in state(app))
        await pilot.press("home", "end")
        await until(pilot, lambda: at_end(app) and "● following" in state(app))


async def test_a_line_that_is_read_twice_is_shown_once():
    async with log_screen() as (app, pilot):
        pods = app.session.snapshot
        line = access_line(pod_of(pods, "ecom-service").key, pod_of(pods, "keycloak").key, 8080, ago_s=1)
        for _ in range(2):
            app.screen.heard("a/ztunnel", line)
        await until(pilot, lambda: "identity/keycloak" in text(app))
        assert text(app).count("identity/keycloak") == 1


@pytest.mark.parametrize(
    ("typed", "there", "gone"),
    [("denied", "✗ denied", "✓ closed"), ("!closed", "✗ denied", "✓ closed"), ("-f inv5432", "inventory-db:5432", "ui-service")],
)
async def test_lines_are_filtered_as_it_is_typed_and_escape_shows_all(typed, there, gone):
    async with log_screen() as (app, pilot):
        whole = text(app)
        await pilot.press("slash", *({"!": "exclamation_mark", " ": "space", "-": "minus"}.get(char, char) for char in typed))
        await until(pilot, lambda: there in text(app) and gone not in text(app))
        assert "left out by" in state(app)
        await pilot.press("enter", "escape")
        await until(pilot, lambda: text(app) == whole)
        assert isinstance(app.screen, LogScreen)


@pytest.mark.parametrize(("forth", "back"), [("e", "E"), ("n", "N")])
async def test_from_one_failure_to_the_next_and_on_to_its_flow(forth, back):
    async with log_screen() as (app, pilot):
        await pilot.press("home", forth)
        assert str(app.screen.link.destination) == "inventory/deployment/inventory-service"
        await pilot.press(forth)
        assert str(app.screen.link.destination) == "inventory/statefulset/inventory-db"
        await pilot.press(forth)
        assert str(app.screen.link.destination) == "inventory/deployment/inventory-service", "behind the last is the first"
        await pilot.press(back)
        assert str(app.screen.link.destination) == "inventory/statefulset/inventory-db"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, WhyScreen))


@pytest.mark.parametrize(("key", "opened"), [("w", WhyScreen), ("p", ProbeScreen)])
async def test_keys_act_on_the_flow_of_the_line(key, opened):
    async with log_screen() as (app, pilot):
        await pilot.press("e", key)
        await until(pilot, lambda: any(isinstance(screen, opened) for screen in app.screen_stack))


async def test_the_cursor_stays_on_its_line_when_more_comes():
    async with log_screen() as (app, pilot):
        await pilot.press("e")
        view = app.screen.query_one(DocumentView)
        before, row = view.line, text(app).split("\n")[view.line]
        pods = app.session.snapshot
        line = access_line(pod_of(pods, "ecom-service").key, pod_of(pods, "inventory-service").key, 8000, ago_s=1)
        app.screen.heard("a/ztunnel", line)
        await until(pilot, lambda: len(text(app).split("\n")) > before and "13:49:59" in text(app))
        assert text(app).split("\n")[view.line] == row


async def test_a_log_that_breaks_off_is_said_and_read_again():
    app = log_app()
    logs, answers = app.session.source.pod_logs, []

    async def pod_logs(namespace, pod, *, tail, follow=False):
        answers.append(pod)
        if answers.count(pod) == 1:
            raise ClusterError("the connection was interrupted")
        async for line in logs(namespace, pod, tail=tail, follow=follow):
            yield line

    app.session.source.pod_logs = pod_logs
    async with app.run_test(size=(120, 40)) as pilot:
        await pressing("2", "j", "l")(pilot)
        await until(pilot, lambda: "can't be read" in state(app))
        assert "the connection was interrupted; it is tried again" in text(app)
        await until(pilot, lambda: "98.8 kB" in text(app) and "can't be read" not in state(app))
        assert "interrupted" not in text(app)


async def test_a_pod_that_comes_during_a_rollout_is_shown_and_the_old_one_stays():
    async with log_screen() as (app, pilot):
        pods, ztunnels = app.session.snapshot, []
        old, there = pod_of(pods, "ecom-service"), pod_of(pods, "keycloak")
        new = replace(old, meta=replace(old.meta, name=f"{old.name[:-5]}zzzzz", uid="new"), node="another")
        agent = next(pod for pod in pods.pods.values() if pod.labels.get("app") == "ztunnel")
        other = replace(agent, meta=replace(agent.meta, name="ztunnel-new", uid="ztunnel-new"), node="another")
        logs = app.session.source.pod_logs

        def pod_logs(namespace, pod, *, tail, follow=False):
            ztunnels.append(pod)
            return logs(namespace, pod, tail=tail, follow=follow)

        app.session.source.pod_logs = pod_logs
        app.session.publish(replace(pods, pods={**pods.pods, "new": new, "ztunnel-new": other}))
        app.session.tell()
        await until(pilot, lambda: ztunnels == ["ztunnel-new"])
        for number, pod in enumerate((new, old)):
            app.screen.heard("a/ztunnel", access_line(pod.key, there.key, 8080, ago_s=1 - number / 10))
        await until(pilot, lambda: text(app).count("identity/keycloak") == 2)
