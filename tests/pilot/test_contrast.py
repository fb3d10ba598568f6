"""Every pair of text and background that the stylesheets make, in each of meshtui's themes: at least 4.5:1 (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, combinations

import pytest
from rich.style import Style as RichStyle
from textual.color import Color
from textual.command import CommandList
from textual.screen import Screen
from textual.style import Style
from textual.theme import Theme
from textual.widget import Widget
from textual.widgets import Button, Input, Static
from textual.widgets._toast import Toast

from meshtui.app import MeshtuiApp
from meshtui.screens.confirm import ConfirmScreen
from meshtui.ui import themes
from meshtui.ui.document import BAD, OK, STYLES, WARN, Document, line, section
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.grid import Grid
from meshtui.ui.widgets.picture import PictureView
from meshtui.ui.widgets.prompt import Prompt
from meshtui.ui.widgets.status import StatusBar
from meshtui.ui.widgets.table import ObjectTable
from tests.snapshot.conftest import app_on, bookstore, settle

LEAST = 4.5
VISITED = ["1", "2", "3", "4", "5", "6", "w", "f", "m", "D", "p", "c", "A", "J", "n", "question_mark", "colon", "slash"]
"""The keys from the main screen to what is looked at."""
DRAWN_LINES = set("─│╭╮╰╯┌┐└┘├┤┬┴┼━┃┏┓┗┛╸╹╺╻▁▂▃▄▅▆▇█▉▊▋▌▍▎▏▔▕▐▀▖▗▘▝▲▼")
"""Not text: borders, bars, scrollbars."""
LINES = {"option-list--separator"}
"""Component classes of lines."""
Pair = tuple[str, str]
"""Text and background, as #rrggbb."""


def contrast(pair: Pair) -> float:
    """The contrast ratio of two colours."""
    one, other = sorted((luminance(Color.parse(colour)) for colour in pair), reverse=True)
    return (one + 0.05) / (other + 0.05)


def linear(colour: Color) -> list[float]:
    parts = [part / 255 for part in colour.rgb]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def luminance(colour: Color) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def pair_of(style: RichStyle) -> Pair:
    assert style.color is not None
    assert style.bgcolor is not None
    assert not style.dim, "the terminal decides what dim is: its contrast isn't known"
    text, ground = Color.from_rich_color(style.color).hex6, Color.from_rich_color(style.bgcolor).hex6
    return (ground, text) if style.reverse else (text, ground)


def drawn(screen: Screen[object]) -> Iterator[tuple[Pair, str]]:
    """What is on the screen now; of a dialog, what is in it: the screen behind it is out of use, and dimmed."""
    leaves = [each for each in screen.walk_children(Widget) if not each.children and each.display]
    for y, strip in enumerate(screen._compositor.render_strips()):
        for x, segment in zip(accumulate((s.cell_length for s in strip), initial=0), strip, strict=False):
            written = segment.style is not None and bool(set(segment.text.strip()) - DRAWN_LINES)
            at = x + len(segment.text) - len(segment.text.lstrip())
            if written and (not screen.is_modal or any(leaf.region.contains(at, y) for leaf in leaves)):
                yield pair_of(segment.style), f"drawn: {segment.text.strip()}"


def possible(widget: Widget) -> Iterator[tuple[Pair, str]]:
    """What a widget can draw: component classes with a colour alone stand on those with a background alone, and on the widget."""
    yield pair_of(widget.rich_style), type(widget).__name__
    texts, grounds = {"": widget.rich_style}, {"": widget.rich_style}
    for name, styles in widget._component_styles.items():
        if name in LINES:
            continue
        style = widget.get_component_rich_style(name)
        coloured = styles.has_rule("color") and styles.color.a > 0
        grounded = styles.has_rule("background") and styles.background.a > 0
        if coloured and grounded:
            yield pair_of(style), name
        elif coloured:
            texts[name] = style
        elif grounded:
            grounds[name] = style
    if isinstance(widget, Static | DocumentView):
        for tone, written in {**STYLES, "title": "bold $text-accent"}.items():
            style = widget.visual_style + Style.parse(written)
            texts[f"tone {tone}"] = style.rich_style
    for text, ink in texts.items():
        for ground, paper in grounds.items():
            yield (
                pair_of(RichStyle(color=ink.color, bgcolor=paper.bgcolor)),
                f"{type(widget).__name__} {text} on {ground or 'it'}",
            )


def states(screen: Screen[object]) -> Iterator[tuple[Pair, str]]:
    """What the widgets of a screen can draw: with and without the focus, live and not."""
    for widget in screen.walk_children(with_self=True):
        if isinstance(widget, Widget):
            yield from possible(widget)


Found = dict[str, dict[Pair, str]]


