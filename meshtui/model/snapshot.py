"""Everything known about one cluster at one moment: immutable, replaced as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property

from meshtui.model.calico import CalicoTier, NetworkSet
from meshtui.model.cilium import CidrGroup
from meshtui.model.cni import UNKNOWN_CNI, Cni
from meshtui.model.enrolment import Capture, Enrolment
from meshtui.model.gateway import Gateway, GatewayClass, HTTPRoute, OtherRoute, ReferenceGrant
from meshtui.model.ids import ObjectRef, Principal, Uid, principal
from meshtui.model.membership import (
    DATAPLANE_MODE,
    Installation,
    Membership,
    asks_for_mesh,
    by_labels,
    is_half_captured,
    wants_capture,
    was_captured,
)
from meshtui.model.meta import METADATA_NAME
from meshtui.model.policy import (
    AdminPolicy,
    AuthorizationPolicy,
    ForeignPolicy,
    NetworkPolicy,
    PeerAuthentication,
    RequestAuthentication,
)
from meshtui.model.reading import Reading
from meshtui.model.reason import Code, Reason, because
from meshtui.model.selectors import LabelSelector, matches_as_far_as_known
from meshtui.model.service_entry import ServiceEntry, WorkloadEntry
from meshtui.model.virtual_service import IstioGateway, VirtualService
from meshtui.model.workload import (
    MESHED,
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
from meshtui.model.ztunnels import SYSTEM, has_label, is_ztunnel, of_daemon_set, trusted

_CONTROL_PLANE = frozenset({"istiod", "ztunnel"})
_TUNNEL = 15008
_NOT_CARRIED = frozenset({Capture.LOST, Capture.PENDING})
GATEWAY_LABELS = frozenset({"gateway.networking.k8s.io/gateway-name", "istio.io/gateway-name"})


class KindStatus(Enum):
    """How the data of a kind was obtained. The statuses without data are distinct from each other and from an empty list."""

    SYNCED = "synced"
    LOADING = "loading"
    FORBIDDEN = "forbidden"
    NOT_INSTALLED = "not_installed"
    STALE = "stale"
    EXPIRED = "expired"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"
    """The server's answer can't be parsed. The last data is kept, and the failure implies nothing about the objects."""


_BLIND = frozenset({KindStatus.FORBIDDEN, KindStatus.LOADING, KindStatus.EXPIRED, KindStatus.UNREACHABLE})
"""The statuses of a kind for which its objects, or their present state, aren't known."""


OUT_OF_REACH = frozenset({KindStatus.EXPIRED, KindStatus.UNREACHABLE, KindStatus.STALE})
"""The states of a kind while the API server doesn't answer, or lets nobody in."""


@dataclass(frozen=True, slots=True)
class KindState:
    """The state of one kind. ``since`` is when it became stale; ``retry_at`` when the source tries again."""

    status: KindStatus
    message: str = ""
    verb: str = ""
    since: datetime | None = None
    retry_at: datetime | None = None
    scope: str = ""
    """The namespaces that were listed, when the whole cluster can't be listed."""
    missing: str = ""
    """Why objects are missing although the status has data: one can't be decoded, or none was ever read."""

    @property
    def blind(self) -> str:
        """Why objects of this kind may exist that aren't known, or an empty string: then what they decide is unknown."""
        if self.status in _BLIND or (self.missing and self.status is KindStatus.BROKEN):
            return f"{self.status.value}: {self.message}" if self.message else self.status.value
        return self.missing


@dataclass(frozen=True, slots=True)
class Problem:
    """A part of the input that couldn't be parsed, and its place. ``ref`` is the object, if the input has one of that name."""

    where: str
    path: str
    reason: str
    ref: ObjectRef | None = None


