"""Objects and fields that the engine doesn't model. Each makes the verdict unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.addresses import networks_of
from meshtui.engine.matching.selectors import matches
from meshtui.engine.policy.admin import subject_selects
from meshtui.engine.policy.cilium.network_policies import read_otherwise
from meshtui.engine.policy.client_rules import ClientRules
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.switches import switches_of
from meshtui.engine.policy.tiers import OwnPolicies
from meshtui.kinds.calico import KINDS as CALICO_KINDS
from meshtui.kinds.cilium import KINDS as CILIUM_KINDS
from meshtui.kinds.foreign import CNI_KINDS, PROXY_KINDS
from meshtui.kinds.http_route import HTTP_ROUTES
from meshtui.kinds.other_route import BACKEND_TLS, OTHER_ROUTES, ROUTES
from meshtui.model.policy import AuthorizationPolicy, Enforcer, ForeignPolicy, PeerAuthentication
from meshtui.model.reason import Code, because
from meshtui.model.snapshot import KindStatus, Snapshot
from meshtui.model.verdict import Decider, Layer, StepResult
from meshtui.model.virtual_service import ISTIO_GATEWAY
from meshtui.model.workload import MeshMode, Service

USE_WAYPOINT = "istio.io/use-waypoint"
READ_BY_CILIUM = frozenset({"cilium", "gke-dataplane-v2"})
"""The CNIs that read NetworkPolicies as Cilium does."""
NAMED_BY_POLICIES = tuple(kind.name for kind in (*CALICO_KINDS, *CILIUM_KINDS))
"""The kinds that policies of CNIs name: tiers and sets of addresses."""
ADMIN_KINDS = ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy")


class Unmodelled:
    """The parts of a snapshot that may affect traffic and aren't modelled."""

    def __init__(self, snapshot: Snapshot, own: OwnPolicies | None = None) -> None:
        """Look through a snapshot; ``own`` are the policies of its CNI that are evaluated, which only network policy reads."""
        self._snapshot = snapshot
        self._judged = own.judged if own is not None else frozenset()
        self._evaluates = own is not None
        self._foreign = [policy for policy in snapshot.foreign.values() if policy.enforcer is Enforcer.CNI]
        hosts = (each for each in snapshot.network_sets.values() if each.meta.kind.startswith("HostEndpoint."))
        self._hosts = [networks_of(each.nets) for each in hosts]
        self._odd_network = [p for p in snapshot.network_policies.values() if p.unmodelled]
        cilium = snapshot.cni.name in READ_BY_CILIUM
        self._read_otherwise = list(read_otherwise(snapshot.network_policies.values())) if cilium else []
        self._odd_admin = [p for p in snapshot.admin_policies.values() if p.unmodelled]
        self._odd_security: list[AuthorizationPolicy | PeerAuthentication] = [
            *(p for p in snapshot.authorization_policies.values() if p.unmodelled),
            *(p for p in snapshot.peer_authentications.values() if p.unmodelled),
        ]
        enforced = switches_of(snapshot).dry_runs_enforced
        self._dry_runs = [p for p in snapshot.authorization_policies.values() if p.dry_run and enforced is None]
        self._blind = {kind: state for kind, state in snapshot.kinds.items() if state.blind}
        self._clients = ClientRules(snapshot)
        self._look_for_dark_namespaces()

    def _look_for_dark_namespaces(self) -> None:
        """Mark Namespaces as unreadable if pods of unread Namespaces are seen: any namespaceSelector may match those."""
        state, known = self._snapshot.kind_state("Namespace"), self._snapshot.namespace_by_name
        dark = sorted(self._snapshot.pods_by_namespace.keys() - known.keys()) if state.scope else []
        if dark and "Namespace" not in self._blind:
            message = f"only {state.scope} may be read, and pods run in {dark[0]}"
            self._blind["Namespace"] = replace(state, status=KindStatus.FORBIDDEN, message=message)

    def about_network(self, direction: Direction, endpoint: Endpoint, peer: Endpoint | None = None) -> Iterator[LayerResult]:
        """Unknown results for the network policy of one side; ``peer`` is the other, and without one it is a pod."""
        layer = Layer.EGRESS_POLICY if direction is Direction.EGRESS else Layer.INGRESS_POLICY
        if endpoint.pod is None:
            yield from self._of_hosts(layer, endpoint)
        if not endpoint.selectable:
            return
        yield from self._hidden(layer)
        yield from self._odd_policies(layer, endpoint)
        for foreign in self._foreign:
            if foreign.meta.uid in self._judged and (foreign.meta.namespace or not _is_host(endpoint)):
                continue  # pods on the host network are left: a cluster-wide policy may select their node
            if not _may_concern(foreign, direction, endpoint) or (foreign.outside_only and not _is_outside(peer)):
                continue
            if foreign.selector is None or matches(foreign.selector, endpoint.labels):
                read = foreign.own is not None and self._evaluates
                yield _not_read(foreign, layer) if read else _not_modelled(foreign, layer, "CNI")

    def _of_hosts(self, layer: Layer, endpoint: Endpoint) -> Iterator[LayerResult]:
        """Unknown results for policies that may select a node, or another host that Calico knows by its address."""
        is_node = endpoint.node_labels is not None
        known = [each for each in self._hosts if is_node or any(endpoint.in_network(network) is not False for network in each)]
        for policy in self._foreign:
            if policy.hosts_only and is_node:
                yield _not_modelled(policy, layer, "CNI")
            elif known and policy.meta.kind.startswith("GlobalNetworkPolicy."):
                yield _not_read(policy, layer)
        if any(policy.meta.kind.startswith("GlobalNetworkPolicy.") for policy in self._foreign):
            for kind in (kind for kind in NAMED_BY_POLICIES if kind.startswith("HostEndpoint.")):
                yield from self._unreadable(kind, layer)

    def _odd_policies(self, layer: Layer, endpoint: Endpoint) -> Iterator[LayerResult]:
        """Unknown results for policies of Kubernetes with fields that aren't evaluated, or that the CNI reads otherwise."""
        for odd in self._read_otherwise:
            selected = odd.anybody or matches(odd.policy.pod_selector, endpoint.labels)
            if odd.policy.meta.namespace == endpoint.namespace and selected and not _is_host(endpoint):
                ref = odd.policy.meta.ref
                reason = because(Code.POLICY_READ_OTHERWISE, policy=ref, fields=odd.fields, cni=self._snapshot.cni.title)
                yield layer_result(layer, "CNI", StepResult.UNKNOWN, reason, objects=(Decider(ref),))
        for admin in self._odd_admin:
            if subject_selects(admin.subject, endpoint) is not False:
                reason = because(Code.FIELDS_NOT_MODELLED, policy=admin.meta.ref, fields=admin.unmodelled)
                yield layer_result(Layer.ADMIN_POLICY, "CNI", StepResult.UNKNOWN, reason, objects=(Decider(admin.meta.ref),))
        for policy in self._odd_network:
            if policy.meta.namespace == endpoint.namespace and matches(policy.pod_selector, endpoint.labels):
                reason = because(Code.FIELDS_NOT_MODELLED, policy=policy.meta.ref, fields=policy.unmodelled)
                yield layer_result(layer, "CNI", StepResult.UNKNOWN, reason, objects=(Decider(policy.meta.ref),))

    def _hidden(self, layer: Layer) -> Iterator[LayerResult]:
        """Unknown results for unreadable kinds that may affect network policy."""
        for kind in ADMIN_KINDS:
            yield from self._unreadable(kind, Layer.ADMIN_POLICY)
        # Namespaces are included because namespaceSelectors, and ambient mode, depend on their labels
        for kind in ("NetworkPolicy", *CNI_KINDS, *(NAMED_BY_POLICIES if self._judged else ()), "Namespace"):
            yield from self._unreadable(kind, layer)

    def about_destination(self, destination: Endpoint) -> Iterator[LayerResult]:
        """Unknown results for the destination's ztunnel."""
        if destination.pod is None or not destination.in_ambient:
            return
        yield from self.about_mesh(destination)
        yield from self._unreadable("AuthorizationPolicy", Layer.ZTUNNEL)
        yield from self._unreadable("PeerAuthentication", Layer.ZTUNNEL)
        for policy in self._odd_security:
            if policy.meta.namespace in {destination.namespace, self._snapshot.mesh.root_namespace}:
                reason = because(Code.FIELDS_NOT_MODELLED, policy=policy.meta.ref, fields=policy.unmodelled)
                yield layer_result(Layer.ZTUNNEL, "ztunnel", StepResult.UNKNOWN, reason, objects=(Decider(policy.meta.ref),))
        scopes = {destination.namespace, self._snapshot.mesh.root_namespace}
        for policy in self._dry_runs:
            if policy.meta.namespace in scopes and not policy.target_refs and policy.action in {"ALLOW", "DENY"}:
                reason = because(Code.DRY_RUN_MAY_BE_ENFORCED, policy=policy.meta.ref)
                yield layer_result(Layer.ZTUNNEL, "ztunnel", StepResult.UNKNOWN, reason, objects=(Decider(policy.meta.ref),))

    def about_mesh(self, destination: Endpoint) -> Iterator[LayerResult]:
        """An unknown result for an ambient pod if the mesh's configuration isn't known, and there are policies that read it."""
        snapshot = self._snapshot
        if destination.in_ambient and (snapshot.authorization_policies or snapshot.peer_authentications):
            yield from self.about_mesh_config(Layer.ZTUNNEL)

    def about_mesh_config(self, layer: Layer) -> Iterator[LayerResult]:
        """An unknown result if there is a configuration of the mesh that isn't known."""
        if self._snapshot.mesh.doubt:
            reason = because(Code.MESH_CONFIG_NOT_KNOWN, why=self._snapshot.mesh.doubt)
            yield layer_result(layer, "istiod", StepResult.UNKNOWN, reason)

    def about_proxy(self, layer: Layer, *kinds: str) -> Iterator[LayerResult]:
        """Unknown results for what an Envoy proxy enforces, from unreadable kinds and the mesh's configuration."""
        yield from self.about_mesh_config(layer)
        for kind in ("AuthorizationPolicy", *PROXY_KINDS, *kinds):
            yield from self._unreadable(kind, layer)

    def about_extensions(self, layer: Layer) -> Iterator[LayerResult]:
        """Unknown results for a source's own sidecar, from unreadable kinds that change proxies."""
        for kind in PROXY_KINDS:
            yield from self._unreadable(kind, layer)

    def about_routes(self) -> Iterator[LayerResult]:
        """Unknown results for a gateway's routing: without the routes, "no route" isn't certain either."""
        for kind in ("Gateway", *HTTP_ROUTES, *OTHER_ROUTES, ISTIO_GATEWAY, "VirtualService"):
            yield from self._unreadable(kind, Layer.GATEWAY)

    def about_client(self, layer: Layer, services: Iterable[Service]) -> Iterator[LayerResult]:
        """Unknown results for how a proxy connects to Services."""
        yield from self._unreadable("DestinationRule", layer)
        for rule in {rule.meta.uid: rule for service in services for rule in self._clients.about(service)}.values():
            yield _not_modelled(rule, layer)

    def about_sidecar(self, endpoint: Endpoint, *, outside: bool = False) -> Iterator[LayerResult]:
        """Unknown results for what a pod's sidecar listens on and reaches.

        Which Services a Sidecar object lets through is evaluated; which hosts outside the cluster isn't (``outside``).
        """
        if endpoint.mode is MeshMode.SIDECAR:
            yield from self._unreadable("Sidecar", Layer.SIDECAR)
            for scope in self._clients.of_sidecar(endpoint):
                if outside or not scope.hosts:
                    yield _not_modelled(scope, Layer.SIDECAR)

    def about_mesh_routes(self, layer: Layer) -> Iterator[LayerResult]:
        """Unknown results for a sidecar's or a waypoint's routing."""
        if self._snapshot.virtual_services:
            yield from self.about_mesh_config(layer)
        for kind in ("VirtualService", *HTTP_ROUTES, *ROUTES, BACKEND_TLS):
            yield from self._unreadable(kind, layer)

    def _unreadable(self, kind: str, layer: Layer) -> Iterator[LayerResult]:
        state = self._blind.get(kind)
        if state is not None:
            reason = because(Code.KIND_NOT_READABLE, kind=kind, why=state.blind)
            yield layer_result(layer, kind, StepResult.UNKNOWN, reason)


