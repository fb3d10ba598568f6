"""The Textual App: wiring only."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.events import AppBlur, Key
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input
from textual.worker import WorkerFailed, get_current_worker

from meshtui import styles
from meshtui.model.errors import MeshtuiError, UsageError
from meshtui.remembered import Remembered
from meshtui.ui import themes
from meshtui.ui.actions import bindings, checked, commands, on
from meshtui.ui.text import clean

if TYPE_CHECKING:
    from textual.command import Provider

    from meshtui.engine.expect.expectations import Entry
    from meshtui.sandbox.drills import Drill, Station, Tour
    from meshtui.screens.main import MainScreen
    from meshtui.session import Session
    from meshtui.ui.drill.panel import Guide

_COLLECT_SELDOM = 5_000, 10, 1_000
"""Thresholds of the garbage collector. Cluster data has no reference cycles, and a collection blocks the event loop."""
_YIELD_S = 0.001
"""For how long a thread that computes may hold the interpreter while the event loop waits for it, in seconds."""
_EXPECT_AGAIN_S = 5.0
"""The interval at which it is looked whether patterns of the expectations may match others, in seconds."""
UNEXPECTED = 70
"""The exit code of an unexpected error (sysexits.h, EX_SOFTWARE)."""
STYLES = Path(styles.__path__[0])
"""Where the package is found: in a checkout without symbolic links that isn't beside this file."""
_FIRST_STYLES: list[str | PurePath] = [STYLES / "base.tcss", STYLES / "main.tcss"]
"""What the first frame needs."""


@dataclass(frozen=True, slots=True)
class Contexts:
    """The contexts of the kubeconfig: ``names`` lists them, ``open`` opens a session on one (it raises MeshtuiError)."""

    names: Callable[[], list[str]]
    open: Callable[[str], Session]


def _no_expectations() -> list[Entry]:
    raise UsageError("no expectations are loaded", "meshtui acceptance has them")


def _commands() -> type[Provider]:
    from meshtui.ui.palette import Commands

    return Commands


