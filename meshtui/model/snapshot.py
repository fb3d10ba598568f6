"""One cluster at one moment: immutable, replaced whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property

from meshtui.model.gateway import Gateway, GatewayClass, HTTPRoute
from meshtui.model.ids import ObjectRef, Principal, Uid, principal
from meshtui.model.policy import (
    AdminPolicy,
    AuthorizationPolicy,
    ForeignPolicy,
    NetworkPolicy,
    PeerAuthentication,
    RequestAuthentication,
)
from meshtui.model.workload import (
    Controller,
    EndpointSlice,
    MeshMode,
    Namespace,
    Node,
    Pod,
    PodDisruptionBudget,
    Service,
    ServiceAccount,
    Workload,
)

AMBIENT_REDIRECTION = "ambient.istio.io/redirection"
DATAPLANE_MODE = "istio.io/dataplane-mode"
GATEWAY_LABELS = frozenset({"gateway.networking.k8s.io/gateway-name", "istio.io/gateway-name"})


class KindStatus(Enum):
    """The faces of "no answer": none of them looks like an empty list."""

    SYNCED = "synced"
    LOADING = "loading"
    FORBIDDEN = "forbidden"
    NOT_INSTALLED = "not_installed"
    STALE = "stale"
    EXPIRED = "expired"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"
    """Somebody answers, and the answer can't be read; what was known before stays, and nothing is concluded from it."""


@dataclass(frozen=True, slots=True)
class KindState:
    """How one kind is known. ``since`` is when it became stale; ``retry_at`` when the source tries again."""

    status: KindStatus
    message: str = ""
    verb: str = ""
    since: datetime | None = None
    retry_at: datetime | None = None
    scope: str = ""
    """Namespaces that were listed, where the whole cluster may not be."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the input that could not be understood, and where: it is a finding, never silence."""

    where: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class MeshConfig:
    """What the ConfigMap ``istio`` of the control plane says."""

    trust_domain: str = "cluster.local"
    root_namespace: str = "istio-system"
    found: bool = False
    sidecars_send_hbone: bool = False
    """Whether sidecars reach ambient pods through HBONE (proxyMetadata, ISTIO_META_ENABLE_HBONE)."""
    unread: str = ""
    """Why the ConfigMap couldn't be read, where it may well be there: the values above are Istio's defaults then."""


