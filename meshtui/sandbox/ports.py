"""The interfaces between the parts of the sandbox.

The API server's store, the controllers, the kubelet and the data plane run in one asyncio process, and use each other only
through these; the bookstore's services are separate processes, and interact with the sandbox through files (see ``PodPaths``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Obj = dict[str, Any]
"""One Kubernetes object as plain JSON. Objects handed out by the store are never edited in place."""

POD_PREFIX = "127.1"
"""Pods' addresses on Linux: 127.1.x.y."""


@dataclass(frozen=True, slots=True)
class StoreEvent:
    """One change: ``type`` is ADDED, MODIFIED or DELETED; ``plural`` names the kind ("pods", "networkpolicies")."""

    type: str
    plural: str
    object: Obj


class ClusterStore(Protocol):
    """The interface of the API server's store for controllers, kubelet and data plane. Plurals are unique in the sandbox."""

    def list(self, plural: str, namespace: str | None = None) -> list[Obj]:
        """Every object of a kind, in all namespaces or one."""
        ...

    def get(self, plural: str, namespace: str | None, name: str) -> Obj | None:
        """One object, or None if it doesn't exist."""
        ...

    def create(self, plural: str, obj: Obj) -> Obj:
        """Store a new object with uid, creationTimestamp and resourceVersion filled in."""
        ...

    def update(self, plural: str, obj: Obj) -> Obj:
        """Replace an object (same namespace and name); a no-op change makes no event."""
        ...

    def delete(self, plural: str, namespace: str | None, name: str) -> Obj | None:
        """Delete an object now; its dependents are collected by ownerReferences."""
        ...

    def events(self, *plurals: str) -> AsyncIterator[StoreEvent]:
        """Changes of some kinds from now on (none: all kinds)."""
        ...


class PodLogs(Protocol):
    """Container logs. Lines get a timestamp when they are appended."""

    def append(self, pod_uid: str, line: str) -> None:
        """Append one line, without its newline, to a pod's log (the data plane writes the ztunnels' logs this way)."""
        ...


@dataclass(frozen=True, slots=True)
class PodPaths:
    """Where a pod lives on this machine. ``root`` is short: a Unix socket's path may not pass 100 bytes.

    - ``root/s/PORT``: the Unix socket on which the container serves its containerPort PORT. Nothing else listens for
      the pod, so plaintext can't go around its proxy; PostgreSQL's socket is linked to that name.
    - ``root/net.json``: the pod's view of the network, rewritten whole (atomically) by the data plane whenever it changes:
      ``{"ip": "127.1.0.7", "namespace": "ecom", "routes": {"inventory-service.inventory:8000": ["127.2.0.9", 20001], …}}``.
      Every DNS form of a Service, its ClusterIP and every pod's IP stand in ``routes`` with each of their ports; what is
      not there can't be resolved. A drop is a route to an address that never answers. Sockets bind to ``ip`` first.
    - ``root/.curlrc``: the same view for an unmodified curl (``CURL_HOME`` is ``root``).
    - ``root/home``: the container's working folder.
    """

    root: Path

    def socket(self, port: int) -> Path:
        """The socket on which the container serves this port."""
        return self.root / "s" / str(port)

    @property
    def network(self) -> Path:
        """The pod's view of the network, as JSON."""
        return self.root / "net.json"

    @property
    def curlrc(self) -> Path:
        """The pod's view of the network, for curl."""
        return self.root / ".curlrc"


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class PodPorts(Protocol):
    """The ports of the pods, for the API server's port-forward and proxy."""

    async def connect(self, pod: Obj, port: int, *, inside: bool) -> Streams:
        """Connect to a pod's port: from inside the pod, or to its address. Raises ``ConnectionRefusedError``."""
        ...


@dataclass(frozen=True, slots=True)
class Image:
    """How the kubelet runs an image: the command, and additional environment variables.

    ``command`` None means that the container's own ``command`` and ``args`` are run (the probe image); an ``idle`` image runs
    no process (istiod, ztunnel, the gateway: Envoy does their work).
    """

    command: tuple[str, ...] | None
    env: dict[str, str]
    idle: bool = False


class Images(Protocol):
    """The table of images. A container with an unknown one doesn't run: ErrImagePull."""

    def __call__(self, name: str) -> Image | None:
        """The image, or None when there is no such image."""
        ...
