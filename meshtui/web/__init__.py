"""The terminal program in a browser: a server on loopback that runs it once for each page that is open."""

from meshtui.web.server import MOST_SESSIONS, serve

__all__ = ["MOST_SESSIONS", "serve"]