@dataclass(frozen=True)
class Snapshot:
    """Everything that is known, keyed by UID within each kind."""

    namespaces: Mapping[Uid, Namespace] = field(default_factory=dict)
    pods: Mapping[Uid, Pod] = field(default_factory=dict)
    controllers: Mapping[Uid, Controller] = field(default_factory=dict)
    services: Mapping[Uid, Service] = field(default_factory=dict)
    endpoint_slices: Mapping[Uid, EndpointSlice] = field(default_factory=dict)
    service_accounts: Mapping[Uid, ServiceAccount] = field(default_factory=dict)
    nodes: Mapping[Uid, Node] = field(default_factory=dict)
    own_probes: Mapping[Uid, Pod] = field(default_factory=dict)
    """meshtui's own probe pods: none of the cluster's, so they stand in no other mapping (nor do their Jobs)."""
    disruption_budgets: Mapping[Uid, PodDisruptionBudget] = field(default_factory=dict)
    network_policies: Mapping[Uid, NetworkPolicy] = field(default_factory=dict)
    admin_policies: Mapping[Uid, AdminPolicy] = field(default_factory=dict)
    authorization_policies: Mapping[Uid, AuthorizationPolicy] = field(default_factory=dict)
    peer_authentications: Mapping[Uid, PeerAuthentication] = field(default_factory=dict)
    request_authentications: Mapping[Uid, RequestAuthentication] = field(default_factory=dict)
    gateways: Mapping[Uid, Gateway] = field(default_factory=dict)
    gateway_classes: Mapping[Uid, GatewayClass] = field(default_factory=dict)
    http_routes: Mapping[Uid, HTTPRoute] = field(default_factory=dict)
    foreign: Mapping[Uid, ForeignPolicy] = field(default_factory=dict)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    kinds: Mapping[str, KindState] = field(default_factory=dict)
    """By kind name ("Pod", "AuthorizationPolicy" …); a kind that isn't there counts as synced (manifests)."""
    problems: tuple[Problem, ...] = ()
    live: bool = False
    """Whether it comes from an API server: then annotations, not labels, say who is captured."""
    taken_at: datetime | None = None

    def kind_state(self, kind: str) -> KindState:
        """How a kind is known."""
        return self.kinds.get(kind, KindState(KindStatus.SYNCED))

    @cached_property
    def namespace_by_name(self) -> Mapping[str, Namespace]:
        """Namespaces by name."""
        return {namespace.name: namespace for namespace in self.namespaces.values()}

    @cached_property
    def pods_by_namespace(self) -> Mapping[str, tuple[Pod, ...]]:
        """Pods by namespace name."""
        return _by_namespace(self.pods.values())

    @cached_property
    def pod_by_key(self) -> Mapping[str, Pod]:
        """Pods by ``namespace/name``."""
        return {pod.key: pod for pod in self.pods.values()}

    @cached_property
    def pod_by_ip(self) -> Mapping[str, Pod]:
        """Running pods by each of their addresses; host-network pods are left out."""
        return {ip: pod for pod in self.pods.values() if not pod.host_network and not pod.completed for ip in pod.ips}

    @cached_property
    def workloads(self) -> Mapping[ObjectRef, Workload]:
        """Workloads by reference: every topmost owner that has pods or is a controller, and every bare pod."""
        pods: dict[ObjectRef, list[Pod]] = defaultdict(list)
        for pod in self.pods.values():
            pods[self.owner_of(pod)].append(pod)
        refs = sorted_refs({*pods, *self.tops})
        made = ((ref, workload_of(ref, pods.get(ref, ()), self.tops.get(ref))) for ref in refs)
        return {ref: workload for ref, workload in made if workload is not None}

    @cached_property
    def tops(self) -> Mapping[ObjectRef, Controller]:
        """The controllers that nobody controls."""
        return {c.meta.ref: c for c in self.controllers.values() if is_top(c)}

    @cached_property
    def controllers_by_ref(self) -> Mapping[ObjectRef, Controller]:
        """Controllers by reference."""
        return {controller.meta.ref: controller for controller in self.controllers.values()}

    def owner_of(self, pod: Pod) -> ObjectRef:
        """The topmost owner of a pod: through its ReplicaSet to the Deployment, through its Job to the CronJob."""
        owner = pod.controller
        if owner is None:
            return pod.meta.ref
        ref = ObjectRef(owner.kind, pod.namespace, owner.name)
        for _ in range(4):  # owners form no circles, but manifests may say anything
            controller = self.controllers_by_ref.get(ref)
            above = next((o for o in controller.owners if o.controller), None) if controller else None
            if above is None:
                break
            ref = ObjectRef(above.kind, pod.namespace, above.name)
        else:
            return ref
        if ref.kind == "ReplicaSet" and ref not in self.controllers_by_ref:
            template_hash = pod.labels.get("pod-template-hash", "")
            if template_hash and ref.name.endswith(f"-{template_hash}"):
                return ObjectRef("Deployment", ref.namespace, ref.name[: -len(template_hash) - 1])
        return ref

    def mesh_mode(self, pod: Pod) -> MeshMode:
        """How a pod's traffic meets the mesh (istio.io: ambient, add workloads; sidecar injection).

        Live, ambient's own annotation says so; from manifests the labels do: the pod's wins over its namespace's.
        """
        known = self.modes.get(id(pod))
        if known is None or known[0] is not pod:
            known = self.modes[id(pod)] = (pod, self._mesh_mode(pod))
        return known[1]

    @cached_property
    def modes(self) -> dict[int, tuple[Pod, MeshMode]]:
        """The mesh modes that were asked for, by the identity of the pod."""
        return {}

    def _mesh_mode(self, pod: Pod) -> MeshMode:
        if pod.labels.keys() & GATEWAY_LABELS:
            return MeshMode.GATEWAY
        if pod.has_sidecar:
            return MeshMode.SIDECAR
        if pod.host_network:
            return MeshMode.NONE
        if self.live and pod.meta.annotations.get(AMBIENT_REDIRECTION) == "enabled":
            return MeshMode.AMBIENT
        namespace = self.namespace_by_name.get(pod.namespace)
        labels = namespace.labels if namespace else {}
        wanted = (pod.labels.get(DATAPLANE_MODE) or labels.get(DATAPLANE_MODE)) == "ambient"
        if not self.live:
            if wanted:
                return MeshMode.AMBIENT
            return MeshMode.SIDECAR if _sidecar_injected(pod, labels) else MeshMode.NONE
        return MeshMode.WANTED if wanted else MeshMode.NONE

    def principal_of(self, pod: Pod) -> Principal:
        """The identity that a pod has in the mesh (whether it is used depends on its mesh mode)."""
        return principal(self.mesh.trust_domain, pod.namespace, pod.service_account)


def workload_of(ref: ObjectRef, pods: Iterable[Pod], top: Controller | None) -> Workload | None:
    """The workload with these pods, whose topmost owner may be there; None for one that neither is, nor stands for, anything."""
    members = tuple(sorted(pods, key=lambda pod: pod.name))
    if not members and (top is None or top.meta.kind in {"ReplicaSet", "Job"}):
        return None
    uid = top.meta.uid if top else (members[0].uid if ref.kind == "Pod" else Uid(str(ref)))
    created = top.meta.created if top else members[0].meta.created
    return Workload(ref, uid, members, top.replicas if top else None, created)


def sorted_refs(refs: Iterable[ObjectRef]) -> list[ObjectRef]:
    """References by kind, namespace and name."""
    return sorted(refs, key=lambda ref: (ref.kind, ref.namespace, ref.name))


def is_top(controller: Controller) -> bool:
    """Whether nobody controls a controller, and it is one that runs pods itself or through its own (a CronJob's Jobs do)."""
    return controller.meta.kind != "CronJob" and not any(owner.controller for owner in controller.owners)


def _sidecar_injected(pod: Pod, namespace_labels: Mapping[str, str]) -> bool:
    """Istio's injection webhook: the pod's label wins; a namespace opts in by istio-injection or a revision."""
    own = pod.labels.get("sidecar.istio.io/inject", pod.meta.annotations.get("sidecar.istio.io/inject", ""))
    if own:
        return own == "true"
    if namespace_labels.get("istio-injection"):
        return namespace_labels["istio-injection"] == "enabled"
    return "istio.io/rev" in namespace_labels or "istio.io/rev" in pod.labels


def _by_namespace(pods: Iterable[Pod]) -> Mapping[str, tuple[Pod, ...]]:
    groups: dict[str, list[Pod]] = defaultdict(list)
    for pod in pods:
        groups[pod.namespace].append(pod)
    return {name: tuple(members) for name, members in groups.items()}