@dataclass(frozen=True, slots=True)
class MeshConfig:
    """The mesh's configuration, of all control planes together (``kinds.mesh_config``, ``kinds.installation``)."""

    trust_domain: str = "cluster.local"
    root_namespace: str = "istio-system"
    found: bool = False
    trust_domain_aliases: tuple[str, ...] = ()
    path_normalization: str = "BASE"
    """How proxies normalise paths before policies see them: NONE, BASE, MERGE_SLASHES or DECODE_AND_MERGE_SLASHES."""
    sidecars_send_hbone: bool = False
    """Whether sidecars reach ambient pods through HBONE (proxyMetadata, ISTIO_META_ENABLE_HBONE)."""
    auto_mtls: bool = True
    """Whether proxies speak mutual TLS to Services without being told (enableAutoMtls)."""
    virtual_service_export_to: tuple[str, ...] = ("*",)
    """The namespaces that see VirtualServices without exportTo (defaultVirtualServiceExportTo)."""
    registry_only: bool = False
    """Whether sidecars reach only what is registered (outboundTrafficPolicy.mode REGISTRY_ONLY)."""
    export_to: tuple[str, ...] = ()
    """Where ServiceEntries without ``exportTo`` are exported to (defaultServiceExportTo); empty for everywhere."""
    entries_hidden: bool = False
    """Whether some ServiceEntries may be hidden from some namespaces, or from all (serviceEntryVisibility)."""
    discovery: tuple[LabelSelector, ...] = ()
    """The namespaces that istiod knows (discoverySelectors); empty for all."""
    unread: str = ""
    """Why the ConfigMap couldn't be read although it may exist. The values above are then Istio's defaults."""
    doubt: str = ""
    """Why the configuration isn't known although there is one: what depends on it is unknown."""
    home: str = ""
    """The namespace that has all ConfigMaps with the configuration, also where it isn't known; empty for several, or none."""


@dataclass(frozen=True, slots=True)
class Derived:
    """Derived attributes of a Snapshot that are already known (``model.carry``); those that are None are computed on access."""

    namespace_by_name: Mapping[str, Namespace] | None = None
    pods_by_namespace: Mapping[str, tuple[Pod, ...]] | None = None
    pod_by_key: Mapping[str, Pod] | None = None
    pod_by_ip: Mapping[str, Pod] | None = None
    tops: Mapping[ObjectRef, Controller] | None = None
    controllers_by_ref: Mapping[ObjectRef, Controller] | None = None
    workloads: Mapping[ObjectRef, Workload] | None = None
    mesh_modes: Mapping[Uid, MeshMode] | None = None


