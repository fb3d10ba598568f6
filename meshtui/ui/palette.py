"""The commands of the palette, ranked as every other list that is searched by typing."""

from __future__ import annotations

from textual.command import DiscoveryHit, Hit, Hits, Provider

from meshtui.ui.fuzzy import rank


class Commands(Provider):
    """All commands of the program."""

    async def discover(self) -> Hits:
        """The commands before anything is typed, by name."""
        for command in sorted(self.app.get_system_commands(self.screen), key=lambda command: command.title):
            if command.discover:
                yield DiscoveryHit(command.title, command.callback, help=command.help)

    async def search(self, query: str) -> Hits:
        """The commands that may be meant, best first; of those with one title, that of the screen."""
        by_title = {command.title: command for command in reversed(list(self.app.get_system_commands(self.screen)))}
        matcher, found = self.matcher(query), rank(query, reversed(by_title))
        for place, title in enumerate(found):
            command = by_title[title]
            yield Hit(1 - place / len(found), matcher.highlight(title), command.callback, help=command.help)
