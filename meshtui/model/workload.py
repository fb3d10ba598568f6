"""What runs, and how it is reached: namespaces, pods, their owners, Services and their endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.meta import Meta
from meshtui.model.selectors import LabelSelector


class MeshMode(Enum):
    """How a pod takes part in the mesh."""

    NONE = "none"
    AMBIENT = "ambient"
    SIDECAR = "sidecar"
    GATEWAY = "gateway"
    """A proxy of its own, with its own mTLS identity: a Gateway's or waypoint's pod."""
    WANTED = "wanted"
    """Labelled for ambient, but not captured; evaluated as a pod outside the mesh."""

    @property
    def is_ambient(self) -> bool:
        """Whether ztunnel carries the pod's traffic."""
        return self is MeshMode.AMBIENT


MESHED = frozenset({MeshMode.AMBIENT, MeshMode.SIDECAR, MeshMode.GATEWAY})
"""Mesh modes in which a pod has an identity that others can verify."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace. ``labels`` always holds kubernetes.io/metadata.name.

    ``known``: whether its other labels are known. They aren't if manifests mention the namespace and don't hold it.
    """

    meta: Meta
    known: bool = True

    @property
    def name(self) -> str:
        """The name."""
        return self.meta.name

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels, with kubernetes.io/metadata.name."""
        return self.meta.labels


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """A port that a container declares. ``protocol`` is TCP, UDP or SCTP."""

    number: int
    name: str = ""
    protocol: str = "TCP"
    host_port: int = 0
    """The port of the node that leads to it; 0 if there is none."""


@dataclass(frozen=True, slots=True)
class OwnerRef:
    """One metadata.ownerReferences entry."""

    kind: str
    name: str
    uid: Uid
    controller: bool = False


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod.

    ``ips`` may be empty (not scheduled yet, or derived from a template); ``status`` is the word that kubectl prints.
    """

    meta: Meta
    service_account: str = "default"
    ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    node: str = ""
    phase: str = "Running"
    status: str = "Running"
    ready: bool = True
    ready_since: datetime | None = None
    """Since when a ztunnel is Ready; None for every other pod, and where that isn't known."""
    restarts: int = 0
    host_network: bool = False
    ports: tuple[ContainerPort, ...] = ()
    images: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    owners: tuple[OwnerRef, ...] = ()
    has_sidecar: bool = False
    is_router: bool = False
    """Whether its only container is an Istio proxy in the role of a gateway."""
    deleting: bool = False
    probe_ports: tuple[int | str, ...] = ()
    """The ports, as numbers or names, that the kubelet's probes connect to."""
    trouble: str = ""
    """Why a container that failed and is to be restarted failed: one line, or empty."""
    derived: bool = False
    """Whether the pod was made from a controller's template, because the manifests contain no pod of that controller."""

    @property
    def uid(self) -> Uid:
        """metadata.uid."""
        return self.meta.uid

    @property
    def namespace(self) -> str:
        """metadata.namespace."""
        return self.meta.namespace

    @property
    def name(self) -> str:
        """metadata.name."""
        return self.meta.name

    @property
    def labels(self) -> Mapping[str, str]:
        """metadata.labels as a mapping."""
        return self.meta.labels

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.meta.namespace}/{self.meta.name}"

    @property
    def completed(self) -> bool:
        """Whether the pod has ended. Such a pod has no address, and no policy applies to it."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def controller(self) -> OwnerRef | None:
        """The owner that is its controller, or None."""
        return next((owner for owner in self.owners if owner.controller), None)


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """The fields of spec.template that verdicts and workloads depend on."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    service_account: str = "default"
    host_network: bool = False
    ports: tuple[ContainerPort, ...] = ()
    images: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    has_sidecar: bool = False
    is_router: bool = False
    probe_ports: tuple[int | str, ...] = ()


@dataclass(frozen=True, slots=True)
class Controller:
    """A Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, CronJob or ReplicationController."""

    meta: Meta
    replicas: int = 1
    ready_replicas: int = 0
    selector: LabelSelector | None = None
    template: PodTemplate = field(default_factory=PodTemplate)
    owners: tuple[OwnerRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Workload:
    """A pod's topmost owner, with the pods that it stands for; a bare pod is its own workload."""

    ref: ObjectRef
    uid: Uid
    pods: tuple[Pod, ...]
    desired: int | None = None
    created: datetime | None = None
    ready: int = field(init=False, compare=False)
    """How many of the pods are Ready."""
    service_accounts: tuple[str, ...] = field(init=False, compare=False)
    """The ServiceAccounts of the pods (two, during a rollout that changes the account)."""

    def __post_init__(self) -> None:
        """Compute both from the pods once, since they are read far more often than pods change."""
        object.__setattr__(self, "ready", sum(pod.ready for pod in self.pods))
        object.__setattr__(self, "service_accounts", tuple(dict.fromkeys(pod.service_account for pod in self.pods)))


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service; ``target`` is a number, or the name of a container port."""

    number: int
    target: int | str
    name: str = ""
    protocol: str = "TCP"
    node_port: int | None = None
    app_protocol: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A Service. ``selector`` None means that its EndpointSlices are managed by hand, or that it is an ExternalName."""

    meta: Meta
    type: str = "ClusterIP"
    cluster_ips: tuple[str, ...] = ()
    selector: tuple[tuple[str, str], ...] | None = None
    ports: tuple[ServicePort, ...] = ()
    external_name: str = ""
    publish_not_ready: bool = False
    outside_ips: tuple[str, ...] = ()
    """Its external IPs, and the addresses of its load balancer."""
    local_only: bool = False
    """Whether clients inside the cluster only reach the endpoints on their own node (internalTrafficPolicy Local)."""

    @property
    def headless(self) -> bool:
        """Whether it has no cluster IP."""
        return self.cluster_ips == ("None",)

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether the selector selects a pod with some labels; without a selector it selects none."""
        return bool(self.selector) and all(labels.get(key) == value for key, value in self.selector or ())


@dataclass(frozen=True, slots=True)
class SliceEndpoint:
    """One endpoint of a slice; ``pod`` is the name of the pod behind it, or empty."""

    addresses: tuple[str, ...]
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    pod: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class EndpointPort:
    """One port of a slice; ``number`` None means every port."""

    number: int | None
    name: str = ""
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """An EndpointSlice; ``service`` is the name in its label kubernetes.io/service-name, or empty."""

    meta: Meta
    service: str = ""
    endpoints: tuple[SliceEndpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A ServiceAccount."""

    meta: Meta


@dataclass(frozen=True, slots=True)
class PodDisruptionBudget:
    """A PodDisruptionBudget.

    ``relative``: it is computed from the size of the pods' controllers (maxUnavailable, or a percentage).
    """

    meta: Meta
    selector: LabelSelector | None = None
    relative: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A Node: ``ips`` are its internal and external addresses, ``pod_cidrs`` the ranges of its pods."""

    meta: Meta
    ips: tuple[str, ...] = ()
    ready: bool = True
    pod_cidrs: tuple[str, ...] = ()
