"""Services."""

from __future__ import annotations

from typing import Any

from msgspec import field

from meshtui.kinds.convert import meta, tolerant
from meshtui.kinds.kind import V1, Kind, Role
from meshtui.kinds.wire import ObjectMeta, Wire
from meshtui.model import workload as model
from meshtui.model.address import canonical


class ServicePort(Wire):
    """spec.ports[] of a Service."""

    port: int = 0
    name: str | None = None
    protocol: str | None = None
    target_port: int | str | None = None
    node_port: int | None = None
    app_protocol: str | None = None


class LoadBalancerIngress(Wire):
    """status.loadBalancer.ingress[] of a Service."""

    ip: str | None = None


class LoadBalancerStatus(Wire):
    """status.loadBalancer of a Service."""

    ingress: list[LoadBalancerIngress] | None = None


class ServiceStatus(Wire):
    """status of a Service."""

    load_balancer: LoadBalancerStatus | None = None


class ServiceSpec(Wire):
    """spec of a Service."""

    type: str | None = None
    cluster_ip: str | None = field(default=None, name="clusterIP")
    cluster_ips: list[str] | None = field(default=None, name="clusterIPs")
    selector: dict[str, str] | None = None
    ports: list[ServicePort] | None = None
    external_name: str | None = None
    publish_not_ready_addresses: bool | None = None
    external_ips: list[str] | None = field(default=None, name="externalIPs")
    load_balancer_ip: str | None = field(default=None, name="loadBalancerIP")
    internal_traffic_policy: str | None = None


class Service(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: ServiceSpec | None = None
    status: Any = None


def service(raw: Service, origin: str = "") -> model.Service:
    """Convert a Service. An empty selector counts as absent; a missing targetPort is the port itself."""
    spec = raw.spec or ServiceSpec()
    return model.Service(
        meta=meta("Service", raw.metadata, origin=origin),
        type=spec.type or "ClusterIP",
        cluster_ips=tuple(map(canonical, spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ()))),
        outside_ips=_outside_ips(raw, spec),
        local_only=spec.internal_traffic_policy == "Local",
        selector=tuple(sorted(spec.selector.items())) if spec.selector else None,
        ports=tuple(
            model.ServicePort(
                number=p.port,
                target=p.port if p.target_port in {None, 0, ""} else _int_or_string(p.target_port),
                name=p.name or "",
                protocol=p.protocol or "TCP",
                node_port=p.node_port,
                app_protocol=p.app_protocol or "",
            )
            for p in spec.ports or ()
        ),
        external_name=spec.external_name or "",
        publish_not_ready=bool(spec.publish_not_ready_addresses),
    )


def _outside_ips(raw: Service, spec: ServiceSpec) -> tuple[str, ...]:
    status = tolerant(ServiceStatus, raw.status)
    balancer = status.load_balancer if status else None
    found = [*(spec.external_ips or ()), spec.load_balancer_ip, *(i.ip for i in (balancer.ingress or () if balancer else ()))]
    return tuple(dict.fromkeys(canonical(ip) for ip in found if ip))


def _int_or_string(value: int | str | None) -> int | str:
    return 0 if value is None else value


KINDS = (Kind("Service", "", V1, "services", "services", Service, service, role=Role.ROUTING, reports=True),)