@dataclass(frozen=True)
class Snapshot:
    """All objects, by kind and UID."""

    namespaces: Mapping[Uid, Namespace] = field(default_factory=dict)
    pods: Mapping[Uid, Pod] = field(default_factory=dict)
    controllers: Mapping[Uid, Controller] = field(default_factory=dict)
    services: Mapping[Uid, Service] = field(default_factory=dict)
    endpoint_slices: Mapping[Uid, EndpointSlice] = field(default_factory=dict)
    service_accounts: Mapping[Uid, ServiceAccount] = field(default_factory=dict)
    nodes: Mapping[Uid, Node] = field(default_factory=dict)
    own_probes: Mapping[Uid, Pod] = field(default_factory=dict)
    """The pods of meshtui's own probes. No other mapping has them, or their Jobs."""
    disruption_budgets: Mapping[Uid, PodDisruptionBudget] = field(default_factory=dict)
    network_policies: Mapping[Uid, NetworkPolicy] = field(default_factory=dict)
    admin_policies: Mapping[Uid, AdminPolicy] = field(default_factory=dict)
    authorization_policies: Mapping[Uid, AuthorizationPolicy] = field(default_factory=dict)
    peer_authentications: Mapping[Uid, PeerAuthentication] = field(default_factory=dict)
    request_authentications: Mapping[Uid, RequestAuthentication] = field(default_factory=dict)
    gateways: Mapping[Uid, Gateway] = field(default_factory=dict)
    gateway_classes: Mapping[Uid, GatewayClass] = field(default_factory=dict)
    http_routes: Mapping[Uid, HTTPRoute] = field(default_factory=dict)
    other_routes: Mapping[Uid, OtherRoute] = field(default_factory=dict)
    reference_grants: Mapping[Uid, ReferenceGrant] = field(default_factory=dict)
    istio_gateways: Mapping[Uid, IstioGateway] = field(default_factory=dict)
    virtual_services: Mapping[Uid, VirtualService] = field(default_factory=dict)
    service_entries: Mapping[Uid, ServiceEntry] = field(default_factory=dict)
    workload_entries: Mapping[Uid, WorkloadEntry] = field(default_factory=dict)
    foreign: Mapping[Uid, ForeignPolicy] = field(default_factory=dict)
    calico_tiers: Mapping[Uid, CalicoTier] = field(default_factory=dict)
    network_sets: Mapping[Uid, NetworkSet] = field(default_factory=dict)
    cidr_groups: Mapping[Uid, CidrGroup] = field(default_factory=dict)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    installation: Installation = field(default_factory=Installation)
    """How the mesh is installed, where manifests say it: what is injected, and what is captured."""
    kinds: Mapping[str, KindState] = field(default_factory=dict)
    """By kind name ("Pod", "AuthorizationPolicy" …). A kind without an entry counts as synced (manifests)."""
    problems: tuple[Problem, ...] = ()
    live: bool = False
    """Whether the data comes from an API server. Then annotations, not labels, show which pods are captured."""
    taken_at: datetime | None = None
    cni: Cni = UNKNOWN_CNI
    """The CNI, whose readings of NetworkPolicies verdicts follow."""
    cni_config: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The data of the CNIs' ConfigMaps, by name (``meshtui.cni``)."""
    pod_cidrs: tuple[str, ...] = ()
    """The networks from which pods without an address get one, as the user says; empty: what the Nodes say counts."""
    ztunnels_in: tuple[str, ...] = ()
    """Further namespaces of ztunnels, as the user says."""
    enrolments: Mapping[Uid, Enrolment] = field(default_factory=dict)
    """What evidence says of the capture of pods (``meshtui.mesh.enrolment``); pods without an entry weren't looked at."""
    reading: Reading | None = None
    """What was read of files and folders, and what wasn't; None for a cluster, where ``kinds`` says it."""
    derived: InitVar[Derived | None] = None
    _derived: Derived = field(init=False, repr=False, compare=False)

    def __post_init__(self, derived: Derived | None) -> None:
        """Store the derived attributes that are already computed."""
        object.__setattr__(self, "_derived", derived or Derived())

    def kind_state(self, kind: str) -> KindState:
        """The state of a kind."""
        return self.kinds.get(kind, KindState(KindStatus.SYNCED))

    def lists_all(self, kind: str) -> bool:
        """Whether the objects of a kind are all known: none is hidden, and no namespace is left out."""
        state = self.kind_state(kind)
        return not (state.blind or state.scope)

    @cached_property
    def namespace_by_name(self) -> Mapping[str, Namespace]:
        """Namespaces by name."""
        if self._derived.namespace_by_name is not None:
            return self._derived.namespace_by_name
        return {namespace.name: namespace for namespace in self.namespaces.values()}

    @cached_property
    def pods_by_namespace(self) -> Mapping[str, tuple[Pod, ...]]:
        """Pods by namespace name."""
        if self._derived.pods_by_namespace is not None:
            return self._derived.pods_by_namespace
        return _by_namespace(self.pods.values())

    @cached_property
    def pod_by_key(self) -> Mapping[str, Pod]:
        """Pods by ``namespace/name``."""
        if self._derived.pod_by_key is not None:
            return self._derived.pod_by_key
        return {pod.key: pod for pod in self.pods.values()}

    @cached_property
    def pod_by_ip(self) -> Mapping[str, Pod]:
        """Running pods by each of their addresses; host-network pods are left out."""
        if self._derived.pod_by_ip is not None:
            return self._derived.pod_by_ip
        return {ip: pod for pod in self.pods.values() if not pod.host_network and not pod.completed for ip in pod.ips}

    @cached_property
    def ztunnel_namespaces(self) -> frozenset[str]:
        """The namespaces in which a pod may be a ztunnel (``model.ztunnels``)."""
        home = SYSTEM | {self.mesh.root_namespace} | ({self.mesh.home} if self.mesh.home else set())
        pods = (pod for name in home for pod in self.pods_by_namespace.get(name, ()))
        templates = (each.template for each in self.controllers.values() if each.meta.namespace in home)
        istiods = [each.env for some in (pods, templates) for each in some if each.labels.get("app") == "istiod"]
        return home | trusted(istiods) | set(self.ztunnels_in)

    def is_ztunnel(self, pod: Pod) -> bool:
        """Whether a pod is a ztunnel, and not just labelled like one (``model.ztunnels``)."""
        return is_ztunnel(pod, self.ztunnel_namespaces)

    @cached_property
    def ztunnels(self) -> tuple[Pod, ...]:
        """The ztunnels that haven't ended."""
        pods = (pod for name in sorted(self.ztunnel_namespaces) for pod in self.pods_by_namespace.get(name, ()))
        return tuple(pod for pod in pods if not pod.completed and self.is_ztunnel(pod))

    @cached_property
    def may_be_ztunnels(self) -> tuple[Pod, ...]:
        """Pods of DaemonSets with the label of ztunnels, outside the namespaces that are known to be the mesh's."""
        labelled = (pod for pod in self.pods.values() if has_label(pod.labels) and of_daemon_set(pod) and not pod.completed)
        return tuple(pod for pod in labelled if pod.namespace not in self.ztunnel_namespaces)

    @cached_property
    def workloads(self) -> Mapping[ObjectRef, Workload]:
        """Workloads by reference: every topmost owner that has pods or is a controller, and every bare pod."""
        if self._derived.workloads is not None:
            return self._derived.workloads
        pods: dict[ObjectRef, list[Pod]] = defaultdict(list)
        for pod in self.pods.values():
            pods[self.owner_of(pod)].append(pod)
        refs = sorted_refs({*pods, *self.tops})
        made = ((ref, workload_of(ref, pods.get(ref, ()), self.tops.get(ref))) for ref in refs)
        return {ref: workload for ref, workload in made if workload is not None}

    @cached_property
    def tops(self) -> Mapping[ObjectRef, Controller]:
        """The controllers without a controller, by reference."""
        if self._derived.tops is not None:
            return self._derived.tops
        return {c.meta.ref: c for c in self.controllers.values() if is_top(c)}

    @cached_property
    def controllers_by_ref(self) -> Mapping[ObjectRef, Controller]:
        """Controllers by reference."""
        if self._derived.controllers_by_ref is not None:
            return self._derived.controllers_by_ref
        return {controller.meta.ref: controller for controller in self.controllers.values()}

    def owner_of(self, pod: Pod) -> ObjectRef:
        """The topmost owner of a pod: through its ReplicaSet to the Deployment, through its Job to the CronJob."""
        owner = pod.controller
        if owner is None:
            return pod.meta.ref
        ref = ObjectRef(owner.kind, pod.namespace, owner.name)
        for _ in range(4):  # owners form no cycles in a cluster, but manifests may contain one
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
        """How a pod takes part in the mesh (istio.io: ambient, add workloads; sidecar injection).

        In a live cluster its containers and Istio's annotation on the pod decide, in manifests labels (``model.membership``).
        """
        known = self._derived.mesh_modes
        if known is not None and self.pods.get(pod.uid) is pod:
            return known[pod.uid]
        return self.mesh_mode_of(pod)

    @cached_property
    def mesh_modes(self) -> Mapping[Uid, MeshMode]:
        """The mesh mode of every pod."""
        if self._derived.mesh_modes is not None:
            return self._derived.mesh_modes
        return {uid: self.mesh_mode_of(pod) for uid, pod in self.pods.items()}

    def mesh_mode_of(self, pod: Pod) -> MeshMode:
        """The mesh mode of a pod that needn't be in the Snapshot; the likeliest, if its labels leave it open."""
        return self.membership_of(pod).modes[0]

    def membership_of(self, pod: Pod) -> Membership:
        """The mesh modes that a pod may have, by what is known; in a live cluster its containers and annotations show it."""
        if not self.live and self.pods.get(pod.uid) is pod:
            return self._memberships[pod.uid]
        return self._as_far_as_discovered(pod)

    @cached_property
    def _memberships(self) -> Mapping[Uid, Membership]:
        return {uid: self._as_far_as_discovered(pod) for uid, pod in self.pods.items()}

    def _as_far_as_discovered(self, pod: Pod) -> Membership:
        found = self._membership_of(pod)
        if not self.mesh.discovery or not MESHED & set(found.modes):
            return found
        policies = (self.authorization_policies, self.peer_authentications, self.request_authentications)
        root = self.mesh.root_namespace
        needed = [pod.namespace, *([root] if any(p.meta.namespace == root for each in policies for p in each.values()) else [])]
        hidden = next((name for name in needed if self._discovered(name) is not True), None)
        if hidden is None:
            return found
        return Membership(found.modes, because(Code.NAMESPACE_NOT_DISCOVERED, namespace=hidden), evaluable=False)

    def open_membership_of(self, pod: Pod) -> Membership | None:
        """The membership of a pod whose mode isn't known, else None."""
        if self.live and not self.mesh.discovery and self._doubt(pod) is None:
            return None
        found = self.membership_of(pod)
        return found if found.is_open else None

    @cached_property
    def uncaptured(self) -> Mapping[Uid, Reason]:
        """Why nothing can be said about the traffic of pods whose data plane, by evidence, isn't what the API says."""
        found = {uid: (self.pods.get(uid), each) for uid, each in self.enrolments.items() if each.capture in _NOT_CARRIED}
        return {uid: _not_carried(pod, each) for uid, (pod, each) in found.items() if pod is not None}

    @cached_property
    def carried_all_the_same(self) -> frozenset[Uid]:
        """The pods that ztunnel carries, by evidence, though istio-cni's annotation said and says pending."""
        proven = (uid for uid, each in self.enrolments.items() if each.capture is Capture.PROVEN and each.outlived_annotation)
        return frozenset(uid for uid in proven if uid in self.pods and is_half_captured(self.pods[uid]))

    def _doubt(self, pod: Pod) -> Reason | None:
        """Why nothing can be said about the traffic of a pod: it isn't captured, or only in part."""
        if pod.uid in self.uncaptured:
            return self.uncaptured[pod.uid]
        waits = is_half_captured(pod) and pod.uid not in self.carried_all_the_same
        return because(Code.CAPTURE_PENDING, pod=pod.key) if waits else None

    def mesh_modes_of(self, pod: Pod) -> tuple[MeshMode, ...]:
        """The modes that a pod may have: one, unless its labels leave it open."""
        membership = self.open_membership_of(pod)
        return membership.modes if membership else (self.mesh_mode(pod),)

    def _discovered(self, name: str) -> bool | None:
        """Whether istiod knows a namespace (istio/istio pkg/kube/namespace/filter.go); None if its labels aren't known."""
        namespace = self.namespace_by_name.get(name)
        labels, known = (namespace.labels, namespace.known) if namespace else ({METADATA_NAME: name}, False)
        found = {matches_as_far_as_known(selector, labels, known=known) for selector in self.mesh.discovery}
        return True if True in found else None if None in found else False

    def _membership_of(self, pod: Pod) -> Membership:
        found = self._as_the_api_says(pod)
        if MeshMode.AMBIENT in found.modes or found.modes == (MeshMode.WANTED,):
            doubt = self._doubt(pod)
            if doubt is not None:
                return Membership(found.modes, doubt, evaluable=False)
        return found

    def _as_the_api_says(self, pod: Pod) -> Membership:
        if pod.is_router or pod.labels.keys() & GATEWAY_LABELS:
            return Membership((MeshMode.GATEWAY,))
        if pod.has_sidecar:
            return Membership((MeshMode.SIDECAR,))
        if pod.host_network:
            return Membership((MeshMode.NONE,))
        namespace = self.namespace_by_name.get(pod.namespace)
        labels = namespace.labels if namespace else {}
        if not self.live:
            open_ = namespace is not None and not namespace.known and self.has_istio
            return by_labels(pod, None if open_ else labels, self.installation)
        if was_captured(pod) or pod.uid in self.carried_all_the_same:
            return Membership((MeshMode.AMBIENT,))
        wanted = wants_capture(pod, labels)
        return Membership((MeshMode.WANTED if wanted else MeshMode.NONE,))

    @cached_property
    def unlabelled(self) -> tuple[str, ...]:
        """The namespaces whose labels aren't known, sorted."""
        return tuple(sorted(namespace.name for namespace in self.namespaces.values() if not namespace.known))

    @cached_property
    def has_istio(self) -> bool:
        """Whether anything shows that there is a mesh: an object of Istio's, a proxy, a label, or a rule for its tunnel."""
        kinds = (
            self.authorization_policies,
            self.peer_authentications,
            self.request_authentications,
            self.istio_gateways,
            self.virtual_services,
            self.service_entries,
            self.workload_entries,
        )
        unread = self.reading.unread if self.reading else ()
        return (
            any(kinds)
            or self.mesh != MeshConfig()
            or self.installation != Installation()
            or any(gateway.class_name.startswith("istio") for gateway in self.gateways.values())
            or any(kind.group.endswith("istio.io") for kind in unread)
            or any(asks_for_mesh(namespace.labels) for namespace in self.namespaces.values())
            or any(map(_shows_istio, self.pods.values()))
            or any(policy.names_port(_TUNNEL) for policy in self.network_policies.values())
        )

    @cached_property
    def has_ambient(self) -> bool:
        """Whether anything shows that a ztunnel carries pods, or should: one of its pods, its DaemonSet, or a label."""
        namespaces, pods = self.namespaces.values(), self.pods.values()
        return (
            any(_shows_ambient(namespace.labels) for namespace in namespaces)
            or any(_shows_ambient(pod.labels) or was_captured(pod) for pod in pods)
            or any(_shows_ambient(each.template.labels) for each in self.controllers.values())
        )

    def principal_of(self, pod: Pod) -> Principal:
        """The pod's identity in the mesh. Whether it is used depends on the pod's mesh mode."""
        return principal(self.mesh.trust_domain, pod.namespace, pod.service_account)


