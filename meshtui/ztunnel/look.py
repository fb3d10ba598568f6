"""One look at the mesh's own state: each node's ztunnel, and what istiod says that it has sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from meshtui.ztunnel.dump import NodeDump


@dataclass(frozen=True, slots=True)
class Metrics:
    """Numbers from a ztunnel's metrics; None where the metric isn't there."""

    active_pods: int | None = None
    """The pods whose proxy runs (workload_manager_active_proxy_count)."""
    pending_pods: int | None = None
    """The pods whose proxy can't start (workload_manager_pending_proxy_count)."""
    version: str = ""
    """istio_build's tag."""
    xds_terminations: Mapping[str, int] = field(default_factory=dict)
    """How often its stream to istiod ended, by reason."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer of /healthz/ready: ``pending`` are the tasks that it waits for."""

    ready: bool
    pending: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeLook:
    """One node's ztunnel at one moment. What couldn't be read is None, with the reason in ``problems``."""

    node: str
    pod: str = ""
    """``namespace/name`` of the ztunnel; empty if the node has none, or for a saved dump."""
    image: str = ""
    at: datetime | None = None
    """When the dump was taken; for a saved one, as far as known."""
    dump: NodeDump | None = None
    metrics: Metrics | None = None
    readiness: Readiness | None = None
    origin: str = ""
    """The file of a saved dump."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """What istiod says of one type of resource for one proxy (/debug/syncz): nonces, time, and the last refusal."""

    type_url: str
    sent: str = ""
    acked: str = ""
    sent_at: datetime | None = None
    last_error: str = ""

    @property
    def behind(self) -> bool:
        """Whether the last answer isn't acknowledged."""
        return bool(self.sent) and self.sent != self.acked


@dataclass(frozen=True, slots=True)
class Synced:
    """istiod's view of one ztunnel. ``proxy`` is ``name.namespace`` of its pod."""

    proxy: str
    istiod: str = ""
    version: str = ""
    resources: tuple[Sent, ...] = ()


@dataclass(frozen=True, slots=True)
class MeshLook:
    """One look at all nodes. ``missing`` says what couldn't be asked at all, each with the right or the reason."""

    at: datetime
    nodes: tuple[NodeLook, ...] = ()
    synced: tuple[Synced, ...] | None = None
    """What istiod says; None if it couldn't be asked."""
    istiod_versions: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    saved: bool = False
    """Whether the dumps come from files."""
