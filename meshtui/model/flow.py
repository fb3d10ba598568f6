"""A flow: the connection or request that a verdict is about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class EndpointKind(Enum):
    """The kinds of endpoints of a flow."""

    POD = "pod"
    WORKLOAD = "workload"
    SERVICE = "service"
    IP = "ip"
    HOST = "host"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class FlowEndpoint:
    """One end of a flow: ``namespace``/``name`` of a pod, workload (with its ``owner_kind``) or Service, or an ``ip``.

    The ``name`` of a host is its DNS name, in lower case.
    """

    kind: EndpointKind
    namespace: str = ""
    name: str = ""
    owner_kind: str = ""
    ip: str = ""

    def __str__(self) -> str:
        """The reference that the command line accepts for it (docs/contracts.md, References)."""
        match self.kind:
            case EndpointKind.IP:
                return self.ip
            case EndpointKind.EXTERNAL:
                return "external"
            case EndpointKind.HOST:
                return self.name
            case EndpointKind.SERVICE:
                return f"{self.namespace}/svc/{self.name}"
            case EndpointKind.WORKLOAD:
                return f"{self.namespace}/{self.owner_kind.lower()}/{self.name}"
            case EndpointKind.POD:
                return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """The request that the flow carries, as far as it is known."""

    method: str = "GET"
    path: str = "/"
    host: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Jwt:
    """The token that the request carries; ``claims`` are pairs of a name and its JSON text."""

    issuer: str = ""
    subject: str = ""
    audiences: tuple[str, ...] = ()
    claims: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """From whom, to whom, on which port. ``port`` is a number, a port's name, or None where the destination has just one.

    For a Service it is the Service's port; for a pod or workload the container's.
    """

    source: FlowEndpoint
    destination: FlowEndpoint
    port: int | str | None
    protocol: str = "TCP"
    http: HttpRequest | None = None
    jwt: Jwt | None = None
    id: str = ""