def _not_carried(pod: Pod, enrolment: Enrolment) -> Reason:
    if enrolment.capture is Capture.PENDING:
        return because(Code.CAPTURE_PENDING, pod=pod.key)
    return because(Code.CAPTURE_LOST, pod=pod.key, seen=enrolment.against[0].text if enrolment.against else "")


def workload_of(ref: ObjectRef, pods: Iterable[Pod], top: Controller | None) -> Workload | None:
    """The workload of some pods and their topmost owner, if that exists. None if there are neither pods nor an owner."""
    members = tuple(sorted(pods, key=lambda pod: pod.name))
    if not members and (top is None or top.meta.kind in {"ReplicaSet", "Job"}):
        return None
    uid = top.meta.uid if top else (members[0].uid if ref.kind == "Pod" else Uid(str(ref)))
    created = top.meta.created if top else members[0].meta.created
    return Workload(ref, uid, members, top.replicas if top else None, created)


def sorted_refs(refs: Iterable[ObjectRef]) -> list[ObjectRef]:
    """References, sorted by kind, namespace and name."""
    return sorted(refs, key=lambda ref: (ref.kind, ref.namespace, ref.name))


def is_top(controller: Controller) -> bool:
    """Whether a controller has no controller itself, and runs pods, directly or (like a CronJob) through Jobs."""
    return controller.meta.kind != "CronJob" and not any(owner.controller for owner in controller.owners)


def _shows_ambient(labels: Mapping[str, str]) -> bool:
    return labels.get(DATAPLANE_MODE) == "ambient" or has_label(labels)


def _shows_istio(pod: Pod) -> bool:
    asks = asks_for_mesh(pod.labels) or asks_for_mesh(pod.meta.annotations)
    return asks or pod.has_sidecar or pod.is_router or pod.labels.get("app") in _CONTROL_PLANE


def _by_namespace(pods: Iterable[Pod]) -> Mapping[str, tuple[Pod, ...]]:
    groups: dict[str, list[Pod]] = defaultdict(list)
    for pod in pods:
        groups[pod.namespace].append(pod)
    return {name: tuple(members) for name, members in groups.items()}