class MeshtuiApp(App[None], inherit_bindings=False):
    """One session on the screen. ``read_entries`` reads the expectations that acceptance verifies.

    ``theme`` was asked for on the command line; ``remembered`` is from the last time, and without it nothing is remembered.
    Raises ConfigError where the setting ``keys`` is wrong, UsageError for an unknown theme. Where ``session`` is a function, a
    first frame is drawn at once; then the rest of the program is imported and the session opened, in a thread. A MeshtuiError
    that this raises ends the app, and stands in ``failed``.
    """

    TITLE = "meshtui"
    _choosing = False
    CSS_PATH: ClassVar[list[str | Path]] = sorted(STYLES.glob("*.tcss"))  # type: ignore[assignment]  # a narrower list type
    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_commands}
    BINDINGS: ClassVar[list[BindingType]] = bindings("app")

    def __init__(
        self,
        session: Session | Callable[[], Session],
        read_entries: Callable[[], list[Entry]] = _no_expectations,
        *,
        contexts: Contexts | None = None,
        theme: str = "",
        remembered: Remembered | None = None,
    ) -> None:
        super().__init__(css_path=_FIRST_STYLES if callable(session) else None)
        for each in themes.THEMES:
            self.register_theme(each)
        self.remembered = remembered or Remembered()
        self._theme_asked = themes.checked(theme)
        known = themes.remembered(self.remembered.theme)
        self._theme_given = self._theme_asked or known or themes.default(no_color=self.no_color)
        self._session: Session | None = None
        self._open: Callable[[], Session] | None = None
        self._keymap_chosen: Mapping[str, str] = {}
        if callable(session):
            self._open = session
        else:
            self._take(session)
        self.failed: MeshtuiError | None = None
        self._read_entries = read_entries
        self._contexts = contexts
        self._guide: Guide | None = None
        self._guided_by: tuple[Drill | Tour, bool] | None = None
        self._switching = False
        self._expecting: Timer | None = None

    def _take(self, session: Session) -> None:
        from meshtui.journeys import applications

        session.applications = session.applications or applications()
        self._keymap_chosen = checked(session.settings.keys)
        self._theme_given = self._theme_asked or themes.checked(session.settings.theme) or self._theme_given
        self._session = session

    def guided_by(self, what: Drill | Tour, *, offered: bool = False) -> None:
        """Show a drill or the tour beside every screen, for the sandbox only; ``offered``: folded until it is opened."""
        self._guided_by = what, offered

    def on_mount(self) -> None:
        """Show the main screen first, then start to read; or the first frame, then import what the main screen needs."""
        self._show_theme()
        if self._open is None:
            from meshtui.screens.main import MainScreen

            self.set_keymap(self._keymap_chosen)
            self.push_screen(MainScreen(self.session, self.remembered))
            self._follow()
        else:
            from meshtui.screens.opening import OpeningScreen

            self.push_screen(OpeningScreen(partial(self._open_apart, self._open)))

    def on_app_blur(self, event: AppBlur) -> None:
        """In a browser the program always has the focus: Textual begins without it, and the page may give it before that."""
        if self.is_web:
            event.prevent_default()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The variables of meshtui's own that the stylesheets use."""
        return themes.variables(no_color=self.no_color)

    def _show_theme(self) -> None:
        """Show the theme that flags, settings or the last time ask for. From then on, each change is somebody's choice."""
        self._choosing = False
        self.theme = self._theme_given
        self._choosing = True

    def watch_theme(self, theme: str) -> None:
        """Remember a theme that was chosen."""
        if self._choosing:
            self.remembered.theme = theme
            self.remembered.save()

    @property
    def session(self) -> Session:
        """What is shown. Raises RuntimeError while it is being opened."""
        if self._session is None:
            raise RuntimeError("the session isn't open yet")
        return self._session

    def _open_apart(self, open_session: Callable[[], Session]) -> None:
        # Python runs no exit handlers for a daemon: quitting doesn't wait until manifests are read.
        threading.Thread(target=self._opening, args=(open_session, get_running_loop()), name="opening", daemon=True).start()

    def _opening(self, open_session: Callable[[], Session], loop: AbstractEventLoop) -> None:
        """Import everything and open the session; in a thread of its own, so that keys and resizes are answered meanwhile."""
        result: Session | Exception
        try:
            from meshtui.findings import all_rules
            from meshtui.screens.main import MainScreen  # noqa: F401  (it is only to be imported)
            from meshtui.ui.panes import panes

            panes()
            all_rules()
            result = open_session()
            self._take(result)
        except Exception as error:  # noqa: BLE001  (the boundary of the thread: the loop gets it)
            result = error
        with suppress(RuntimeError):  # the loop is closed: somebody quit
            loop.call_soon_threadsafe(self.call_later, self._opened, result)

    async def _opened(self, result: Session | Exception) -> None:
        """The main screen in place of the first frame, with the keys that were pressed in between."""
        if isinstance(result, MeshtuiError):
            self.failed = result
            self.exit()
        elif isinstance(result, Exception):
            self._handle_exception(result)
        else:
            from meshtui.screens.main import MainScreen
            from meshtui.screens.opening import OpeningScreen

            self._show_theme()
            self.stylesheet.read_all([Path(path) for path in self.CSS_PATH])
            self.stylesheet.parse()
            opening = next(screen for screen in self.screen_stack if isinstance(screen, OpeningScreen))
            while self.screen is not opening:  # the palette was opened, which has no commands yet
                await self.pop_screen()
            self.set_keymap(self._keymap_chosen)
            await self.switch_screen(MainScreen(result, self.remembered))
            self._follow()
            for key in opening.keys:
                self.post_message(Key(key.key, key.character))

    def _follow(self) -> None:
        """Read, after what is there is drawn."""
        self._stop_waiting = self.session.listen(self._settle)
        self.session.listen(self.session.looking.follow)
        self.call_after_refresh(self.session.start)
        if self._expecting is None:
            self._expecting = self.set_interval(_EXPECT_AGAIN_S, self._expect_again)
        if self._guided_by is not None:
            from meshtui.ui.drill.panel import LOOK_EVERY_S, Guide

            what, offered = self._guided_by
            self._guide = Guide(self, self.session, what, self._go_to, offered=offered)
            self.set_interval(LOOK_EVERY_S, self._guide.look)

    def _settle(self) -> None:
        """Once everything is read, exclude it from garbage collection, which would block the event loop again and again."""
        if self.session.settled:
            self._stop_waiting()
            self._expect(self.session)
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_COLLECT_SELDOM)
            sys.setswitchinterval(_YIELD_S)

    @work(thread=True, exclusive=True, group="expectations")
    def _expect(self, session: Session) -> None:
        """Read what is expected of flows, for their paths: in the sandbox, elsewhere if the settings name a file of one's own.

        A file that can't be used is said where it is verified: on the acceptance screen.
        """
        from meshtui.settings import Checkout

        if not session.label.sandbox and session.settings.checkout.expectations == Checkout().expectations:
            return
        with suppress(MeshtuiError):
            session.expecting.take(self._read_entries())
            self._expand(session)

    def _expect_again(self) -> None:
        running = any(worker.group == "expectations" and not worker.is_finished for worker in self.workers)
        if not running and self.session.expecting.is_due(self.session.snapshot):
            self._expand_again(self.session)

    @work(thread=True, exclusive=True, group="expectations")
    def _expand_again(self, session: Session) -> None:
        """Workloads, pods or Services came or went: patterns may match others."""
        self._expand(session)

    def _expand(self, session: Session) -> None:
        worker = get_current_worker()
        session.expecting.expand(session.engine)
        if not worker.is_cancelled:
            self.call_from_thread(session.tell)

    def _handle_exception(self, error: Exception) -> None:
        """End the app after an unexpected error, in a callback or a worker, with one line and exit code 70.

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
        """Called by Textual when the terminal is restored. Prints the line without markup, colours and line breaks."""
        for renderable in self._exit_renderables:
            sys.stderr.write(f"{clean(str(renderable))}\n")
        self._exit_renderables.clear()

    async def on_unmount(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.stop()

    @property
    def guide(self) -> Guide | None:
        """The guide of a drill or the tour, or None."""
        return self._guide

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the guide's keys if there is no guide. Space is enabled only on the tour, and not in an input."""
        if action != "guide":
            return super().check_action(action, parameters)
        if self._guide is None:
            return False
        return parameters != ("go_on",) or (self._guide.touring and not isinstance(self.focused, Input))

    def action_guide(self, what: str) -> None:
        """Run an action of the drill or of the tour: fold, hint or go_on."""
        if self._guide is not None:
            {"fold": self._guide.fold, "hint": self._guide.hint, "go_on": self._guide.go_on}[what]()

    def _main(self) -> MainScreen | None:
        """The main screen; None before it is there."""
        from meshtui.screens.main import MainScreen

        return next((s for s in self.screen_stack if isinstance(s, MainScreen)), None)

    def _go_to(self, station: Station) -> None:
        self.call_later(self._visit, station)

    async def _visit(self, station: Station) -> None:
        """Bring a station of the tour to the screen."""
        main = self._main()
        if main is None:
            return
        while self.screen is not main and len(self.screen_stack) > 1:
            await self.pop_screen()
        main.visit(station.pane, station.select)
        if station.flow is not None:
            from meshtui.engine.path.references import parse_flow
            from meshtui.screens.why import WhyScreen

            await self.push_screen(WhyScreen(self.session, parse_flow(*station.flow)))
        elif station.open:
            await main.run_action(station.open)

    async def action_interrupt(self) -> None:
        """Copy what is selected; without that, stop what the screen is doing; without that, quit."""
        field = self.focused
        selected = self.screen.get_selected_text() or (field.selected_text if isinstance(field, Input) else "")
        if selected:
            self.copy_to_clipboard(selected)
            self.screen.clear_selection()
            lines = selected.count("\n") + 1
            self.notify(f"copied {lines} line{'s' if lines > 1 else ''}", timeout=2)
            return
        if self.screen.selections:  # of nothing but blanks: who drags doesn't mean to quit
            self.screen.clear_selection()
            return
        stops = getattr(self.screen, "interrupt", None)
        if stops is not None and (said := stops()):
            said = said if isinstance(said, str) else "stopped; Ctrl-C again quits"
            self.notify(said, severity="warning", timeout=3)
            return
        await self.action_quit()

    def contexts(self) -> list[str]:
        """The names of the contexts that can be switched to."""
        return self._contexts.names() if self._contexts is not None and not self.session.label.sandbox else []

    @work(group="context")
    async def switch_context(self, name: str) -> None:
        """Show another context: what belonged to the old one is closed, and every screen with it."""
        if self._switching:
            self.notify("another context is being opened: a moment", severity="warning", timeout=3)
            return
        self._switching = True
        try:
            await self._switch(name)
        finally:
            self._switching = False

    async def _switch(self, name: str) -> None:
        from meshtui.screens.main import MainScreen

        contexts, old = self._contexts, self.session
        if contexts is None or name not in self.contexts():
            known = ", ".join(self.contexts())
            said = f"known are {known}" if known else "there is only this one"
            self.notify(f"no context {name!r}: {said}", severity="warning", markup=False)
            return
        try:
            new = await asyncio.to_thread(contexts.open, name)
        except MeshtuiError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        busy = [worker for worker in self.workers if isinstance(worker.node, Widget)]
        while len(self.screen_stack) > 2:  # Textual's own, and the main screen
            await self.pop_screen()
        self._stop_waiting()
        self._take(new)
        await self.switch_screen(MainScreen(new, self.remembered))
        self._follow()
        for worker in busy:
            if not worker.is_cancelled:  # twice would end what it cleans up
                worker.cancel()
        # a probe that is stopped removes its pods, and needs the connection for it
        await asyncio.gather(*(worker.wait() for worker in busy), return_exceptions=True)
        await old.stop()

    def action_help(self) -> None:
        """Open the help for the top screen."""
        from meshtui.screens.help import HelpScreen

        self.push_screen(HelpScreen(getattr(self.screen, "PLACE", ""), self._keymap_chosen))

    def action_checkout(self) -> None:
        """Open the checkout screen, which buys a book."""
        from meshtui.screens.checkout import CheckoutScreen

        self.push_screen(CheckoutScreen(self.session))

    def action_journal(self) -> None:
        """Show what was done to the cluster in this session."""
        from meshtui.screens.journal import JournalScreen

        self.push_screen(JournalScreen(self.session))

    def action_acceptance(self) -> None:
        """Open the acceptance screen, which tries the criteria."""
        from meshtui.screens.acceptance import AcceptanceScreen

        self.push_screen(AcceptanceScreen(self.session, self._read_entries))

    def action_journeys(self) -> None:
        """Choose a business transaction, and run it step by step."""
        from meshtui.journeys.known import catalogue
        from meshtui.screens.journey import JourneyScreen

        self.push_screen(JourneyScreen(self.session, lambda: catalogue(self.session.settings)))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every command of the program, for the palette: those of the screen first, then those that begin on the main screen."""
        yield from super().get_system_commands(screen)
        if self._session is None:
            return
        from meshtui.ui.action_screen import ActionScreen

        if isinstance(screen, ActionScreen):
            for action in commands(screen.PLACE):
                yield SystemCommand(action.footer, action.says, partial(screen.perform, action))
        main = self._main()
        if main is None:
            return
        from meshtui.ui.panes import panes

        for pane in panes():
            yield SystemCommand(f"Go to {pane.title}", f":{pane.aliases[0]}", partial(self._on_main, main, f"pane({pane.order})"))
        for action in on(main.PLACE):
            if action.palette and action.call.startswith("app."):
                yield SystemCommand(action.palette, action.says, partial(self.run_action, action.call))
            elif action.palette:
                yield SystemCommand(action.palette, action.says, partial(self._on_main, main, action.call))

    async def _on_main(self, main: MainScreen, action: str) -> None:
        while self.screen is not main and len(self.screen_stack) > 1:
            await self.pop_screen()
        await main.run_action(action)
