"""Kubernetes JSON of the workload kinds as it comes over the wire, reduced to the fields that meshtui reads."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct, field


class Wire(Struct, rename="camel", gc=False):
    """Base of all wire types: camelCase names; unknown fields are passed over."""


class ManagedFields(Wire):
    """Who wrote which fields, and when."""

    manager: str = ""
    time: datetime | None = None
    subresource: str = ""


class OwnerReference(Wire):
    """An owner."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class ObjectMeta(Wire):
    """metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    resource_version: str = ""
    managed_fields: list[ManagedFields] | None = None


class ContainerPort(Wire):
    """containers[].ports[]."""

    container_port: int = 0
    name: str | None = None
    protocol: str | None = None


class EnvVar(Wire):
    """containers[].env[]."""

    name: str = ""
    value: str | None = None


class ProbeAction(Wire):
    """httpGet, tcpSocket or grpc of a probe."""

    port: int | str | None = None


class Probe(Wire):
    """A container's startup, readiness or liveness probe, as far as it asks over the network."""

    http_get: ProbeAction | None = None
    tcp_socket: ProbeAction | None = None
    grpc: ProbeAction | None = None


class Container(Wire):
    """containers[] and initContainers[]."""

    name: str = ""
    image: str | None = None
    ports: list[ContainerPort] | None = None
    env: list[EnvVar] | None = None
    restart_policy: str | None = None
    startup_probe: Probe | None = None
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None


class PodSpec(Wire):
    """spec of a Pod."""

    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    service_account_name: str | None = None
    service_account: str | None = None
    host_network: bool | None = None
    node_name: str | None = None


class PodIP(Wire):
    """status.podIPs[] and status.hostIPs[]."""

    ip: str = ""


class Waiting(Wire):
    """Why a container waits or ended."""

    reason: str | None = None
    message: str | None = None


class ContainerState(Wire):
    """containerStatuses[].state."""

    waiting: Waiting | None = None
    terminated: Waiting | None = None


class ContainerStatus(Wire):
    """status.containerStatuses[]."""

    ready: bool = False
    restart_count: int = 0
    state: ContainerState | None = None


class Condition(Wire):
    """status.conditions[]."""

    type: str = ""
    status: str = ""


class PodStatus(Wire):
    """status of a Pod."""

    phase: str | None = None
    reason: str | None = None
    pod_ip: str | None = field(default=None, name="podIP")
    pod_ips: list[PodIP] | None = field(default=None, name="podIPs")
    host_ip: str | None = field(default=None, name="hostIP")
    host_ips: list[PodIP] | None = field(default=None, name="hostIPs")
    container_statuses: list[ContainerStatus] | None = None
    conditions: list[Condition] | None = None


class Pod(Wire):
    """A Pod."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PodSpec | None = None
    status: PodStatus | None = None


class Namespace(Wire):
    """A Namespace."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)


class Requirement(Wire):
    """matchExpressions[]."""

    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class LabelSelector(Wire):
    """metav1.LabelSelector."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[Requirement] | None = None


class PodTemplate(Wire):
    """spec.template."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PodSpec | None = None


class ControllerSpec(Wire):
    """spec of a Deployment, ReplicaSet, StatefulSet, DaemonSet or Job."""

    replicas: int | None = None
    completions: int | None = None
    selector: LabelSelector | None = None
    template: PodTemplate | None = None
    job_template: JobTemplate | None = None


class JobTemplate(Wire):
    """spec.jobTemplate of a CronJob."""

    spec: ControllerSpec | None = None


class ControllerStatus(Wire):
    """status of a controller."""

    ready_replicas: int | None = None
    number_ready: int | None = None
    desired_number_scheduled: int | None = None


class Controller(Wire):
    """Any controller of pods."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: ControllerSpec | None = None
    status: ControllerStatus | None = None


class LegacySelectorSpec(Wire):
    """spec of a ReplicationController: its selector is a plain map."""

    replicas: int | None = None
    selector: dict[str, str] | None = None
    template: PodTemplate | None = None


class ReplicationController(Wire):
    """A ReplicationController."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: LegacySelectorSpec | None = None
    status: ControllerStatus | None = None


class ServicePort(Wire):
    """spec.ports[] of a Service."""

    port: int = 0
    name: str | None = None
    protocol: str | None = None
    target_port: int | str | None = None
    node_port: int | None = None
    app_protocol: str | None = None


class ServiceSpec(Wire):
    """spec of a Service."""

    type: str | None = None
    cluster_ip: str | None = field(default=None, name="clusterIP")
    cluster_ips: list[str] | None = field(default=None, name="clusterIPs")
    selector: dict[str, str] | None = None
    ports: list[ServicePort] | None = None
    external_name: str | None = None
    publish_not_ready_addresses: bool | None = None


class Service(Wire):
    """A Service."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: ServiceSpec | None = None


class EndpointConditions(Wire):
    """endpoints[].conditions: absent ready and serving count as true (EndpointSlice v1 reference)."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ObjectReference(Wire):
    """endpoints[].targetRef."""

    kind: str = ""
    name: str = ""


class Endpoint(Wire):
    """endpoints[]."""

    addresses: list[str] | None = None
    conditions: EndpointConditions | None = None
    target_ref: ObjectReference | None = None
    node_name: str | None = None


class EndpointPort(Wire):
    """ports[] of an EndpointSlice."""

    port: int | None = None
    name: str | None = None
    protocol: str | None = None


class EndpointSlice(Wire):
    """An EndpointSlice."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    endpoints: list[Endpoint] | None = None
    ports: list[EndpointPort] | None = None


class ServiceAccount(Wire):
    """A ServiceAccount."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)


class DisruptionBudgetSpec(Wire):
    """spec of a PodDisruptionBudget."""

    selector: LabelSelector | None = None
    min_available: int | str | None = None
    max_unavailable: int | str | None = None


class PodDisruptionBudget(Wire):
    """A PodDisruptionBudget."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: DisruptionBudgetSpec | None = None


class NodeAddress(Wire):
    """status.addresses[]."""

    type: str = ""
    address: str = ""


class NodeSpec(Wire):
    """spec of a Node."""

    pod_cidr: str | None = field(default=None, name="podCIDR")
    pod_cidrs: list[str] | None = field(default=None, name="podCIDRs")


class NodeStatus(Wire):
    """status of a Node."""

    addresses: list[NodeAddress] | None = None
    conditions: list[Condition] | None = None


class Node(Wire):
    """A Node."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


class ConfigMap(Wire):
    """A ConfigMap."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    data: dict[str, str] | None = None


class Foreign(Wire):
    """An object of a kind that decides about traffic and isn't modelled."""

    api_version: str = ""
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: dict[str, Any] | None = None
