"""Middleware of every bookstore service: a request id, a log line, and counters for the scraper."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID = b"x-request-id"

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the current request, which is passed on with calls that it makes."""


def log(message: str, level: str = "INFO", **fields: object) -> None:
    """One line on the container's log: time, level, message, key=value."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    pairs = "".join(f" {key}={value}" for key, value in fields.items() if value is not None)
    print(f"{now} {level:5} {message}{pairs}", flush=True)


class Instrumented:
    """An ASGI application with request ids, access log lines and ``GET /metrics`` in Prometheus' text format."""

    def __init__(self, app: App, service: str) -> None:
        self._app = app
        self._service = service
        self._requests: Counter[tuple[str, int]] = Counter()
        self._started = time.time()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on a lifespan event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == "/metrics":
            await self._metrics(send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = dict(scope["headers"]).get(REQUEST_ID, b"").decode("latin-1")
        identity = wanted[:128] or uuid.uuid4().hex
        request_id.set(identity)
        began = time.monotonic()
        status = 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (REQUEST_ID, identity.encode("latin-1"))]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            self._requests[scope["method"], status] += 1
            # The kubelet probes every few seconds: only failures are logged.
            if not (scope["path"].endswith(("/health", "/ready")) and status < 400):
                elapsed = f"{(time.monotonic() - began) * 1000:.0f}ms"
                log(f"{scope['method']} {scope['path']} {status}", elapsed=elapsed, request_id=identity)

    async def _metrics(self, send: Send) -> None:
        lines = [
            "# TYPE http_requests_total counter",
            *(
                f'http_requests_total{{service="{self._service}",method="{method}",status="{status}"}} {count}'
                for (method, status), count in sorted(self._requests.items())
            ),
            "# TYPE process_start_time_seconds gauge",
            f'process_start_time_seconds{{service="{self._service}"}} {self._started:.3f}',
        ]
        body = ("\n".join(lines) + "\n").encode()
        headers = [(b"content-type", b"text/plain; version=0.0.4"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
