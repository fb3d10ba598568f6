"""Which theme is shown: the flag's, the setting's, the one that was chosen last, the default; and what is remembered."""

from __future__ import annotations

import pytest

from meshtui.app import MeshtuiApp
from meshtui.model.errors import UsageError
from meshtui.remembered import FILE, Remembered
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.ui import themes
from tests.fakes.frozen import LABEL, NOW, FrozenSource, bookstore


def session(theme=""):
    return Session(FrozenSource(bookstore(), LABEL, None), Settings(theme=theme), clock=lambda: NOW)


async def shown(app):
    async with app.run_test() as pilot:
        await pilot.pause()
        return app.theme


ORDER = [
    ("nothing", "", "", "", themes.DARK),
    ("remembered", "", "", "nord", "nord"),
    ("setting", "", "gruvbox", "nord", "gruvbox"),
    ("flag", themes.LIGHT, "gruvbox", "nord", themes.LIGHT),
    ("remembered, but unknown", "", "", "no-such", themes.DARK),
]


@pytest.mark.parametrize("late", [False, True], ids=["at once", "after the first frame"])
@pytest.mark.parametrize(("flag", "setting", "remembered", "expected"), [row[1:] for row in ORDER], ids=[row[0] for row in ORDER])
async def test_flag_then_setting_then_what_was_chosen_last(flag, setting, remembered, expected, late):
    opened = session(setting)
    app = MeshtuiApp((lambda: opened) if late else opened, theme=flag, remembered=Remembered(theme=remembered))
    async with app.run_test() as pilot:
        for _ in range(200):
            if app.theme == expected and app._session is not None and len(app.screen.query("#table")):
                break
            await pilot.pause(0.02)
        assert app.theme == expected
        assert app.remembered.theme == remembered, "what wasn't chosen isn't remembered"


async def test_without_colours_the_default_is_the_theme_without(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert await shown(MeshtuiApp(session())) == themes.MONO
    assert await shown(MeshtuiApp(session(), theme=themes.LIGHT)) == themes.LIGHT


async def test_a_chosen_theme_is_remembered(tmp_path):
    file = tmp_path / "meshtui" / FILE
    app = MeshtuiApp(session("nord"), remembered=Remembered.load(file))
    async with app.run_test() as pilot:
        await pilot.pause()
        assert not file.exists()
        app.theme = themes.LIGHT
        await pilot.pause()
        assert Remembered.load(file).theme == themes.LIGHT
        app.theme = "nord"
        await pilot.pause()
        assert Remembered.load(file).theme == "nord"


def test_an_unknown_theme_names_the_known_ones():
    for make in (lambda: MeshtuiApp(session(), theme="blue"), lambda: MeshtuiApp(session("blue"))):
        with pytest.raises(UsageError) as error:
            make()
        assert "'blue'" in str(error.value)
        for name in (*themes.OWN, "textual-dark", "nord"):
            assert name in str(error.value)


async def test_every_theme_can_be_chosen():
    app = MeshtuiApp(session())
    async with app.run_test() as pilot:
        for name in themes.known():
            app.theme = name
            await pilot.pause()
            assert app.theme == name
        assert set(themes.known()) == set(app.available_themes)


def test_no_stylesheet_has_a_colour_of_its_own():
    import re

    from meshtui.app import STYLES

    literal = re.compile(r"#[0-9a-fA-F]{3,8}\b(?=[^{]*;)|\brgb|\bhsl|:\s*(red|green|blue|white|black|yellow|orange|ansi_\w+)\b")
    for file in STYLES.glob("*.tcss"):
        found = [row for row in file.read_text().splitlines() if literal.search(row.split("/*")[0])]
        assert not found, file.name