def _not_modelled(policy: ForeignPolicy, layer: Layer, where: str = "") -> LayerResult:
    reason = because(Code.KIND_NOT_MODELLED, policy=policy.meta.ref, api_version=policy.api_version)
    return layer_result(layer, where or policy.meta.kind, StepResult.UNKNOWN, reason, objects=(Decider(policy.meta.ref),))


def _not_read(policy: ForeignPolicy, layer: Layer) -> LayerResult:
    """A policy of the CNI's own kinds that can't be evaluated, or that may select a node."""
    reason = because(Code.POLICY_NOT_READ, policy=policy.meta.ref)
    return layer_result(layer, "CNI", StepResult.UNKNOWN, reason, objects=(Decider(policy.meta.ref),))


def _may_concern(policy: ForeignPolicy, direction: Direction, endpoint: Endpoint) -> bool:
    """Whether a policy may apply to this direction and to pods of this namespace or network."""
    if (policy.egress_only or policy.outside_only) and direction is Direction.INGRESS:
        return False
    if policy.ingress_only and direction is Direction.EGRESS:
        return False
    if policy.hosts_only:
        return endpoint.pod is not None and endpoint.pod.host_network
    return policy.anywhere or policy.meta.namespace in {"", endpoint.namespace}


def _is_host(endpoint: Endpoint) -> bool:
    return endpoint.pod is not None and endpoint.pod.host_network


def _is_outside(peer: Endpoint | None) -> bool:
    """Whether an end is an address or a host outside the cluster, as far as is known."""
    return peer is not None and peer.pod is None
