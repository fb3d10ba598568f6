"""The network of a bookstore service: names, client sockets and servers behave as in a pod.

A service reads it from ``MESHTUI_POD_ROOT/net.json`` (see ``ports.PodPaths``), which the data plane rewrites whenever something
changes. The machine's resolver isn't used.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from meshtui.sandbox.ports import PodPaths

if TYPE_CHECKING:
    import httpx

ROOT_VARIABLE = "MESHTUI_POD_ROOT"
_LINGER_S = 0.5


class UnknownNameError(LookupError):
    """A host and port that this pod can't resolve."""


@dataclass(frozen=True, slots=True)
class _View:
    """One version of net.json."""

    ip: str | None
    namespace: str
    routes: Mapping[str, tuple[str, int]]


_NOWHERE = _View(ip=None, namespace="", routes={})


def _read(path: Path) -> _View:
    raw: dict[str, Any] = json.loads(path.read_bytes())
    routes = {name: (str(address), int(port)) for name, (address, port) in raw.get("routes", {}).items()}
    return _View(ip=raw.get("ip"), namespace=raw.get("namespace", ""), routes=routes)


class PodNetwork:
    """One pod's view of the network; read again when its file changes."""

    def __init__(self, root: Path) -> None:
        self.paths = PodPaths(root)
        self._stamp: tuple[int, int] | None = None
        self._view = _NOWHERE

    @classmethod
    def of_this_process(cls) -> PodNetwork:
        """The network of the pod that this process runs in."""
        return cls(Path(os.environ[ROOT_VARIABLE]))

    def _current(self) -> _View:
        try:
            status = self.paths.network.stat()
        except FileNotFoundError:
            return self._view
        # The file is replaced by a rename, so a new version has another inode even within one clock tick.
        stamp = (status.st_ino, status.st_mtime_ns)
        if stamp != self._stamp:
            self._view = _read(self.paths.network)
            self._stamp = stamp
        return self._view

    def resolve(self, host: str, port: int) -> tuple[str, int]:
        """The address to connect to for a host and port. Raises UnknownNameError if the pod's network has no such route."""
        name = f"[{host}]" if ":" in host else host
        route = self._current().routes.get(f"{name.lower().rstrip('.')}:{port}")
        if route is None:
            raise UnknownNameError(f"{host}:{port}: name or service not known")
        return route

    def source_address(self) -> str | None:
        """The address to which this pod's sockets are bound, or None."""
        address = self._current().ip
        # If pods share 127.0.0.1 (macOS), sockets aren't bound.
        return address if address and address != "127.0.0.1" else None

    def postgres(self, url: str) -> dict[str, Any]:
        """psycopg's connection parameters for ``postgresql://USER@HOST:PORT/DATABASE``.

        libpq can't bind a source address. A captured pod doesn't need it: its routes are its own outbound listeners, which
        connect from the pod's address.
        """
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port or 5432
        address, actual_port = self.resolve(host, port)
        return {
            "host": host,
            "hostaddr": address,
            "port": actual_port,
            "user": parts.username or "postgres",
            "dbname": parts.path.lstrip("/") or "postgres",
            "sslmode": "disable",
            "gssencmode": "disable",
            # The password (PGPASSWORD) itself is never sent, whatever server answers.
            "require_auth": "scram-sha-256",
            "connect_timeout": 3,
        }

    def transport(self) -> httpx.BaseTransport:
        """An httpx transport, HTTP/1.1 only, that resolves names with this network and binds to the pod's address."""
        import httpx

        class Transport(httpx.BaseTransport):
            """Rewrites the address of a request, and keeps its Host header."""

            def __init__(self, network: PodNetwork) -> None:
                self._network = network
                self._inner = httpx.HTTPTransport(http1=True, http2=False, local_address=network.source_address())

            def handle_request(self, request: httpx.Request) -> httpx.Response:
                port = request.url.port or (443 if request.url.scheme == "https" else 80)
                try:
                    address, actual_port = self._network.resolve(request.url.host, port)
                except UnknownNameError as error:
                    raise httpx.ConnectError(str(error), request=request) from error
                request.url = request.url.copy_with(host=address, port=actual_port)
                return self._inner.handle_request(request)

            def close(self) -> None:
                self._inner.close()

        return Transport(self)

    def client(self, timeout_s: float = 3.0) -> httpx.Client:
        """A client for a few calls: without proxies and certificates, and without keep-alive."""
        import httpx

        return httpx.Client(transport=self.transport(), timeout=timeout_s, trust_env=False)


def serve(app: Any, port: int, network: PodNetwork | None = None) -> None:
    """Serve an ASGI application as the container's port until SIGTERM."""
    import uvicorn

    class Server(uvicorn.Server):
        """Keeps serving for a moment after SIGTERM, until the proxies know that this pod is terminating."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            threading.Timer(_LINGER_S, super().handle_exit, (sig, frame)).start()

    socket_path = (network or PodNetwork.of_this_process()).paths.socket(port)
    socket_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket_path.unlink(missing_ok=True)
    config = uvicorn.Config(
        app,
        uds=str(socket_path),
        http="h11",
        ws="none",
        loop="asyncio",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    Server(config).run()
