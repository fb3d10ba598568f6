"""The API server over HTTP: GET, lists in pages, watches, logs. Errors come out as the one tree of errors.

httpx takes a quarter of the program's start to import: it is imported when a connection is made, after the first paint.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from meshtui.model.errors import ClusterError, ForbiddenError, NotFoundError, SessionExpiredError
from meshtui.sources.connection import Connection
from meshtui.sources.redact import redact

if TYPE_CHECKING:
    import ssl

    import httpx

    from meshtui.settings import Timeouts

PAGE = 500
T = TypeVar("T")


class NotServedError(NotFoundError):
    """The API server doesn't serve this path: the kind isn't installed."""


class GoneError(ClusterError):
    """The resourceVersion is too old (410): list again."""


class NonsenseError(ClusterError):
    """Somebody answers, but not like an API server."""


class ConnectionLostError(ClusterError):
    """Nobody answers, or the answer was cut off."""


class ThrottledError(ClusterError):
    """The API server asks for patience (429); ``retry_after_s`` is its own word, or None."""

    def __init__(self, message: str, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""


class Api:
    """One API server. All waits have a timeout from the settings."""

    def __init__(self, connection: Connection, timeouts: Timeouts) -> None:
        self.connection = connection
        self._timeouts = timeouts
        self._extensions = {"sni_hostname": connection.server_name} if connection.server_name else {}
        self._client = self._new_client(connection.tls)
        self._retired: list[httpx.AsyncClient] = []

    def _new_client(self, tls: ssl.SSLContext | bool) -> httpx.AsyncClient:
        import httpx

        connection, timeouts = self.connection, self._timeouts
        return httpx.AsyncClient(
            base_url=connection.server,
            verify=tls,
            headers=list(connection.headers),
            proxy=connection.proxy,
            timeout=httpx.Timeout(timeouts.request_s, connect=timeouts.connect_s),
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=30),
            http1=True,
            trust_env=connection.proxy is None,
        )

    async def close(self) -> None:
        """Close all connections."""
        for client in (self._client, *self._retired):
            await client.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        content_type: str = "application/json",
    ) -> bytes:
        """One request; the body of the answer. Raises ClusterError and its kin.

        Only sources/writes.py calls it with another method than GET.
        """
        import httpx

        path = printable(path)
        body = None if json is None else msgspec.json.encode(json)
        headers = await self._headers()
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            response = await self._client.request(
                method, path, params=params, content=body, headers=headers, extensions=self._extensions
            )
        except httpx.HTTPError as error:
            raise self._lost(error) from error
        if not response.is_success:
            raise self._refused(response, response.content, _verb(method, path), path)
        return response.content

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> bytes:
        """GET a path."""
        return await self.request("GET", path, params=params)

    async def get_object(self, path: str) -> dict[str, Any]:
        """GET one object as plain JSON."""
        return decode_with(msgspec.json.Decoder(dict[str, Any]), await self.get(path))

    @asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, str], *, read_timeout_s: float | None = None
    ) -> AsyncIterator[httpx.Response]:
        """A GET whose answer is read as it comes."""
        import httpx

        timeout = httpx.Timeout(
            self._timeouts.request_s, connect=self._timeouts.connect_s, read=read_timeout_s or self._timeouts.request_s
        )
        path = printable(path)
        request = self._client.build_request(
            "GET", path, params=params, headers=await self._headers(), timeout=timeout, extensions=self._extensions
        )
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise self._lost(error) from error
        try:
            if not response.is_success:
                raise self._refused(response, await response.aread(), "watch" if "watch" in params else "get", path)
            yield response
        except httpx.HTTPError as error:
            raise self._lost(error) from error
        finally:
            await response.aclose()

    async def _headers(self) -> dict[str, str]:
        authorization = await asyncio.to_thread(self.connection.authorization)
        tls = self.connection.renewed()
        if tls is not None:
            self._retired.append(self._client)  # a request may still be reading from it
            self._client = self._new_client(tls)
        return {"Authorization": authorization} if authorization else {}

    def _lost(self, error: httpx.HTTPError) -> ConnectionLostError:
        if "SSL" in str(error):
            self.connection.refused()  # perhaps there are other certificates by now
        return unreachable(self.connection.server, error)

    def _refused(self, response: httpx.Response, body: bytes, verb: str, path: str) -> ClusterError:
        if response.status_code == 401:
            self.connection.refused()
        return _refusal(response, body, verb, path)


def printable(path: str) -> str:
    """A path in which whatever else a name may hold is escaped (RFC 3986, section 2.1)."""
    return quote(path, safe="/%:@!$&'()*+,;=~")


def segment(name: str) -> str:
    """A name as one segment of a path: it can't lead elsewhere."""
    return quote(name, safe="")


def decode_with(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw) -> T:
    """An answer of the API server in the expected shape. Raises NonsenseError."""
    try:
        return decoder.decode(raw)
    except msgspec.MsgspecError as error:
        start = bytes(raw[:40]).decode(errors="replace") if isinstance(raw, bytes) else ""
        message = f"this is no answer of an API server: {error}{f'; it begins {start!r}' if start else ''}"
        raise NonsenseError(message, "is there a proxy or a login page in between?") from error


def _verb(method: str, path: str) -> str:
    if method != "GET":
        return {"POST": "create", "DELETE": "delete", "PUT": "update", "PATCH": "patch"}.get(method, method.lower())
    parts = path.strip("/").split("/")
    start = 2 if parts[0] == "api" else 3
    rest = parts[start + 2 :] if len(parts) > start + 2 and parts[start] == "namespaces" else parts[start:]
    return "get" if len(rest) > 1 else "list"


def _refusal(response: httpx.Response, body: bytes, verb: str, path: str) -> ClusterError:
    try:
        message = msgspec.json.decode(body, type=_Status).message
    except msgspec.MsgspecError:
        message = body.decode(errors="replace")[:200]
    message = redact(message) or f"HTTP {response.status_code} for {path}"
    match response.status_code:
        case 401:
            return SessionExpiredError(f"the API server doesn't accept the credentials: {message}", "log in again")
        case 403:
            return ForbiddenError(verb, path.rsplit("/", 1)[-1], message)
        case 404:
            return NotServedError(message)
        case 410:
            return GoneError(message)
        case 429:
            after = response.headers.get("Retry-After", "")
            return ThrottledError(message, float(after) if after.isdecimal() else None)
        case _:
            return ClusterError(f"HTTP {response.status_code}: {message}")


def unreachable(server: str, error: httpx.HTTPError) -> ConnectionLostError:
    """A transport error in words, with the way out."""
    import httpx

    text = redact(str(error)) or type(error).__name__
    server = redact(server)
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
        reason = text.rpartition("certificate verify failed:")[2].partition("(_ssl")[0].strip() or text
        return ConnectionLostError(
            f"{server}: its certificate doesn't match: {reason}", "check certificate-authority in the kubeconfig"
        )
    if isinstance(error, httpx.ConnectTimeout | httpx.ReadTimeout | httpx.PoolTimeout | httpx.WriteTimeout):
        return ConnectionLostError(f"{server} doesn't answer in time", "is the VPN up? --request-timeout waits longer")
    if isinstance(error, httpx.ConnectError):
        return ConnectionLostError(f"{server} can't be reached: {text}", "is the cluster up?")
    return ConnectionLostError(f"{server}: {text}")
