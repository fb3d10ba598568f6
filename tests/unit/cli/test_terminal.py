"""What a terminal gets and a pipe doesn't: colours, wrapped lines, and how far something is."""

import io

import pytest

from meshtui.cli import progress as module
from meshtui.cli.progress import Progress, progress
from meshtui.cli.tables import laid_out
from meshtui.cli.terminal import colours, wrapped


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def on_a_terminal(monkeypatch):
    """Standard output and error are one terminal from now on (within a test: pytest sets its own before)."""
    made = Screen()
    monkeypatch.setattr("sys.stderr", made)
    monkeypatch.setattr("sys.stdout", made)
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return made


ENVIRONMENTS = [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)]


@pytest.mark.parametrize(("env", "shown"), ENVIRONMENTS, ids=["plain", "NO_COLOR", "an empty NO_COLOR", "dumb"])
def test_colours_are_for_terminals_that_want_them(monkeypatch, env, shown):
    screen = on_a_terminal(monkeypatch)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert colours(screen) is shown
    assert ("\x1b[1m" in laid_out([("A",), ("b",)])) is shown
    assert not colours(io.StringIO())


def test_a_pipe_gets_no_colour_and_no_wrapping(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = " ".join(["some-long-name/with-parts"] * 20)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert laid_out([("A", "B"), ("x", text)]) == f"A  B\nx  {text}\n"
    assert wrapped(text, "  ", "  ") == [f"  {text}"]


def test_a_terminal_gets_lines_that_fit_and_no_broken_name(monkeypatch):
    on_a_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "50")
    lines = wrapped(" ".join(["inventory/deployment/inventory-service"] * 3), "  ", "    ")
    assert [line.strip() for line in lines] == ["inventory/deployment/inventory-service"] * 3


def test_steps_are_told_after_a_second_with_what_is_left(monkeypatch, clock):
    screen = on_a_terminal(monkeypatch)
    steps = Progress("judging", 10)
    clock.now += 0.5
    steps.step()
    assert screen.getvalue() == ""
    clock.now += 1.5
    steps.step()
    assert "judging: 2 of 10, about 8 s left" in screen.getvalue()
    said = screen.getvalue()
    steps.step()
    assert screen.getvalue() == said, "at most four times a second"
    steps.end()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_a_log_gets_nothing(monkeypatch, clock):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    steps = Progress("judging", 10)
    clock.now += 5
    steps.step()
    steps.end()
    assert stream.getvalue() == ""


async def test_what_has_no_steps_says_how_long_it_has_been_going_on(monkeypatch):
    import asyncio

    drawn = asyncio.Event()

    class Watched(Screen):
        def write(self, text):
            drawn.set()
            return super().write(text)

    screen = Watched()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(module, "_SILENT_S", 0.0)
    async with progress("probing", 30), asyncio.timeout(30):
        await drawn.wait()
    assert "probing: 0 s of at most 30 s" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


async def test_what_is_quick_says_nothing(monkeypatch):
    screen = on_a_terminal(monkeypatch)
    async with progress("reading"):
        pass
    assert screen.getvalue() == ""


async def test_what_can_be_counted_says_how_long_it_may_still_take(monkeypatch):
    import asyncio

    drawn = asyncio.Event()

    class Watched(Screen):
        def write(self, text):
            drawn.set()
            return super().write(text)

    screen = Watched()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(module, "_SILENT_S", 0.0)
    async with progress("reading the cluster", count=lambda: (1500, 28500)), asyncio.timeout(30):
        await drawn.wait()
    assert "reading the cluster: 1,500 of 30,000 objects, about 0 s left" in screen.getvalue()
