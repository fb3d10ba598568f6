"""HTTP requests to the API server: GET, paged lists, watches, logs. Errors are converted to meshtui's.

Importing httpx takes a quarter of the program's startup time, so it is imported at the first connection, after the first paint.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

import msgspec

from meshtui.model.errors import ClusterError, ForbiddenError, NotFoundError, SessionExpiredError
from meshtui.model.redact import redact
from meshtui.sources.kubernetes.authorization import header_bytes
from meshtui.sources.kubernetes.bounded import ConnectionLostError, NonsenseError, Streamed, read_body, read_start
from meshtui.sources.kubernetes.connection import Connection
from meshtui.sources.kubernetes.interrupt import in_thread
from meshtui.sources.kubernetes.limits import BODY_BYTES, ERROR_BODY_BYTES, MESSAGE_CHARS, RETRY_AFTER_S

if TYPE_CHECKING:
    import ssl

    import httpx

    from meshtui.settings import Timeouts

PAGE = 500
_SWITCHED_BYTES = 1 << 18
_IN_BETWEEN = "is there a proxy or a login page in between?"
T = TypeVar("T")
_ACCEPT = (("Accept", "application/json, */*"), ("Accept-Encoding", "gzip"))
_UNDECODABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What msgspec raises for bytes that can't be decoded: wrong types, invalid UTF-8, too deep nesting."""
_KEEPALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
]
"""TCP keepalive: a dead connection is detected within half a minute, even when it is idle."""


class NotServedError(NotFoundError):
    """The API server has no such path: the kind isn't installed (404)."""


class GoneError(ClusterError):
    """The resourceVersion is too old (410): the kind has to be listed again."""


