"""The footer: the keys of the screen, on one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.events import MouseDown, MouseMove
from textual.screen import Screen
from textual.widget import Widget

_HELP = "app.help"
"""The action whose key stays in view: its page has all others."""


@dataclass(frozen=True, slots=True)
class FooterKey:
    """A key as the footer has it. ``enabled`` is whether it does something here; ``says`` is its tooltip."""

    key: str
    display: str
    name: str
    enabled: bool
    says: str
    stays: bool = False
    """Whether it is always in view."""

    @property
    def text(self) -> str:
        """The key and its name, as they stand."""
        return f"{self.display} {self.name}"


def fitting(keys: Sequence[FooterKey], width: int) -> list[FooterKey]:
    """The keys that fit the width (in cells), in their order: the first ones, and those that stay."""
    needed = {key: cell_len(key.text) + 1 for key in keys}
    left = width - sum(needed[key] for key in keys if key.stays)
    chosen = []
    full = False
    for key in keys:
        if key.stays:
            chosen.append(key)
        elif not full and needed[key] <= left:
            left -= needed[key]
            chosen.append(key)
        else:
            full = True
    return chosen


class Footer(Widget):
    """The keys that work on this screen, with their names; a click presses one.

    One widget draws all: textual's own footer makes a widget of each key, again whenever the focus moves, and cuts the last one.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"footer--key", "footer--name", "footer--disabled"}
    DEFAULT_CSS = """
    Footer {
        dock: bottom; height: 1; color: $footer-foreground; background: $footer-background;
        .footer--key { color: $footer-key-foreground; background: $footer-key-background; text-style: bold; }
        .footer--name { color: $footer-description-foreground; background: $footer-description-background; }
        .footer--disabled { text-style: dim; }
    }
    """

    _keys: tuple[FooterKey, ...] = ()

    @property
    def in_view(self) -> list[FooterKey]:
        """The keys that are shown."""
        return fitting(self._keys, self.size.width)

    @property
    def keys(self) -> tuple[FooterKey, ...]:
        """The keys that are shown where there is room."""
        return self._keys

    def on_mount(self) -> None:
        """Follow the bindings of the screen."""
        self.screen.bindings_updated_signal.subscribe(self, self._follow)

    def _follow(self, screen: Screen[Any]) -> None:
        if screen is not self.screen or not self.app.app_focus:
            return
        keys: dict[str, FooterKey] = {}  # by action: of several keys of one, the first is shown
        for _, binding, enabled, tooltip in screen.active_bindings.values():
            if binding.show and binding.action not in keys:
                display = self.app.get_key_display(binding)
                stays = binding.action == _HELP
                keys[binding.action] = FooterKey(binding.key, display, binding.description, enabled, tooltip, stays)
        if self._keys != (now := tuple(keys.values())):
            self._keys = now
            self.refresh()

    def render(self) -> Text:
        """One line."""
        key_style, name_style, disabled = (
            self.get_component_rich_style(f"footer--{part}", partial=part == "disabled") for part in ("key", "name", "disabled")
        )
        said = Text(no_wrap=True, end="")
        for key in self.in_view:
            begin = len(said)
            said.append(key.display, key_style).append(f" {key.name}", name_style)
            if not key.enabled:
                said.stylize(disabled, begin)
            said.append(" ")
        return said

    def _at(self, x: int) -> FooterKey | None:
        """The key in a column."""
        begin = 0
        for key in self.in_view:
            end = begin + cell_len(key.text)
            if begin <= x < end:
                return key
            begin = end + 1
        return None

    def on_mouse_move(self, event: MouseMove) -> None:
        """Say what the key does."""
        key = self._at(event.x)
        says = key.says if key is not None else None
        if self.tooltip != says:
            self.tooltip = says

    def on_mouse_down(self, event: MouseDown) -> None:
        """Press the key."""
        key = self._at(event.x)
        if key is None:
            return
        if key.enabled:
            self.app.simulate_key(key.key)
        else:
            self.app.bell()
