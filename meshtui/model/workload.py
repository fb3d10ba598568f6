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
    """How a pod's traffic meets the mesh."""

    NONE = "none"
    AMBIENT = "ambient"
    SIDECAR = "sidecar"
    GATEWAY = "gateway"
    """A proxy of its own, with its own mTLS identity: a Gateway's or waypoint's pod."""
    WANTED = "wanted"
    """Labelled for ambient, but not captured: judged as un-meshed."""

    @property
    def is_ambient(self) -> bool:
        """Whether ztunnel carries the pod's traffic."""
        return self is MeshMode.AMBIENT


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace. ``labels`` always holds kubernetes.io/metadata.name."""

    meta: Meta

    @property
    def name(self) -> str:
        """Its name."""
        return self.meta.name

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.meta.labels


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """A port that a container declares. ``protocol`` is TCP, UDP or SCTP."""

    number: int
    name: str = ""
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class OwnerRef:
    """One metadata.ownerReferences entry."""

    kind: str
    name: str
    uid: Uid
    controller: bool = False


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod. ``ips`` may be empty (not scheduled yet, or derived from a template); ``status`` is what kubectl prints."""

    meta: Meta
    service_account: str = "default"
    ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    node: str = ""
    phase: str = "Running"
    status: str = "Running"
    ready: bool = True
    restarts: int = 0
    host_network: bool = False
    ports: tuple[ContainerPort, ...] = ()
    images: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    owners: tuple[OwnerRef, ...] = ()
    has_sidecar: bool = False
    deleting: bool = False
    probe_ports: tuple[int | str, ...] = ()
    """The ports, or their names, that the kubelet's probes ask."""
    trouble: str = ""
    """What is said of a container that failed and waits to be started again: one line, or empty."""
    derived: bool = False
    """Made from a controller's template, because the manifests hold no pod for it."""

    @property
    def uid(self) -> Uid:
        """Its UID."""
        return self.meta.uid

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self.meta.namespace

    @property
    def name(self) -> str:
        """Its name."""
        return self.meta.name

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.meta.labels

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.meta.namespace}/{self.meta.name}"

    @property
    def completed(self) -> bool:
        """Whether it has ended: such a pod has no address and no policy."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def controller(self) -> OwnerRef | None:
        """The owner that manages it."""
        return next((owner for owner in self.owners if owner.controller), None)


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """What a controller makes its pods from."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    service_account: str = "default"
    host_network: bool = False
    ports: tuple[ContainerPort, ...] = ()
    images: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    has_sidecar: bool = False
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
    """How many of its pods are Ready."""
    service_accounts: tuple[str, ...] = field(init=False, compare=False)
    """The ServiceAccounts that its pods run as (two during a rollout that changes it)."""

    def __post_init__(self) -> None:
        """Look at the pods once: this is read far more often than it changes."""
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
    """A Service. ``selector`` None means that its endpoints are written by hand (or it is an ExternalName)."""

    meta: Meta
    type: str = "ClusterIP"
    cluster_ips: tuple[str, ...] = ()
    selector: tuple[tuple[str, str], ...] | None = None
    ports: tuple[ServicePort, ...] = ()
    external_name: str = ""
    publish_not_ready: bool = False

    @property
    def headless(self) -> bool:
        """Whether it has no address of its own."""
        return self.cluster_ips == ("None",)


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
    """An EndpointSlice of the Service that its label names."""

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
    """A PodDisruptionBudget. ``relative`` says that it counts by its pods' controllers: maxUnavailable, or a percentage."""

    meta: Meta
    selector: LabelSelector | None = None
    relative: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A node and its addresses."""

    meta: Meta
    ips: tuple[str, ...] = ()
    ready: bool = True
    pod_cidrs: tuple[str, ...] = ()
