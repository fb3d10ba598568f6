"""The content of a ztunnel's config dump that is kept: entries in one canonical form, certificates, and its node's pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

Entries = Mapping[str, bytes]
"""Entries by key, each as canonical JSON (``reading.canonical``): equal bytes mean equal entries.

Keys are a workload's ``uid``, a Service's ``namespace/hostname``, a policy's ``namespace/name``.
"""


class Table(StrEnum):
    """The lists of a dump that istiod sends to every ztunnel alike."""

    WORKLOADS = "workloads"
    SERVICES = "services"
    POLICIES = "policies"


class _Entry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An entry of a dump. Unknown fields are ignored; missing ones have ztunnel's defaults."""


class GatewayAddress(_Entry, frozen=True, rename="camel"):
    """A waypoint or network gateway: ``namespace/hostname`` or ``network/ip``."""

    destination: str = ""
    hbone_mtls_port: int = 0


class Workload(_Entry, frozen=True, rename="camel"):
    """One entry of ``workloads``. ``status`` is Healthy or Unhealthy; ``protocol`` HBONE or TCP, from the pod's annotation."""

    uid: str = ""
    name: str = ""
    namespace: str = ""
    workload_ips: tuple[str, ...] = ()
    service_account: str = ""
    trust_domain: str = ""
    node: str = ""
    network: str = ""
    network_mode: str = "Standard"
    protocol: str = "TCP"
    status: str = "Healthy"
    cluster_id: str = ""
    waypoint: GatewayAddress | None = None
    authorization_policies: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    native_tunnel: bool = False


class Endpoint(_Entry, frozen=True, rename="camel"):
    """One endpoint of a Service: ``port`` maps the Service's ports to the workload's."""

    workload_uid: str = ""
    port: Mapping[str, int] = {}
    status: str = "Healthy"


class WeightedWaypoint(_Entry, frozen=True, rename="camel"):
    """One of several waypoints of a Service, with its share."""

    destination: GatewayAddress
    weight: int = 0


class Service(_Entry, frozen=True, rename="camel"):
    """One entry of ``services``. ``vips`` are ``network/ip``; ``ports`` maps Service ports to target ports (0: by name)."""

    name: str = ""
    namespace: str = ""
    hostname: str = ""
    vips: tuple[str, ...] = ()
    ports: Mapping[str, int] = {}
    endpoints: Mapping[str, Endpoint] = {}
    waypoint: GatewayAddress | None = None
    weighted_waypoints: tuple[WeightedWaypoint, ...] = ()


class Policy(_Entry, frozen=True, rename="camel"):
    """One entry of ``policies``. ``rules`` are OR of clauses (AND) of matches (OR), each as in the dump."""

    name: str = ""
    namespace: str = ""
    scope: str = ""
    action: str = ""
    rules: tuple[tuple[tuple[dict[str, Any], ...], ...], ...] = ()
    dry_run: bool = False


def workload_of(entry: bytes) -> Workload:
    """A workload of its canonical form."""
    return msgspec.json.decode(entry, type=Workload)


def service_of(entry: bytes) -> Service:
    """A Service of its canonical form."""
    return msgspec.json.decode(entry, type=Service)


def policy_of(entry: bytes) -> Policy:
    """A policy of its canonical form."""
    return msgspec.json.decode(entry, type=Policy)


class CertificateState(StrEnum):
    """The state of an identity's certificate on a node."""

    AVAILABLE = "available"
    INITIALIZING = "initializing"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    """A word that isn't one of ztunnel's."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate. ``fingerprint`` is the SHA-256 of its DER form in hexadecimal; empty if its PEM can't be read."""

    serial: str
    valid_from: datetime | None
    expires: datetime | None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class IdentityCertificate:
    """The certificate of an identity: ``chain`` has the leaf first; ``error`` is why there is none."""

    identity: str
    state: CertificateState
    error: str = ""
    chain: tuple[Certificate, ...] = ()
    roots: tuple[Certificate, ...] = ()

    @property
    def leaf(self) -> Certificate | None:
        """The certificate of the identity itself."""
        return self.chain[0] if self.chain else None


@dataclass(frozen=True, slots=True)
class EnrolledPod:
    """A pod that istio-cni handed over to the ztunnel: up, or pending while its proxy can't start."""

    uid: str
    namespace: str
    name: str
    service_account: str
    up: bool
    secured: int = 0
    """Open connections with an identity at both ends (HBONE)."""
    plain: int = 0
    """Open connections without."""


@dataclass(frozen=True, slots=True)
class NodeDump:
    """What one ztunnel had at one moment. ``enrolled`` is by pod UID; None in dedicated mode, which has no such list."""

    node: str = ""
    version: str = ""
    """The version of Istio that it was built for; empty if it doesn't say."""
    build: str = ""
    network: str = ""
    cluster_id: str = ""
    mode: str = ""
    tables: Mapping[Table, Entries] = field(default_factory=dict)
    unread: Mapping[Table, frozenset[str]] = field(default_factory=dict)
    """The keys of entries that couldn't be read, by table; empty for one whose key couldn't be read either."""
    staged: tuple[str, ...] = ()
    """The Services, as ``namespace/hostname``, of which it has endpoints but not the Service."""
    certificates: tuple[IdentityCertificate, ...] = ()
    enrolled: Mapping[str, EnrolledPod] | None = None
    on_demand: bool = False
    """Whether it asks istiod only for what its pods call: then its lists aren't whole."""
    old_form: bool = False
    """Whether its lists are maps by address or name, as before Istio 1.23."""
    problems: tuple[str, ...] = ()
    """The parts that couldn't be read, each with the reason."""
    size: int = 0
    """The size of the dump in bytes."""

    @property
    def workloads(self) -> Entries:
        """Workloads by uid."""
        return self.tables.get(Table.WORKLOADS, {})

    @property
    def services(self) -> Entries:
        """Services by ``namespace/hostname``."""
        return self.tables.get(Table.SERVICES, {})

    @property
    def policies(self) -> Entries:
        """Policies by ``namespace/name``."""
        return self.tables.get(Table.POLICIES, {})

    def may_have(self, table: Table, key: str) -> bool:
        """Whether an entry that a table seems to lack may be one that couldn't be read."""
        return table not in self.tables or bool(self.unread.get(table, frozenset()) & {key, ""})
