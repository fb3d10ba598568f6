"""A real HTTP proxy in front of an API server: it keeps what was asked, and can be slow, short of patience, or cut off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import uvicorn
import yaml

from meshtui.settings import Settings
from meshtui.sources.kubernetes.connection import connect

_HOP_BY_HOP = {"host", "connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length", "accept-encoding"}


@dataclass(frozen=True)
class Question:
    """One request, as it came in. ``body`` is empty for a GET."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    status: int

    def __str__(self) -> str:
        """``POST /api/v1/namespaces/ecom/pods``."""
        return f"{self.method} {self.path}"


class _CutError(Exception):
    """The connection is to break off here."""


class AuditProxy:
    """Hands every request on with the credentials of a kubeconfig; the client itself needs none.

    ``throttle(n)``: the next n requests are answered 429 with Retry-After. ``delay_s``: every answer waits. ``cut()``: what is
    being streamed breaks off. ``rewind``: the next watches are opened at this resourceVersion, instead of the one asked for.
    """

    def __init__(self, kubeconfig: str, **settings: Any) -> None:
        self.asked: list[Question] = []
        self.delay_s = 0.0
        self.rewind = ""
        self._throttle = 0
        self._retry_after_s = 0
        self._only = ""
        self._cut = asyncio.Event()
        connection = connect(Settings(kubeconfig=kubeconfig, **settings))
        authorization = connection.authorization()
        self._upstream = httpx.AsyncClient(
            base_url=connection.server,
            verify=connection.tls,
            headers={"Authorization": authorization} if authorization else {},
            timeout=httpx.Timeout(30, read=600),
            trust_env=False,
        )
        self.port = 0

    @property
    def writes(self) -> list[Question]:
        """Everything that wasn't a GET."""
        return [asked for asked in self.asked if asked.method != "GET"]

    def throttle(self, times: int, retry_after_s: int, only: str = "") -> None:
        """Answer the next requests (whose path ends with ``only``) with 429."""
        self._throttle, self._retry_after_s, self._only = times, retry_after_s, only

    def cut(self) -> None:
        """Break off every answer that is being streamed."""
        self._cut.set()
        self._cut = asyncio.Event()

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        """One request (ASGI)."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        asked = (scope["method"], scope["path"], scope["query_string"].decode(), tuple(headers), body)
        if self._throttle and scope["path"].endswith(self._only):
            self._throttle -= 1
            self.asked.append(Question(*asked, status=429))
            await _throttled(send, self._retry_after_s)
            return
        if self.rewind and query.get("watch"):
            query["resourceVersion"] = self.rewind
        request = self._upstream.build_request(
            scope["method"],
            f"{scope['path']}?{urlencode(query)}" if query else scope["path"],
            headers=[(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP],
            content=body,
        )
        try:
            response = await self._upstream.send(request, stream=True)
        except httpx.HTTPError as error:
            raise _CutError from error
        self.asked.append(Question(*asked, status=response.status_code))
        try:
            await self._hand_on(response, send)
        finally:
            await response.aclose()

    async def _hand_on(self, response: httpx.Response, send: Callable[[Any], Awaitable[None]]) -> None:
        kept = [
            (k.encode(), v.encode()) for k, v in response.headers.multi_items() if k.lower() in {"content-type", "retry-after"}
        ]
        await send({"type": "http.response.start", "status": response.status_code, "headers": kept})
        cut = asyncio.ensure_future(self._cut.wait())
        chunks = response.aiter_bytes().__aiter__()
        try:
            while True:
                coming = asyncio.ensure_future(anext(chunks, None))
                await asyncio.wait({coming, cut}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    await asyncio.gather(coming, return_exceptions=True)
                    raise _CutError
                try:
                    chunk = coming.result()
                except httpx.HTTPError as error:
                    raise _CutError from error
                if chunk is None:
                    break
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            cut.cancel()

    async def close(self) -> None:
        """Let go of the API server."""
        await self._upstream.aclose()


async def _throttled(send: Callable[[Any], Awaitable[None]], retry_after_s: int) -> None:
    headers = [(b"content-type", b"application/json"), (b"retry-after", str(retry_after_s).encode())]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    body = b'{"kind":"Status","status":"Failure","reason":"TooManyRequests","message":"too many requests","code":429}'
    await send({"type": "http.response.body", "body": body})


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _through(kubeconfig: Path, path: Path, port: int) -> Path:
    written = yaml.safe_load(kubeconfig.read_text())
    written["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}"}
    written["users"][0]["user"] = {}
    path.write_text(yaml.safe_dump(written))
    return path


@contextlib.asynccontextmanager
async def audited(kubeconfig: Path | str, folder: Path, **settings: Any) -> AsyncIterator[tuple[AuditProxy, Path]]:
    """A proxy in front of a kubeconfig's API server, and a kubeconfig (in a folder) that goes through it."""
    proxy = AuditProxy(str(kubeconfig), **settings)
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    listener.setblocking(False)
    proxy.port = listener.getsockname()[1]
    config = uvicorn.Config(
        proxy, ws="none", lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1, timeout_keep_alive=60
    )
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)  # what is cut off is meant
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="audit proxy")
    try:
        yield proxy, _through(Path(kubeconfig), folder / "audited", proxy.port)
    finally:
        proxy.cut()
        server.should_exit = True
        await asyncio.wait({task}, timeout=5)
        await proxy.close()
