"""The Textual App: wiring only."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input
from textual.worker import WorkerFailed

from meshtui.engine.expect.expectations import Entry
from meshtui.model.errors import UsageError
from meshtui.screens.main import MainScreen
from meshtui.session import Session
from meshtui.widgets.panes import panes
from meshtui.widgets.text import clean

if TYPE_CHECKING:
    from meshtui.sandbox.drills import Drill, Station, Tour
    from meshtui.widgets.drill import Guide

_COLLECT_SELDOM = 5_000, 10, 1_000
"""What is read from a cluster forms no circles: the collector has little to find there, and holds the loop while it looks."""
_YIELD_S = 0.001
"""How long a thread that works something out may keep the loop waiting for the interpreter."""
UNEXPECTED = 70
"""The exit code of an error that nobody foresaw (sysexits.h, EX_SOFTWARE)."""
STYLES = Path(__file__).parent / "styles"


def _no_expectations() -> list[Entry]:
    raise UsageError("no expectations are at hand", "meshtui acceptance has them")


class MeshtuiApp(App[None]):
    """One session on the screen. ``read_entries`` reads the expectations that acceptance verifies."""

    TITLE = "meshtui"
    CSS_PATH: ClassVar[list[str | Path]] = sorted(STYLES.glob("*.tcss"))  # type: ignore[assignment]  # a narrower list type
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True, id="app.quit"),
        # Only where there is a guide: elsewhere these keys are nobody's (check_action).
        Binding("f2", "guide('fold')", "Fold the drill", show=False, id="app.fold"),
        Binding("f3", "guide('hint')", "Next hint", show=False, id="app.hint"),
        Binding("space", "guide('go_on')", "Next station", show=False, priority=True, id="app.go_on"),
    ]

    def __init__(self, session: Session, read_entries: Callable[[], list[Entry]] = _no_expectations) -> None:
        super().__init__()
        self.session = session
        self._read_entries = read_entries
        self._guide: Guide | None = None
        self._guided_by: tuple[Drill | Tour, bool] | None = None

    def guided_by(self, what: Drill | Tour, *, offered: bool = False) -> None:
        """Have a drill or the tour beside every screen; ``offered``: folded, until somebody wants it. For the sandbox only."""
        self._guided_by = what, offered

    def on_mount(self) -> None:
        """Show the main screen first, then start to read."""
        self.theme = "textual-dark"
        self.push_screen(MainScreen(self.session))
        self._stop_waiting = self.session.listen(self._settle)
        self.call_after_refresh(self.session.start)
        if self._guided_by is not None:
            from meshtui.widgets.drill import LOOK_EVERY_S, Guide

            what, offered = self._guided_by
            self._guide = Guide(self, self.session, what, self._go_to, offered=offered)
            self.set_interval(LOOK_EVERY_S, self._guide.look)

    def _settle(self) -> None:
        """Once everything is read, keep the garbage collector from walking through it again and again: that held the loop."""
        if self.session.settled:
            self._stop_waiting()
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_COLLECT_SELDOM)
            sys.setswitchinterval(_YIELD_S)

    def _handle_exception(self, error: Exception) -> None:
        """What nobody foresaw, wherever it happens (a callback, a worker): the app ends with one line and exit code 70.

        Textual would print a traceback with the values of all variables, secrets among them.
        """
        from meshtui.reporting import report_unexpected

        self._return_code = UNEXPECTED
        if self._exception is None:
            self._exception = error
            self._exception_event.set()  # what Textual's test pilot waits for
            cause = error.error if isinstance(error, WorkerFailed) else error
            said = f"meshtui: {report_unexpected(cause, sys.argv[1:])}"
            self._exit_renderables.append(Text(said, no_wrap=True, overflow="ignore"))
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        """Called by Textual when the terminal is restored: the line as it is, without markup, colours or line breaks."""
        for renderable in self._exit_renderables:
            sys.stderr.write(f"{clean(str(renderable))}\n")
        self._exit_renderables.clear()

    async def on_unmount(self) -> None:
        """Close all connections."""
        await self.session.stop()

    @property
    def guide(self) -> Guide | None:
        """What leads through a drill or the tour, or None."""
        return self._guide

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a guide its keys aren't taken; Space only on the tour, and not from somebody who types."""
        if action != "guide":
            return super().check_action(action, parameters)
        if self._guide is None:
            return False
        return parameters != ("go_on",) or (self._guide.touring and not isinstance(self.focused, Input))

    def action_guide(self, what: str) -> None:
        """A key of the drill or of the tour."""
        if self._guide is not None:
            {"fold": self._guide.fold, "hint": self._guide.hint, "go_on": self._guide.go_on}[what]()

    def _go_to(self, station: Station) -> None:
        self.call_later(self._visit, station)

    async def _visit(self, station: Station) -> None:
        """Bring a station of the tour to the screen."""
        main = next(s for s in self.screen_stack if isinstance(s, MainScreen))
        while self.screen is not main and len(self.screen_stack) > 1:
            await self.pop_screen()
        main.visit(station.pane, station.select)
        if station.flow is not None:
            from meshtui.engine.path.references import parse_flow
            from meshtui.screens.why import WhyScreen

            await self.push_screen(WhyScreen(self.session, parse_flow(*station.flow)))
        elif station.open:
            await main.run_action(station.open)

    def action_help(self) -> None:
        """Help for the screen on top."""
        from meshtui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def action_checkout(self) -> None:
        """Buy a book, and see each step."""
        from meshtui.screens.checkout import CheckoutScreen

        self.push_screen(CheckoutScreen(self.session))

    def action_acceptance(self) -> None:
        """Try the acceptance criteria."""
        from meshtui.screens.acceptance import AcceptanceScreen

        self.push_screen(AcceptanceScreen(self.session, self._read_entries))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every command of the program, for the palette."""
        yield from super().get_system_commands(screen)
        main = next((s for s in self.screen_stack if isinstance(s, MainScreen)), None)
        if main is None:
            return
        for pane in panes():
            yield SystemCommand(f"Go to {pane.title}", f":{pane.aliases[0]}", partial(self._on_main, main, f"pane({pane.order})"))
        for title, words, action in (
            ("Matrix", "who reaches whom, workloads or namespaces", "matrix"),
            ("Denials", "what is being denied right now, as the proxies' logs say", "denials"),
            ("Explain a flow", "type FROM and TO, and see which policy decides", "flow"),
            ("Why?", "explain a flow of the workload under the cursor", "why"),
            ("Probe", "test the flows of the workload under the cursor", "probe"),
            ("Describe", "everything about the object under the cursor", "describe"),
            ("YAML", "the object under the cursor as YAML", "yaml"),
            ("ztunnel log", "what the ztunnels say about the workload under the cursor", "logs"),
            ("Filter", "show only what has these words", "filter"),
            ("Namespace", "show one namespace, or all", "namespace"),
            ("Sort by last change", "what just changed?", "sort"),
            ("Fix", "the patch for the finding under the cursor, and what it would open and close", "fix"),
            ("Retry now", "try to reach the cluster now", "retry"),
        ):
            yield SystemCommand(title, words, partial(self._on_main, main, action))
        yield SystemCommand("Checkout", "buy a book, and see each step", self.action_checkout)
        yield SystemCommand("Acceptance", "try the bookstore's acceptance criteria", self.action_acceptance)
        yield SystemCommand("Help", "keys and marks", self.action_help)

    async def _on_main(self, main: MainScreen, action: str) -> None:
        while self.screen is not main and len(self.screen_stack) > 1:
            await self.pop_screen()
        await main.run_action(action)
