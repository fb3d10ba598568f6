"""The properties of a flow other than its endpoints."""

from __future__ import annotations

from dataclasses import dataclass

from meshtui.model.flow import HttpRequest, Jwt
from meshtui.model.workload import Service, ServicePort


@dataclass(frozen=True, slots=True)
class Question:
    """The properties of a flow that are the same for all its pairs: protocol, Service with its port, request and token."""

    protocol: str = "TCP"
    service: Service | None = None
    service_port: ServicePort | None = None
    http: HttpRequest | None = None
    jwt: Jwt | None = None
    to_address: bool = False
    """Whether the flow names an address as its destination, not a pod, a workload or a Service."""

    @property
    def through(self) -> tuple[Service, ServicePort] | None:
        """The Service and its port, or None when one of them isn't known."""
        return (self.service, self.service_port) if self.service and self.service_port else None

    def dialled(self, port: int) -> int:
        """The port that the source connects to: the Service's if the flow goes through one, else the destination's own."""
        return self.service_port.number if self.service_port else port
