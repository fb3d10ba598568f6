"""The table of actions and what is made from it: every key of every screen, and keys of a person's own choice."""

import importlib
import inspect
import pkgutil
import re

import pytest
from textual.actions import parse
from textual.screen import Screen

from meshtui import screens
from meshtui.app import MeshtuiApp
from meshtui.model.errors import ConfigError
from meshtui.settings import load_settings
from meshtui.ui import widgets
from meshtui.ui.actions import ACTIONS, WIDGETS, Change, by_id, checked, keys_of, on
from meshtui.ui.panes import panes
from meshtui.ui.widgets.choices import Ends
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.grid import Grid
from meshtui.ui.widgets.pane_box import PaneBox
from meshtui.ui.widgets.picture import PictureView
from meshtui.ui.widgets.prompt import Prompt
from meshtui.ui.widgets.table import ObjectTable

WIDGET_CLASSES = {
    "table": ObjectTable,
    "grid": Grid,
    "text": DocumentView,
    "picture": PictureView,
    "prompt": Prompt,
    "ends": Ends,
}
FROM_TEXTUAL = {"app.focus_next", "app.focus_previous", "screen.copy_text"}
"""What every Textual screen binds: Tab, Shift-Tab, and copying selected text."""
SAME_KEY_TWICE = {
    ("probe", "enter"),  # the table's Enter probes, too
    ("checkout", "enter"),  # the diagram's Enter opens what the cursor is on
    ("probe", "space"),  # the tour's Space, which exists only on the tour
    ("main", "escape"),  # the prompt's Escape, while something is typed
    ("denials", "escape"),
    ("denials", "tab"),
    ("describe", "escape"),
    ("logs", "escape"),
    ("journal", "escape"),
    ("yaml", "escape"),
    ("yaml", "enter"),  # without a link under the cursor, Enter is the screen's
    ("checkout", "enter"),
    ("main", "tab"),  # the prompt's Tab, while something is typed
    ("main", "left"),  # in a picture, until there is nothing further left
    ("main", "right"),
}


WITHOUT_KEYS = {"acting", "opening", "panes", "text"}
"""Base classes, and the opening screen, which hands all keys on to the main screen."""


def screen_classes():
    """By place: every class of the package screens that is a screen."""
    found = {}
    for info in pkgutil.iter_modules(screens.__path__):
        module = importlib.import_module(f"meshtui.screens.{info.name}")
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if issubclass(cls, Screen) and cls.__module__ == module.__name__ and info.name not in WITHOUT_KEYS:
                found[info.name] = cls
    return found


def kinds_of(widget):
    """A widget's class and all that are derived from it."""
    return [widget, *(each for kind in widget.__subclasses__() for each in kinds_of(kind))]


CLASSES = {**screen_classes(), **WIDGET_CLASSES, "app": MeshtuiApp}


def test_every_screen_is_in_the_table_with_its_widgets():
    assert set(WIDGETS) == set(screen_classes())
    for place, cls in screen_classes().items():
        source = "".join(
            inspect.getsource(inspect.getmodule(base)) for base in cls.__mro__ if base.__module__.startswith("meshtui.")
        )
        there = {kind for name in re.findall(r"(?:yield |with |= \[)(\w+)\(", source) for kind in kinds_of_widget(name)}
        assert set(WIDGETS[place]) == there, place


def kinds_of_widget(name):
    """Which of the widgets with keys one with this name is, or contains."""
    for info in pkgutil.iter_modules(widgets.__path__):
        cls = getattr(importlib.import_module(f"meshtui.ui.widgets.{info.name}"), name, None)
        if cls is PaneBox:
            return {"table", "text"}
        if isinstance(cls, type):
            return {kind for kind, base in WIDGET_CLASSES.items() if issubclass(cls, base)}
    return set()


@pytest.mark.parametrize("place", CLASSES)
def test_every_binding_comes_from_the_table(place):
    merged = CLASSES[place]._merged_bindings
    found = {(key, binding.action, binding.id) for key, binding in merged if binding.id or binding.action not in FROM_TEXTUAL}
    assert found == {(key, action.call, action.id) for action in on(place) for key in keys_of(action, {})}


@pytest.mark.parametrize(
    ("place", "action"), [(place, action) for action in ACTIONS for place in action.stands_on], ids=lambda x: getattr(x, "id", x)
)
def test_every_action_has_a_method(place, action):
    namespace, name, _ = parse(action.call)
    owner = {"app": MeshtuiApp, "": CLASSES[place]}[namespace]
    assert callable(getattr(owner, f"action_{name}", None)), f"{owner.__name__} has no action_{name}"


def test_ids_and_places_are_unique_and_known():
    assert len(by_id()) == len(ACTIONS)
    assert {place for action in ACTIONS for place in action.stands_on} == set(CLASSES)


