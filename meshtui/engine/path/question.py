"""What is asked about each pair of endpoints of a flow."""

from __future__ import annotations

from dataclasses import dataclass

from meshtui.model.flow import HttpRequest, Jwt
from meshtui.model.workload import Service, ServicePort


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about each pair of a flow: the protocol, the Service on the way with its port, the request."""

    protocol: str = "TCP"
    service: Service | None = None
    service_port: ServicePort | None = None
    http: HttpRequest | None = None
    jwt: Jwt | None = None

    @property
    def through(self) -> tuple[Service, ServicePort] | None:
        """The Service and its port, where both are known."""
        return (self.service, self.service_port) if self.service and self.service_port else None
