"""The API server on a socket, alone or as part of the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import uvicorn

from meshtui.sandbox.apiserver.admission import Admission
from meshtui.sandbox.apiserver.app import ApiApp
from meshtui.sandbox.apiserver.auth import Authenticator, ClientCertificateProtocol, ClientCertificateWebSocket, User
from meshtui.sandbox.apiserver.bootstrap import system_objects
from meshtui.sandbox.apiserver.faults import Faults
from meshtui.sandbox.apiserver.kinds import kind_of
from meshtui.sandbox.apiserver.podlogs import PodLogFiles
from meshtui.sandbox.apiserver.rbac import Authorizer
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.apiserver.streams import Streams
from meshtui.sandbox.pki import Pki, write_kubeconfig
from meshtui.sandbox.ports import Obj, PodPorts

HOST = "127.0.0.1"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: the sandbox has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ApiServer:
    """An API server with TLS on a loopback port.

    Certificates, logs and ``kubeconfig`` are written to ``directory``; ``tokens`` maps bearer tokens to users. ``start`` raises
    ``OSError`` if the port is in use.
    """

    def __init__(self, directory: Path, *, port: int = 0, tokens: dict[str, User] | None = None) -> None:
        self.directory = directory
        self.store = Store()
        self.store.hooks.append(Admission(self.store))
        self.streams = Streams()
        self.faults = Faults(self.store.compact, self.streams.cut)
        self.logs = PodLogFiles(directory / "logs")
        self.tokens = tokens if tokens is not None else {}
        self.kubeconfig = directory / "kubeconfig"
        self.url = ""
        self.pki = Pki.create(directory / "pki")
        authenticator, authorizer = Authenticator(self.tokens), Authorizer(self.store, self.faults)
        self._app = ApiApp(self.store, self.logs, self.faults, authenticator, authorizer, self.streams)
        self._port = port
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Store the initial objects, listen, and write the admin's kubeconfig."""
        for obj in system_objects():
            self.add(obj)
        listener = socket.create_server((HOST, self._port), backlog=256)
        listener.setblocking(False)
        self.url = f"https://{HOST}:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            self._app,
            http=ClientCertificateProtocol,
            ws=ClientCertificateWebSocket,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            ssl_certfile=str(self.pki.server_certificate),
            ssl_keyfile=str(self.pki.server_key),
            ssl_ca_certs=str(self.pki.ca_certificate),
            ssl_cert_reqs=ssl.CERT_OPTIONAL,
            timeout_keep_alive=120,
            timeout_graceful_shutdown=1,
        )
        # Watches are broken on purpose; uvicorn would print a traceback for each.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="apiserver")
        while not self._server.started:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.005)
        write_kubeconfig(self.kubeconfig, self.url, self.pki, "admin", ["system:masters"])

    def reach_pods(self, pods: PodPorts) -> None:
        """Use these ports for port-forward and proxy; without them every pod refuses."""
        self._app.pods = pods

    async def stop(self) -> None:
        """End streams and connections, and stop listening."""
        self.streams.end()
        if self._server and self._task:
            self._server.should_exit = True
            await self._server_ended()
        self.logs.close()

    async def _server_ended(self) -> None:
        task = self._task
        if task is None:
            return
        _, pending = await asyncio.wait({task}, timeout=5)
        if pending:
            task.cancel()
            await asyncio.wait({task})

    def add(self, obj: Obj) -> Obj:
        """Store an object from a manifest (created, or replaced when it is there); ``ValueError`` for unknown kinds."""
        kind = kind_of(obj.get("apiVersion", ""), obj.get("kind", ""))
        if kind is None:
            raise ValueError(f"the sandbox serves no {obj.get('apiVersion')} {obj.get('kind')}")
        namespace = obj["metadata"].get("namespace") or ("default" if kind.namespaced else None)
        obj = obj | {"metadata": dict(obj["metadata"])}
        if namespace and kind.namespaced:
            obj["metadata"]["namespace"] = namespace
            if self.store.get("namespaces", None, namespace) is None:
                self.store.create("namespaces", {"metadata": {"name": namespace}})
        if self.store.get(kind.plural, namespace, obj["metadata"]["name"]) is not None:
            return self.store.update(kind.plural, obj)
        return self.store.create(kind.plural, obj)

    def add_all(self, objects: Iterable[Obj]) -> None:
        """Store many objects, namespaces first."""
        for obj in sorted(objects, key=lambda obj: obj.get("kind") != "Namespace"):
            self.add(obj)


def as_applied(obj: Obj) -> Obj:
    """An object as ``kubectl apply`` would have created it, so that a later apply knows which fields it may remove."""
    metadata = obj["metadata"]
    annotations = metadata.get("annotations") or {}
    written = obj | {"metadata": metadata | {"annotations": annotations}}
    manifest = json.dumps(written, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"
    annotations = annotations | {_LAST_APPLIED: manifest}
    return obj | {"metadata": metadata | {"annotations": annotations}}


@contextlib.asynccontextmanager
async def running_api(objects: Iterable[Obj] = (), *, tokens: dict[str, User] | None = None) -> AsyncIterator[ApiServer]:
    """Run an API server alone: no controllers, no kubelet, so objects stay as they are written."""
    with tempfile.TemporaryDirectory(prefix="meshtui-api-") as temporary:
        api = ApiServer(Path(temporary), tokens=tokens)
        await api.start()
        try:
            api.add_all(objects)
            yield api
        finally:
            await api.stop()
