"""The base class of screens whose keys come from the table of actions."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import ActiveBinding
from textual.screen import Screen
from textual.widgets import Input

from meshtui.session import Session
from meshtui.ui.actions import ACTIONS, Action, by_id, on, refusal

_ORDER = {action.id: number for number, action in enumerate(ACTIONS)}


class ActionScreen(Screen[None]):
    """A screen with a footer. ``PLACE`` is its name in the table.

    Actions that the session refuses (in read-only mode, for example) are grey in the footer, and their keys show the reason.
    """

    PLACE: ClassVar[str]
    CRUMB: ClassVar[str] = ""
    """Its name in the way that the header shows; empty: it follows from ``PLACE``."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    @property
    def is_there(self) -> bool:
        """Whether its parts can be asked for: not before they are composed, and not from when it is being closed."""
        return bool(self.children) and self.display

    @property
    def crumb(self) -> str:
        """What the header calls this screen."""
        return self.CRUMB or self.PLACE.capitalize()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """Textual's active bindings in the order of the table, so that keys chosen by the user keep their place in the footer."""
        found = super().active_bindings
        if isinstance(self.focused, Input):
            found.pop("slash", None)  # it is typed; textual doesn't know the character of this key
        return dict(sorted(found.items(), key=lambda item: _ORDER.get(item[1].binding.id or "", -1)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """None (grey, and not run) for actions that the session refuses."""
        row = _row(self.PLACE, action)
        if row is not None and refusal(row, self._session):
            return None
        return super().check_action(action, parameters)

    def on_key(self, event: events.Key) -> None:
        """Show why an action is refused. Textual passes on the key of a disabled action as an event."""
        active = self.active_bindings.get(event.key)
        row = by_id().get(active.binding.id or "") if active is not None and not active.enabled else None
        if row is not None and self._refused(row):
            event.stop()

    async def perform(self, action: Action) -> None:
        """Run an action of this screen, as its key would."""
        if not self._refused(action):
            await self.run_action(action.call)

    def _refused(self, action: Action) -> bool:
        """Whether an action is refused; if so, show the reason."""
        why = refusal(action, self._session)
        if why:
            self.notify(why, severity="error", markup=False)
        return bool(why)

    def action_back(self) -> None:
        """Go back to the screen below."""
        self.app.pop_screen()


def _row(place: str, call: str) -> Action | None:
    return next((action for action in on(place) if action.call.partition("(")[0] == call), None)
