"""Where links lead: a flow to its explanation, an object to its YAML."""

from __future__ import annotations

from textual.screen import Screen

from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.session import Session
from meshtui.ui.links import Link


def follow(screen: Screen[None], session: Session, link: Link) -> None:
    """Open the screen to which a link leads."""
    from meshtui.screens.why import WhyScreen
    from meshtui.screens.yaml import YamlScreen

    if isinstance(link, Flow):
        screen.app.push_screen(WhyScreen(session, link))
    elif isinstance(link, ObjectRef):
        screen.app.push_screen(YamlScreen(session, link))