class AnswerError(ClusterError):
    """Any other answer than success; ``said`` is its message."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"HTTP {code}: {said}")
        self.code = code
        self.said = said


class ThrottledError(ClusterError):
    """The API server is too busy (429); ``retry_after_s`` is from its Retry-After header, or None."""

    def __init__(self, message: str, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


LISTS_AT_ONCE = 16
"""The lists that are read at once: a slow machine opens seventy connections at once too slowly for each of them."""


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""


class Api:
    """One API server. All waits have a timeout from the settings."""

    def __init__(self, connection: Connection, timeouts: Timeouts) -> None:
        self.connection = connection
        self._timeouts = timeouts
        self._client = self._new_client(connection.tls)
        self._retired: list[httpx.AsyncClient] = []
        self.listing = asyncio.Semaphore(LISTS_AT_ONCE)
        """Held while a list is read."""

    def _new_client(self, tls: ssl.SSLContext | bool) -> httpx.AsyncClient:
        """A client that ignores environment variables, follows no redirects and keeps no cookies."""
        import httpx

        connection, timeouts = self.connection, self._timeouts
        proxy = httpx.Proxy(connection.proxy, ssl_context=connection.proxy_tls) if connection.proxy else None
        transport = httpx.AsyncHTTPTransport(
            verify=tls,
            proxy=proxy,
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=30),
            trust_env=False,
            socket_options=_KEEPALIVE,
        )
        return httpx.AsyncClient(
            base_url=connection.server,
            headers=[(name.encode(), header_bytes(value)) for name, value in (*_ACCEPT, *connection.headers)],
            transport=transport,
            timeout=httpx.Timeout(timeouts.request_s, connect=timeouts.connect_s),
            trust_env=False,
            follow_redirects=False,
        )

    @property
    def timeouts(self) -> Timeouts:
        """How long requests may take."""
        return self._timeouts

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
        """Send one request and return the body of the answer. Raises ClusterError.

        Only ``writes`` calls it with a method other than GET.
        """
        path = printable(path)
        headers = await self._headers()
        content = None if json is None else msgspec.json.encode(json)
        if content is not None:
            headers.append((b"Content-Type", content_type.encode()))
        try:
            async with asyncio.timeout(self._timeouts.request_s):
                request = self._client.build_request(method, path, params=params, content=content, headers=headers)
                response = await self._client.send(request, stream=True)
                try:
                    if not response.is_success:
                        raise await self._refused(response, _verb(method, path), path)
                    return await read_body(response, BODY_BYTES)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise self._too_slow() from error
        except _transport_errors() as error:
            raise self.lost(error) from error

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> bytes:
        """GET a path."""
        return await self.request("GET", path, params=params)

    async def get_object(self, path: str) -> dict[str, Any]:
        """GET one object as plain JSON data."""
        return decode_with(msgspec.json.Decoder(dict[str, Any]), await self.get(path))

    @asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, str], *, read_timeout_s: float | None = None
    ) -> AsyncIterator[Streamed]:
        """GET an answer as a stream; ``read_timeout_s`` is the maximum silence."""
        import httpx

        silence_s = read_timeout_s or self._timeouts.request_s
        timeout = httpx.Timeout(self._timeouts.request_s, connect=self._timeouts.connect_s, read=silence_s)
        path = printable(path)
        headers = [*await self._headers(), (b"Accept-Encoding", b"identity")]
        response = None
        try:
            async with asyncio.timeout(self._timeouts.request_s):
                request = self._client.build_request("GET", path, params=params, headers=headers, timeout=timeout)
                response = await self._client.send(request, stream=True)
                if not response.is_success:
                    raise await self._refused(response, "watch" if "watch" in params else "get", path)
        except TimeoutError as error:
            raise self._too_slow() from error
        except _transport_errors() as error:
            raise self.lost(error) from error
        finally:
            if response is not None and not response.is_success:
                await response.aclose()
        try:
            yield Streamed(response)
        except httpx.HTTPError as error:
            raise self.lost(error) from error
        finally:
            await response.aclose()

    @asynccontextmanager
    async def switched(self, path: str, params: Mapping[str, str], headers: Mapping[str, str]) -> AsyncIterator[Switched]:
        """GET that asks for another protocol on the same connection (RFC 9110, section 7.8). Only ``forward`` calls it."""
        path = printable(path)
        sent = [*await self._headers(), *((name.encode(), value.encode()) for name, value in headers.items())]
        response = None
        try:
            try:
                async with asyncio.timeout(self._timeouts.request_s):
                    request = self._client.build_request("GET", path, params=params, headers=sent)
                    response = await self._client.send(request, stream=True)
                    if response.is_success:
                        raise NonsenseError(f"HTTP {response.status_code}: it doesn't switch to another protocol", _IN_BETWEEN)
                    if response.status_code != 101:
                        raise await self._refused(response, "get, create", path)
            except TimeoutError as error:
                raise self._too_slow() from error
            except _transport_errors() as error:
                raise self.lost(error) from error
            yield Switched(response, self)
        finally:
            if response is not None:
                with contextlib.suppress(*_transport_errors()):
                    await response.aclose()

    async def _headers(self) -> list[tuple[bytes, bytes]]:
        authorization = await in_thread(self.connection.authorization)
        tls = self.connection.renewed()
        if tls is not None:
            self._retired.append(self._client)  # a request may still use the old client
            self._client = self._new_client(tls)
        return [(b"Authorization", header_bytes(authorization))] if authorization else []

    def lost(self, error: Exception) -> ConnectionLostError:
        """The error for an exception of httpx or a socket."""
        if "SSL" in str(error):
            self.connection.refused()  # the certificates on disk may have been renewed
        return unreachable(self.connection.server, error)

    def _too_slow(self) -> ConnectionLostError:
        server, limit_s = redact(self.connection.server), self._timeouts.request_s
        return ConnectionLostError(
            f"{server} doesn't answer in time: a request took longer than {limit_s:g} s",
            "is the VPN up? --request-timeout waits longer",
        )

    async def _refused(self, response: httpx.Response, verb: str, path: str) -> ClusterError:
        if response.status_code == 401:
            self.connection.refused()
        return _refusal(response, await read_start(response, ERROR_BODY_BYTES), verb, path)


class Switched:
    """A connection on which the server has switched to another protocol, as raw bytes."""

    def __init__(self, response: httpx.Response, api: Api) -> None:
        self._stream = response.extensions["network_stream"]
        self._api = api
        self.headers = response.headers.multi_items()

    async def read(self) -> bytes:
        """The next bytes, or none at the end. Raises ConnectionLostError, also after a silence."""
        return bytes(await self._in_time(self._stream.read(_SWITCHED_BYTES)))

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises ConnectionLostError."""
        await self._in_time(self._stream.write(data))

    async def _in_time(self, work: Awaitable[Any]) -> Any:
        limit_s = self._api.timeouts.request_s
        try:
            async with asyncio.timeout(limit_s):
                return await work
        except TimeoutError as error:
            raise ConnectionLostError(f"nothing came for {limit_s:g} s", "--request-timeout waits longer") from error
        except _transport_errors() as error:
            raise self._api.lost(error) from error


