"""Port-forward (over WebSocket) and proxy: the ways to a pod's ports through the API server."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping

import h11
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send

from meshtui.sandbox.apiserver.errors import ApiError
from meshtui.sandbox.apiserver.request import Ask
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.ports import Obj, PodPorts, Streams

PROTOCOL = "v4.channel.k8s.io"
_CHUNK = 65536
_CREATE_SINCE = (1, 35)
"""From this version on, an upgrade by GET needs ``create``, as one by POST does."""
_PROXIED_AT_MOST_S = 60.0
_NOT_PASSED_ON = {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length", "host", "authorization", "te"}


class NoPorts:
    """Pods without ports, where nothing runs them."""

    async def connect(self, pod: Obj, port: int, *, inside: bool) -> Streams:
        """Refuse."""
        del pod, port, inside
        raise ConnectionRefusedError


def verb_to_upgrade(version: Mapping[str, str]) -> str:
    """The verb on pods/portforward that a server of this version demands for a WebSocket."""
    return "create" if (int(version["major"]), int(version["minor"])) >= _CREATE_SINCE else "get"


async def refuse(answer: Response, receive: Receive, send: Send) -> None:
    """Answer an upgrade with an ordinary response."""
    await receive()
    await send({"type": "websocket.http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})


def forwarding(store: Store, pods: PodPorts, request: Request, ask: Ask) -> Forwarding:
    """The forwarding that a request asks for; raises ``ApiError``."""
    pod = store.require("pods", ask.namespace, ask.name)
    ports = [_number(text) for text in request.query_params.getlist("ports")]
    if not ports:
        raise ApiError(400, 'query parameter "ports" is required')
    if PROTOCOL not in request.scope.get("subprotocols", []):
        raise ApiError(400, f"unable to upgrade: none of the subprotocols is {PROTOCOL}")
    return Forwarding(pods, pod, ports)


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise ApiError(400, f'query parameter "ports" is invalid: unable to parse "{text}" as a port')
    return int(text)


class Forwarding:
    """One WebSocket: two channels for each port, for data and for errors. Each begins with its port's number."""

    def __init__(self, pods: PodPorts, pod: Obj, ports: list[int]) -> None:
        self._pods = pods
        self._pod = pod
        self._ports = ports
        self._writers: dict[int, asyncio.StreamWriter] = {}

    async def __call__(self, receive: Receive, send: Send) -> None:
        """Relay until every port's connection has ended, or the client closes."""
        await receive()
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
        for index, port in enumerate(self._ports):
            for channel in (2 * index, 2 * index + 1):
                await send({"type": "websocket.send", "bytes": bytes([channel]) + port.to_bytes(2, "little")})
        readers = [await self._open(index, port, send) for index, port in enumerate(self._ports)]
        up = asyncio.create_task(self._from_client(receive))
        down = asyncio.create_task(_all_to_client(readers, send))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            up.cancel()
            down.cancel()
            for writer in self._writers.values():
                writer.close()
            gone = up.done() and not up.cancelled()
            await asyncio.gather(up, down, return_exceptions=True)
        if not gone:
            with contextlib.suppress(OSError, RuntimeError):
                await send({"type": "websocket.close", "code": 1000})

    async def _open(self, index: int, port: int, send: Send) -> asyncio.StreamReader | None:
        try:
            reader, self._writers[index] = await self._pods.connect(self._pod, port, inside=True)
        except OSError:
            metadata = self._pod["metadata"]
            why = (
                f"error forwarding port {port} to pod {metadata['name']}_{metadata['namespace']}, uid {metadata['uid']}: "
                f"failed to connect to localhost:{port} inside namespace: connection refused"
            )
            await send({"type": "websocket.send", "bytes": bytes([2 * index + 1]) + why.encode()})
            return None
        return reader

    async def _from_client(self, receive: Receive) -> None:
        while (event := await receive())["type"] == "websocket.receive":
            data = event.get("bytes") or b""
            writer = self._writers.get(data[0] // 2) if data and data[0] % 2 == 0 else None
            if writer is not None and len(data) > 1:
                writer.write(data[1:])
                with contextlib.suppress(OSError):  # the pod has closed; what it has sent is still relayed
                    await writer.drain()


async def _all_to_client(readers: list[asyncio.StreamReader | None], send: Send) -> None:
    await asyncio.gather(*(_to_client(index, reader, send) for index, reader in enumerate(readers) if reader))


async def _to_client(index: int, reader: asyncio.StreamReader, send: Send) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            await send({"type": "websocket.send", "bytes": bytes([2 * index]) + data})


async def proxy(store: Store, pods: PodPorts, request: Request, ask: Ask) -> Response:
    """Pass a request on to a pod's address. ``NAME`` may be ``NAME:PORT`` or ``http:NAME:PORT``."""
    scheme, name, given = _target(ask.name)
    pod = store.require("pods", ask.namespace, name)
    port = int(given) if given.isdigit() else _named(pod, given)
    address = f"{(pod.get('status') or {}).get('podIP', '')}:{port}"
    try:
        if scheme == "https" or not 0 < port < 65536:
            raise ConnectionRefusedError
        reader, writer = await pods.connect(pod, port, inside=False)
    except OSError:
        raise ApiError(503, f"error trying to reach service: dial tcp {address}: connect: connection refused") from None
    try:
        async with asyncio.timeout(_PROXIED_AT_MOST_S):
            return await _exchange(reader, writer, request, ask.rest or "/", address)
    except (OSError, TimeoutError, h11.RemoteProtocolError) as error:
        raise ApiError(503, f"error trying to reach service: {error}") from error
    finally:
        writer.close()


def _target(text: str) -> tuple[str, str, str]:
    parts = text.split(":")
    if len(parts) == 3:
        return parts[0], parts[1], parts[2]
    return "http", parts[0], parts[1] if len(parts) == 2 else ""


def _named(pod: Obj, name: str) -> int:
    """The port with a name; the first one without."""
    ports = [port for container in pod["spec"].get("containers") or [] for port in container.get("ports") or []]
    found = next((port["containerPort"] for port in ports if not name or port.get("name") == name), 80 if not name else 0)
    return int(found)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request, path: str, address: str
) -> Response:
    client = h11.Connection(h11.CLIENT)
    query = request.scope.get("query_string", b"").decode("latin-1")
    body = await request.body()
    headers = [(key, value) for key, value in request.headers.items() if key.lower() not in _NOT_PASSED_ON]
    headers += [("host", address), ("connection", "close"), ("content-length", str(len(body)))]
    start = h11.Request(method=request.method, target=path + (f"?{query}" if query else ""), headers=headers)
    for event in (start, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(client.send(event) or b"")
    await writer.drain()
    status, said, content = 502, {}, b""
    while True:
        got = client.next_event()
        if got is h11.NEED_DATA:
            client.receive_data(await reader.read(_CHUNK))
        elif isinstance(got, h11.Response):
            status, said = got.status_code, {key.decode(): value.decode("latin-1") for key, value in got.headers}
        elif isinstance(got, h11.Data):
            content += got.data
        elif isinstance(got, h11.EndOfMessage | h11.ConnectionClosed):
            break
    return Response(content, status, {key: value for key, value in said.items() if key not in _NOT_PASSED_ON})
