"""Keys of a person's own choice, and keys that the session refuses, pressed as a person presses them."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from meshtui.app import MeshtuiApp
from meshtui.model.errors import ConfigError
from meshtui.sandbox.apiserver.server import running_api
from meshtui.screens.describe import DescribeScreen
from meshtui.screens.help import HelpScreen
from meshtui.screens.main import MainScreen
from meshtui.screens.probe import ProbeScreen
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.ui.actions import WIDGETS, on
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.footer import Footer
from tests.fakes.frozen import recorded_objects
from tests.fakes.screens import table_of
from tests.pilot.test_keys import _addable, bookstore_app, until


@asynccontextmanager
async def opened(**chosen):
    """The program on the recorded bookstore, with some settings."""
    objects = [_addable(obj) for listed in recorded_objects().values() for obj in listed]
    async with running_api(objects=objects) as api:
        settings = Settings(kubeconfig=str(api.kubeconfig), **chosen)
        app = MeshtuiApp(Session(LiveSource(settings), settings))
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.session.settled and len(table_of(app.screen).rows) == 11)
            yield app, pilot


def footer(app):
    """What the footer says: a key and its words, as they stand."""
    return [(key.display, key.name) for key in app.screen.query_one(Footer).keys]


async def test_another_key_works_and_footer_and_help_show_it():
    async with opened(keys={"main.describe": "x,f6", "back": "backspace"}) as (app, pilot):
        before = [words for _, words in footer(app)]
        assert ("x", "Describe") in footer(app)
        assert before.index("Describe") == before.index("Why?") + 1  # it keeps its place
        await pilot.press("d")
        await pilot.pause()
        assert isinstance(app.screen, MainScreen)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        text = app.screen.query_one(DocumentView).plain
        assert any(row.split()[:2] == ["x", "f6"] and "everything about this object" in row for row in text.split("\n"))
        await pilot.press("escape", "f6")
        await until(pilot, lambda: isinstance(app.screen, DescribeScreen))
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, DescribeScreen)
        await pilot.press("backspace")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))


async def test_two_actions_may_change_their_keys_with_each_other():
    async with opened(keys={"main.describe": "y", "main.yaml": "d"}) as (app, pilot):
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, DescribeScreen))


@pytest.mark.parametrize("keys", [("question_mark",), ("m", "question_mark"), ("p", "question_mark"), ("f", "f1")])
async def test_help_has_exactly_the_keys_of_the_table(keys):
    async with bookstore_app() as (_, pilot, _main):
        await pilot.press(*keys[:-1])
        await pilot.pause()
        place = pilot.app.screen.PLACE
        await pilot.press(keys[-1])
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        text = pilot.app.screen.query_one(DocumentView).plain
        listed = [action for owner in (place, *WIDGETS[place], "app") for action in on(owner) if action.keys]
        marks = text.index("\nMarks\n")
        rows = [
            row
            for row in text[:marks].split("\n")[1:]
            if row.strip() and row not in {"Keys", "In tables and texts", "Everywhere"}
        ]
        assert len(rows) == len({(action.stands_on == ("app",), action.says) for action in listed})
        assert [row for row in rows if len(row) > 65] == [], "a terminal of 80 columns breaks it"
        for row in rows:
            assert any(row.endswith(action.says) for action in listed), row


@pytest.mark.parametrize(
    ("keys", "says"), [({"main.probe": "d"}, "main.describe"), ({"main.prob": "x"}, "did you mean main.probe?")]
)
def test_keys_that_cannot_be_end_the_program_before_it_starts(keys, says):
    settings = Settings(keys=keys)
    with pytest.raises(ConfigError, match="setting keys") as caught:
        MeshtuiApp(Session(LiveSource(settings), settings))
    assert says in f"{caught.value} {caught.value.hint}"


async def test_read_only_mode_greys_what_it_refuses_and_the_key_says_why():
    async with opened(read_only=True) as (app, pilot):
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, ProbeScreen) and bool(footer(app)))
        grey = {key.name for key in app.screen.query_one(Footer).keys if not key.enabled}
        assert grey == {"Probe", "Again"}
        await pilot.press("r")
        await until(pilot, lambda: any("nothing is probed: read-only mode" in note.message for note in app._notifications))
        assert isinstance(app.screen, ProbeScreen)


async def test_the_palette_refuses_in_the_same_words():
    async with opened(read_only=True) as (app, pilot):
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, ProbeScreen))
        command = next(c for c in app.get_system_commands(app.screen) if c.title == "Again")
        await command.callback()
        await until(pilot, lambda: any("nothing is probed: read-only mode" in note.message for note in app._notifications))
