"""The server: a page, what the page needs, and a WebSocket with the terminal; every request passes the guard."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import textual_serve
from aiohttp import WSCloseCode, WSMsgType, web

from meshtui.web.guard import ADDRESS, Guard
from meshtui.web.page import OWN, SCRIPT, STATIC, headers, page
from meshtui.web.program import QUIT_S, TERM_S, Program

MOST_SESSIONS = 4
"""How many pages may be open at the same time, each with a process of its own, unless another number is given."""
_MOST_BYTES = 1024 * 1024
"""The largest message from a page: what is pasted."""
_HEARTBEAT_S = 15.0
_STATIC = Path(textual_serve.__file__).parent / "static"
_FONT_SIZE = 16

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Serves one command to browsers on this machine; ``title`` says what is shown."""

    def __init__(self, argv: Sequence[str], title: str, guard: Guard, most: int = MOST_SESSIONS) -> None:
        self._argv = tuple(argv)
        self._title = title
        self._guard = guard
        self._most = most
        self._open: set[web.WebSocketResponse] = set()
        self._headers = headers(guard.origin.replace("http:", "ws:"))

    def application(self) -> web.Application:
        """The routes, behind the guard."""

        @web.middleware
        async def guarded(request: web.Request, handler: _Handler) -> web.StreamResponse:
            return await self._guarded(request, handler)

        made = web.Application(middlewares=[guarded])
        made.add_routes(
            [web.get("/", self._page), web.get(OWN, self._script), web.get("/ws", self._terminal), web.static(STATIC, _STATIC)]
        )
        made.on_response_prepare.append(self._with_headers)
        made.on_shutdown.append(self._close)
        return made

    # ---- requests

    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Refuse what may not be asked, whether or not it exists."""
        origins = request.headers.getall("Origin", [])
        refusal = self._guard.refusal(
            request.headers.getall("Host", []),
            request.query.getall("token", []),
            request.cookies.get(self._guard.cookie, ""),
            origins if origins or request.path == "/ws" else None,
        )
        if refusal:
            raise web.HTTPForbidden(text=f"{refusal}\n")
        return await handler(request)

    async def _with_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        del request
        response.headers.update(self._headers)

    async def _page(self, request: web.Request) -> web.Response:
        """The page; with a token in its address, first the cookie and the address without it."""
        if "token" in request.query:
            answer = web.Response(status=303, headers={"Location": "/"})
            answer.set_cookie(self._guard.cookie, self._guard.token, path="/", httponly=True, samesite="Strict")
            return answer
        size = _number(request.query.get("fontsize", ""), _FONT_SIZE)
        text = page(self._title, f"{self._guard.origin.replace('http:', 'ws:')}/ws", size)
        return web.Response(text=text, content_type="text/html")

    async def _script(self, request: web.Request) -> web.Response:
        del request
        return web.Response(text=SCRIPT, content_type="text/javascript")

    async def _terminal(self, request: web.Request) -> web.WebSocketResponse:
        """One session: as long as the page is open, or until the program quits."""
        if len(self._open) >= self._most:
            raise web.HTTPServiceUnavailable(text=f"{self._most} sessions are open already\n")
        talk = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=_MOST_BYTES)
        self._open.add(talk)

        async def close() -> None:
            await talk.close()

        program = Program(self._argv, write_bytes=talk.send_bytes, write_str=talk.send_str, close=close)
        try:
            await talk.prepare(request)
            await program.open(_number(request.query.get("width", ""), 80), _number(request.query.get("height", ""), 24))
            await _pass_on(talk, program)
        except (OSError, ConnectionError):  # the program can't be started, or one side is gone
            pass
        finally:
            await program.stop()
            self._open.discard(talk)
            with suppress(ConnectionError, RuntimeError):
                await talk.close()
        return talk

    async def _close(self, _: web.Application) -> None:
        """End all sessions."""
        await asyncio.gather(*(talk.close(code=WSCloseCode.GOING_AWAY) for talk in list(self._open)), return_exceptions=True)


async def _pass_on(talk: web.WebSocketResponse, program: Program) -> None:
    """Keys, sizes and the focus, from the page to the program, until one of them ends. What isn't understood is left out."""
    async for message in talk:
        if message.type is not WSMsgType.TEXT:
            continue
        try:
            said = json.loads(message.data)
        except (ValueError, RecursionError):
            continue
        match said:
            case ["stdin", str(keys)]:
                await program.send_bytes(keys.encode("utf-8", "replace"))
            case ["resize", {"width": int(width), "height": int(height)}]:
                await program.resize(width, height)
            case ["ping", str(stamp)]:
                await talk.send_json(["pong", stamp[:64]])
            case ["blur"]:
                await program.blur()
            case ["focus"]:
                await program.focus()


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else otherwise


async def serve(
    argv: Sequence[str], title: str, *, port: int, most: int, ready: Callable[[str], None], token: str | None = None
) -> None:
    """Serve until it is cancelled, or Ctrl-C; then every program has ended. Raises OSError if the port can't be bound.

    ``port`` 0 takes a free one. ``ready`` is called with the address to open. Without a ``token`` one is drawn.
    """
    bound = socket.create_server((ADDRESS, port))
    number = bound.getsockname()[1]
    guard = Guard(number, token) if token else Guard(number)
    runner = web.AppRunner(
        Server(argv, title, guard, most).application(), access_log=None, shutdown_timeout=QUIT_S + 2 * TERM_S + 1
    )
    asked = _asked_to_end()
    await runner.setup()
    try:
        await web.SockSite(runner, bound).start()
        ready(guard.url)
        await asked.wait()
    finally:
        await runner.cleanup()


def _asked_to_end() -> asyncio.Event:
    """Set by Ctrl-C, or one of the signals that mean the same. The handlers stay: a second Ctrl-C leaves no programs behind."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, asked.set)
    return asked