async def seen(app: MeshtuiApp, shown: Sequence[str], visited: list[str] = VISITED) -> tuple[Found, set[type]]:
    """By theme: every pair on the way through the program, with a place where it is. And the kinds of widgets there."""
    found: Found = {theme: {} for theme in shown}
    kinds: set[type] = set()

    async def look(where: str, each_in: Sequence[str] = shown) -> None:
        await settle(pilot)
        kinds.update(type(each) for each in app.screen.walk_children())
        for theme in each_in:
            app.theme = theme
            await pilot.pause()
            for pair, what in [*drawn(app.screen), *states(app.screen)]:
                found[theme].setdefault(pair, f"{where}: {what}")

    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await look("main")
        for key in visited:
            await pilot.press(key)
            await look(key)
            if any(isinstance(each, ObjectTable | Grid | Input) for each in app.screen.focus_chain):
                await pilot.press("tab")
                await look(f"{key}, tab")
            while len(app.screen_stack) > 2:
                await app.pop_screen()
            await pilot.press("escape")
        for theme in shown:  # an open palette keeps its colours
            app.theme = theme
            await pilot.pause()
            await pilot.press("ctrl+p")
            await look("ctrl+p", [theme])
            await pilot.press("escape")
        for severity in ("information", "warning", "error"):
            app.notify("something was done", title="So it is", severity=severity)
        app.screen.query_one(StatusBar).add_class("-not-live")
        await look("told")
        app.push_screen(ConfirmScreen(Document("Really?", (section("What", line(("this", BAD), ("that", OK))),))))
        await look("asked")
        await pilot.press("left")
        await look("asked again")
    return found, kinds


async def test_every_pair_can_be_read():
    found, kinds = await seen(app_on(bookstore()), themes.OWN)
    weak = [
        f"{contrast(pair):.2f} {theme} {pair} {where}"
        for theme in themes.OWN
        for pair, where in found[theme].items()
        if contrast(pair) < LEAST
    ]
    assert not weak, "\n".join(weak)
    assert all(len(found[theme]) >= 20 for theme in themes.OWN)
    for kind in (ObjectTable, Grid, DocumentView, StatusBar, Prompt, Toast, Button, Footer, CommandList):
        assert any(issubclass(each, kind) for each in kinds), f"no {kind.__name__} was seen"


@pytest.mark.parametrize("name", ["foreground-muted", "text-error", "block-cursor-background", "warning-muted", "error-muted"])
async def test_a_colour_that_is_too_weak_is_found(name: str):
    theme = themes.THEMES[0]
    near = theme.foreground if name.endswith(("-background", "-muted")) and name != "foreground-muted" else theme.surface
    weaker = replace(theme, name="weaker", variables={**theme.variables, name: near, "block-cursor-foreground": theme.foreground})
    app = app_on(bookstore())
    app.register_theme(weaker)
    found, _ = await seen(app, ["weaker"], ["m"])
    assert any(contrast(pair) < LEAST for pair in found["weaker"])


SIMULATED = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}
"""What people without red or green cones see of linear RGB (Machado, Oliveira and Fernandes 2009, severity 1.0)."""
APART = 20.0
"""A difference in CIELAB at which two colours of text are told apart at a glance."""


def lab(colour: Color, eye: str) -> tuple[float, float, float]:
    plain = linear(colour)
    red, green, blue = [min(1.0, max(0.0, sum(a * b for a, b in zip(row, plain, strict=True)))) for row in SIMULATED[eye]]
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("eye", SIMULATED)
@pytest.mark.parametrize("theme", [theme for theme in themes.THEMES if theme.name != themes.MONO], ids=lambda theme: theme.name)
def test_allow_deny_and_warning_differ_without_red_and_green(theme: Theme, eye: str):
    tones = {
        tone: Color.parse(theme.variables[f"text-{name}"]) for tone, name in ((OK, "success"), (BAD, "error"), (WARN, "warning"))
    }
    for one, other in combinations(tones, 2):
        distance = sum((a - b) ** 2 for a, b in zip(lab(tones[one], eye), lab(tones[other], eye), strict=True)) ** 0.5
        assert distance >= APART, f"{one} and {other}"


def test_the_theme_without_colours_has_only_greys():
    mono = next(theme for theme in themes.THEMES if theme.name == themes.MONO)
    for name, value in mono.to_color_system().generate().items():
        with_colour = [part for part in value.split() if part.startswith("#")]
        assert all(len(set(Color.parse(part).rgb)) == 1 for part in with_colour), name


def strength(style: RichStyle) -> tuple[bool, bool, float]:
    """How much a style strikes the eye: how it is written first, then its contrast."""
    return bool(style.bold), bool(style.underline or style.reverse), contrast(pair_of(style))


@pytest.mark.parametrize("theme", [*themes.OWN, "textual-dark", "textual-light"])
async def test_without_colours_errors_are_stronger_than_warnings(monkeypatch, theme):
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        app.theme = theme
        await pilot.press("m")
        await settle(pilot)
        table = app.screen_stack[1].query_one(ObjectTable)
        grid = app.screen.query_one(Grid)
        picture = PictureView()
        await app.screen.mount(picture)
        views = [
            (table._tone(BAD, table.rich_style), table._tone(WARN, table.rich_style)),
            (grid.get_component_rich_style("grid--bad"), grid.get_component_rich_style("grid--warn")),
            (picture._tone(BAD, picture.rich_style), picture._tone(WARN, picture.rich_style)),
            tuple((table.visual_style + Style.parse(STYLES[tone])).rich_style for tone in (BAD, WARN)),
        ]
        for bad, warning in views:
            assert strength(bad)[:2] == (True, True)
            assert strength(warning)[1] is False