@pytest.mark.parametrize("screen", WIDGETS)
def test_no_key_stands_twice_on_a_screen(screen):
    twice = set()
    for widget in WIDGETS[screen] or ("",):
        seen = set()
        for action in (*on(screen), *on(widget), *on("app")):
            for key in keys_of(action, {}):
                twice |= {(screen, key)} & seen
                seen.add((screen, key))
    assert twice <= SAME_KEY_TWICE
    own = [key for action in on(screen) for key in keys_of(action, {})]
    assert len(own) == len(set(own))


def test_every_digit_has_its_pane():
    """A pane without a digit is reached with Tab, its name after ``:``, and the palette."""
    titles = {pane.order: pane.title.lower() for pane in panes()}
    digits = {int(action.keys): action.footer.lower() for action in ACTIONS if action.id.startswith("main.kind")}
    assert digits.items() <= titles.items()
    assert [pane.order for pane in panes()] == list(range(1, len(panes()) + 1))


def test_what_reaches_the_cluster_is_marked():
    marked = {action.id for action in ACTIONS if action.change is not Change.NONE}
    assert marked == {"main.edit", "probe.run", "probe.again", "fix.apply", "fix.undo", "checkout.buy", "acceptance.again"}


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"main.prob": "x"}, "there is no action 'main.prob'"),
        ({"main.fix": "x"}, "main.fix has no key"),
        ({"main.probe": ""}, "main.probe = '' names no key"),
        ({"main.probe": "x,,y"}, "main.probe = 'x,,y' names no key"),
        ({"main.probe": "nonsense"}, "main.probe: there is no key 'nonsense'"),
        ({"main.probe": "strg+x"}, "main.probe: there is no key 'strg+x'"),
        ({"main.probe": "shift+x"}, "main.probe: a terminal sends 'X' for 'shift+x'"),
        ({"main.probe": "d"}, "main.probe = 'd', but on the screen main 'd' is main.describe (Describe)"),
        ({"main.probe": "j"}, "main.probe = 'j', but on the screen main 'j' is table.down (Down)"),
        ({"main.probe": "ctrl+p"}, "main.probe = 'ctrl+p', but on the screen main 'ctrl+p' is app.palette (Palette)"),
        ({"main.probe": "x", "main.describe": "x"}, "'x' is main.probe (Probe)"),
        ({"help": "f"}, "help = 'f', but on the screen denials 'f' is link.flow (Flow)"),
        ({"back": "p"}, "back = 'p', but on the screen denials 'p' is denials.probe (Probe)"),
        ({"table.up": "p"}, "table.up = 'p', but on the screen denials 'p' is denials.probe (Probe)"),
    ],
)
def test_keys_that_cannot_be_are_named(keys, says):
    with pytest.raises(ConfigError) as caught:
        checked(keys)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_nearest_id_is_suggested():
    with pytest.raises(ConfigError) as caught:
        checked({"main.prob": "x"})
    assert caught.value.hint == "did you mean main.probe?"


@pytest.mark.parametrize(
    ("keys", "keymap"),
    [
        ({}, {}),
        ({"main.probe": "x"}, {"main.probe": "x"}),
        ({"main.probe": "?", "help": "f1"}, {"main.probe": "question_mark", "help": "f1"}),
        ({"main.probe": "d", "main.describe": "p"}, {"main.probe": "d", "main.describe": "p"}),
        ({"back": "backspace, ctrl+x"}, {"back": "backspace,ctrl+x"}),
        ({"main.probe": "comma,/"}, None),
        ({"probe.mark": "m,space"}, {"probe.mark": "m,space"}),
        ({"main.probe": "ctrl+t,alt+x,f12"}, {"main.probe": "ctrl+t,alt+x,f12"}),
    ],
)
def test_keys_that_can_be_become_a_keymap(keys, keymap):
    if keymap is None:
        with pytest.raises(ConfigError, match=r"main\.filter"):
            checked(keys)
    else:
        assert checked(keys) == keymap


@pytest.fixture
def written(tmp_path, monkeypatch):
    path = tmp_path / "config.toml"
    monkeypatch.setenv("MESHTUI_CONFIG", str(path))
    path.write_text("")
    return path.write_text


@pytest.mark.parametrize(
    "text", ['[keys]\nmain.probe = "x"', '[keys]\n"main.probe" = "x"', '[keys.main]\nprobe = "x"', 'keys = {"main.probe" = "x"}']
)
def test_keys_in_the_file_may_be_written_as_toml_lets_one(written, text):
    written(text)
    assert load_settings().keys == {"main.probe": "x"}


def test_keys_in_a_variable(written, monkeypatch):
    monkeypatch.setenv("MESHTUI_KEYS__MAIN__PROBE_ALL", "x")
    monkeypatch.setenv("MESHTUI_KEYS__HELP", "f1")
    said = []
    assert load_settings(warn=said.append).keys == {"main.probe_all": "x", "help": "f1"}
    assert said == []


@pytest.mark.parametrize("text", ["keys = 'x'", "[keys]\nmain = 7", "[keys]\nmain.probe = ['x']"])
def test_keys_that_are_no_table_of_words(written, text):
    written(text)
    with pytest.raises(ConfigError, match="setting keys"):
        load_settings()
