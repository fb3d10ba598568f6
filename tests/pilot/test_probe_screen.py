"""The list of flows to probe: marks, the question at once, the progress as flows are answered, and the ways to stop."""

from __future__ import annotations

import asyncio

import pytest
from textual.widgets import Static

from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.main import MainScreen
from meshtui.screens.probe import ProbeScreen
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.table import ObjectTable
from tests.fakes.frozen import bookstore
from tests.pilot.test_keys import until
from tests.snapshot.conftest import app_on, pressing, settle
from tests.snapshot.test_probe import observe


def message(app) -> str:
    return str(app.screen.query_one("#message", Static).content)


class Probing:
    """Stands in for a session's probe: it tells of answers when the test says so."""

    def __init__(self, app) -> None:
        self.plan = self.answered = None
        self.stopped = False
        app.session.probe = self.probe

    @property
    def flows(self):
        targets = [target for batch in self.plan.batches for target in batch.targets]
        return [target.flow for target in (*targets, *self.plan.external)]

    async def probe(self, plan, confirmation, progress, answered):
        del confirmation, progress
        self.plan, self.answered = plan, answered
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped = True


async def test_a_namespace_asks_at_once_with_the_number_of_flows_and_no_leaves_the_list():
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await pressing("1", "p")(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        said = app.screen.query_one(DocumentView).plain
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, ProbeScreen))
        rows = len(app.screen.query_one(ObjectTable).rows)
        assert said.startswith(f"Probe {rows} flows?")


async def test_keys_typed_ahead_probe_a_namespace_and_stop_it():
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        probing = Probing(app)
        await pilot.press("1", "p", "y")
        await until(pilot, lambda: probing.plan is not None)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, MainScreen) and probing.stopped)


async def test_the_progress_counts_each_answer_and_ctrl_c_stops_and_stays():
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        probing = Probing(app)
        await pilot.press("1", "p", "y")
        await until(pilot, lambda: probing.plan is not None)
        total = len(probing.flows)
        assert total > 3
        await until(pilot, lambda: f"0 of {total} flows answered" in message(app))
        for number, flow in enumerate(probing.flows[:3], 1):
            probing.answered(flow)
            await until(pilot, lambda done=number: f"{done} of {total} flows answered" in message(app))
        await pilot.press("ctrl+c")
        await until(pilot, lambda: probing.stopped and "stopped" in message(app))
        assert isinstance(app.screen, ProbeScreen)


@pytest.mark.parametrize("key", ["ctrl+@", "ctrl+space"])
async def test_ctrl_space_marks_from_the_last_mark_to_the_cursor(key):
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await pressing("2", "j", "p", "j", "space", "j", "j", key)(pilot)
        marks = [row.marked for row in app.screen.query_one(ObjectTable).rows]
        assert marks[:6] == [False, True, True, True, True, False][: len(marks)]


async def test_without_a_mark_ctrl_space_marks_the_flow_under_the_cursor():
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await pressing("2", "j", "p", "j", "ctrl+@")(pilot)
        assert [row.marked for row in app.screen.query_one(ObjectTable).rows].count(True) == 1


@pytest.mark.parametrize("keys", [("2", "j", "p"), ("1", "p", "n"), ("P",)])
@pytest.mark.parametrize("size", [(80, 24), (109, 30), (110, 30), (120, 40), (149, 40), (150, 40), (200, 50)])
async def test_verdict_and_reality_are_whole(size, keys):
    app = app_on(bookstore())
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        observe(app)
        await pressing(*keys)(pilot)
        table = app.screen.query_one(ObjectTable)
        drawn = "\n".join(table.render_line(y).text for y in range(table.size.height))
        assert "REALITY" in drawn
        assert "PREDICTED" in drawn
        assert "≠ DISAGREES" in drawn
        assert "= agrees" in drawn