def printable(path: str) -> str:
    """A path with every other character than those of names escaped (RFC 3986, section 2.1)."""
    return quote(path, safe="/%:@!$&'()*+,;=~")


def segment(name: str) -> str:
    """A name as one segment of a path: ``/`` and dots are escaped, so that it can't change the path."""
    return quote(name, safe="")


def decode_with(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw) -> T:
    """Decode an answer of the API server to a type. Raises NonsenseError."""
    try:
        return decoder.decode(raw)
    except _UNDECODABLE as error:
        raise nonsense(raw, error) from error


def nonsense(raw: bytes | msgspec.Raw, error: Exception) -> NonsenseError:
    """A message about an answer that can't be decoded: why, and how it begins."""
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    start = bytes(raw[:40]).decode(errors="replace") if isinstance(raw, bytes) else ""
    message = f"this isn't an answer of an API server: {reason}{f'; it begins {redact(start)!r}' if start else ''}"
    return NonsenseError(message, _IN_BETWEEN)


def _parts(path: str) -> tuple[str, str, list[str]]:
    """A path's API group, namespace, and the rest: plural, name, subresource (Kubernetes: API concepts)."""
    parts = path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else ("".join(parts[1:2]), parts[3:])
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    return group, namespace, rest


def resource_of(path: str) -> str:
    """A path's resource as roles name it, and its namespace: ``pods/log in namespace infra``."""
    group, namespace, rest = _parts(path)
    resource = "/".join([*rest[:1], *rest[2:3]]) or path
    return f"{resource}{f'.{group}' if group else ''}{f' in namespace {unquote(namespace)}' if namespace else ''}"


def _verb(method: str, path: str) -> str:
    if method != "GET":
        return {"POST": "create", "DELETE": "delete", "PUT": "update", "PATCH": "patch"}.get(method, method.lower())
    return "get" if len(_parts(path)[2]) > 1 else "list"


def _refusal(response: httpx.Response, body: bytes, verb: str, path: str) -> ClusterError:
    code = response.status_code
    if 300 <= code < 400:
        return _redirect(response)
    message = redact(_message(body))[:MESSAGE_CHARS] or f"HTTP {code} for {path}"
    match code:
        case 401:
            return SessionExpiredError(f"the API server doesn't accept the credentials: {message}", "log in again")
        case 403:
            return ForbiddenError(verb, resource_of(path), message)
        case 404:
            return NotServedError(message)
        case 410:
            return GoneError(message)
        case 429:
            return ThrottledError(message, retry_after_s(response.headers.get("Retry-After", "")))
        case _:
            return AnswerError(code, message)


def _message(body: bytes) -> str:
    """The message in an error's body: that of a Status, or the text itself."""
    try:
        return msgspec.json.decode(body, type=_Status).message
    except _UNDECODABLE:
        return " ".join(body[: 4 * MESSAGE_CHARS].decode(errors="replace").split())


def _redirect(response: httpx.Response) -> NonsenseError:
    """The error for a redirect. API servers don't redirect, and credentials aren't sent elsewhere."""
    to = response.headers.get("Location", "")
    try:
        host = urlsplit(to).hostname or "another path"
    except ValueError:
        host = "nowhere"
    return NonsenseError(
        f"HTTP {response.status_code}: it redirects to {redact(host)[:80]}, which is not followed",
        _IN_BETWEEN,
    )


def retry_after_s(header: str) -> float | None:
    """The seconds in a Retry-After header, at most RETRY_AFTER_S; None for any other value (a date, 400 digits)."""
    text = header.strip()
    if not (text.isascii() and text.isdecimal()):
        return None
    return min(float(text), RETRY_AFTER_S) if len(text) < 10 else RETRY_AFTER_S


def _transport_errors() -> tuple[type[Exception], ...]:
    """The exceptions of httpx, and those that it passes on from sockets, TLS and the parsers of URLs and headers."""
    import httpcore
    import httpx

    lost = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)
    return (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, *lost, OSError, ValueError)


def unreachable(server: str, error: Exception) -> ConnectionLostError:
    """The error for a failed connection, with a hint."""
    import httpx

    text = redact(" ".join(str(error).split()))[:MESSAGE_CHARS] or type(error).__name__
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
