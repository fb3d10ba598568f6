"""The page around the terminal. Everything that it needs comes from this server: nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

STATIC = "/static/"
FONTS = ("RobotoMono-VariableFont_wght.ttf", "RobotoMono-Italic-VariableFont_wght.ttf")
FONT_SIZES = range(8, 41)

OWN = "/page.js"
SCRIPT = """addEventListener("load", () => {
  const shown = new MutationObserver(() => {
    if (document.body.classList.contains("-first-byte")) {
      shown.disconnect();
      document.querySelector(".xterm-helper-textarea")?.focus();
    }
  });
  shown.observe(document.body, { attributes: true });
});
"""
"""Keys go to the terminal as soon as it shows something, without a click."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>meshtui: @title@</title>
<link rel="icon" href="data:,">
<link rel="preload" href="@static@fonts/@upright@" as="font" type="font/ttf" crossorigin>
<link rel="stylesheet" href="@static@css/xterm.css">
<style>
@font-face { font-family: "Roboto Mono"; src: url("@static@fonts/@upright@"); font-weight: 100 700; }
@font-face { font-family: "Roboto Mono"; src: url("@static@fonts/@italic@"); font-weight: 100 700; font-style: italic; }
html, body { margin: 0; height: 100%; overflow: hidden; background: #10151c; color: #d7dde5; }
body { font: 16px "Roboto Mono", monospace; }
#terminal { position: absolute; inset: 0; }
.said { position: absolute; inset: 0; display: none; align-items: center; justify-content: center; gap: 1em; z-index: 1; }
#opening { display: flex; }
.-first-byte #opening { display: none; }
.-closed #ended { display: flex; background: #10151c; }
.-closed #opening { display: none; }
a { color: #c3dcff; }
</style>
<script src="@static@js/textual.js"></script>
<script src="@own@"></script>
</head>
<body>
<div id="opening" class="said">meshtui is opening @title@ <b>…</b> <i id="start"></i></div>
<div id="ended" class="said">This session has ended, or as many are open as may be. <a href="/">Open meshtui again</a></div>
<div id="terminal" class="textual-terminal" data-session-websocket-url="@socket@" data-font-size="@size@"></div>
</body>
</html>
"""


def page(title: str, socket: str, font_size: int) -> str:
    """The page, for a WebSocket's address and a font size in pixels."""
    size = min(max(font_size, FONT_SIZES.start), FONT_SIZES.stop - 1)
    words = {
        "title": title,
        "socket": socket,
        "size": str(size),
        "static": STATIC,
        "own": OWN,
        "upright": FONTS[0],
        "italic": FONTS[1],
    }
    text = _PAGE
    for name, value in words.items():
        text = text.replace(f"@{name}@", escape(value))
    return text


def headers(socket_origin: str) -> Mapping[str, str]:
    """The headers of every answer: nothing may be loaded from elsewhere, framed, kept, or told to another site."""
    rules = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # the terminal makes its own style elements
        "font-src 'self'",
        "img-src data:",
        f"connect-src {socket_origin}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(rules),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-store",
    }
