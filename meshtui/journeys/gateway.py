"""Requests to an application through its gateway: HTTP/1.1, with timeouts; every transport error becomes an outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from meshtui.engine import Engine
from meshtui.engine.path.gateway_address import gateway_urls
from meshtui.journeys.hops import Entrance
from meshtui.model.errors import ClusterError, ConfigError, NotFoundError
from meshtui.settings import Settings

_MAX_BYTES = 1 << 20
_UPSTREAM = "x-envoy-upstream-service-time"
"""A header that Envoy adds to the application's answers, not to its own (Envoy: router filter, response headers)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: ``body`` is decoded if it is JSON, else text; ``cause`` is set when there was no answer.

    ``connected`` is False if there was no connection, so that nothing was sent.
    """

    status: int | None = None
    body: Any = None
    elapsed_ms: float = 0.0
    request_id: str = ""
    from_gateway: bool = False
    cause: str = ""
    error: str = ""
    connected: bool = True

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return self.status is not None and 200 <= self.status < 300


class GatewayClient:
    """Sends requests through one gateway, for one host."""

    def __init__(self, url: str, host: str, settings: Settings) -> None:
        self._timeouts = settings.timeouts
        self._client = _client(url, host, settings)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; transport errors aren't raised but returned in the answer."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeouts.checkout_s + self._timeouts.connect_s):
                request = self._client.build_request(method, path, json=json, data=form, headers=headers)
                response = await self._client.send(request, stream=True)
                body = await _read(response)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            elapsed_ms = (time.perf_counter() - began) * 1000
            cause, words = _trouble(error, elapsed_ms)
            connected = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            return Answer(elapsed_ms=elapsed_ms, cause=cause, error=words, connected=connected)
        return Answer(
            response.status_code,
            _decoded(body),
            (time.perf_counter() - began) * 1000,
            response.headers.get("x-request-id", ""),
            "envoy" in response.headers.get("server", "") and _UPSTREAM not in response.headers,
        )


def _client(base_url: str, host: str, settings: Settings) -> httpx.AsyncClient:
    timeouts = settings.timeouts
    return httpx.AsyncClient(
        base_url=base_url,
        headers={**({"Host": host} if host else {}), "User-Agent": "meshtui", "Accept": "application/json"},
        timeout=httpx.Timeout(timeouts.checkout_s, connect=timeouts.connect_s),
        http1=True,
        http2=False,
        trust_env=False,
    )


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    try:
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > _MAX_BYTES:
                break
    finally:
        await response.aclose()
    return bytes(body[:_MAX_BYTES])


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")


def _trouble(error: Exception, elapsed_ms: float) -> tuple[str, str]:
    """The outcome of a transport error (docs/contracts.md, Words), and a sentence."""
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return "timeout", f"no answer within {elapsed_ms / 1000:.1f} s"
    text = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectError):
        if any(word in text for word in ("Name or service", "nodename", "getaddrinfo", "resolution")):
            return "dns", f"the gateway's name can't be resolved: {text}"
        if "SSL" in text or "CERTIFICATE" in text:
            return "tls", text
        return "refused", f"the gateway refuses the connection: {text}"
    return "closed", f"the connection was closed without an answer: {text}"


async def answering_gateway(settings: Settings, engine: Engine, entrance: Entrance, url: str, named_by: str) -> str:
    """The URL at which a gateway answers; each known URL is tested with a GET.

    ``url`` is a configured URL, if any; ``named_by`` describes where one can be configured. Raises ConfigError for a text that
    isn't a URL, NotFoundError when none is known, ClusterError when none answers.
    """
    if url:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"the gateway {url!r} isn't an address", "write http://HOST:PORT")
        urls = [url.rstrip("/")]
    else:
        urls = gateway_urls(engine.snapshot, entrance.namespace, entrance.name)
    if not urls:
        raise NotFoundError(
            f"no address of Gateway {entrance.namespace}/{entrance.name} is known",
            f"name one with --gateway URL, or in {named_by}",
        )
    problems = []
    for each in urls:
        async with _client(each, entrance.host, settings) as client:
            try:
                await client.get("/", timeout=settings.timeouts.connect_s)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                problems.append(f"{each}: {_trouble(error, settings.timeouts.connect_s * 1000)[1]}")
            else:
                return each
    raise ClusterError(f"the gateway doesn't answer: {'; '.join(problems)}", "is its pod ready? --gateway URL names another")
