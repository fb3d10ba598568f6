"""What the engine doesn't model: each is a reason to answer ``unknown`` rather than to guess."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.selectors import matches
from meshtui.engine.policy.admin import subject_selects
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.model.policy import AuthorizationPolicy, PeerAuthentication
from meshtui.model.snapshot import KindStatus, Snapshot
from meshtui.model.verdict import Decider, Layer, StepResult
from meshtui.model.workload import MeshMode

USE_WAYPOINT = "istio.io/use-waypoint"
ADMIN_KINDS = ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy")
CNI_KINDS = ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy", "NetworkPolicy.projectcalico.org", "GlobalNetworkPolicy")
"""Policies of a CNI's own: not judged, so one that is installed and can't be seen may decide as much as one that is seen."""
BLIND = {KindStatus.FORBIDDEN, KindStatus.LOADING, KindStatus.EXPIRED, KindStatus.UNREACHABLE}
"""States of a kind in which nothing is known of its objects."""


class Unmodelled:
    """The parts of a snapshot that decide about traffic in ways that aren't modelled."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._foreign = list(snapshot.foreign.values())
        self._odd_network = [p for p in snapshot.network_policies.values() if p.unmodelled]
        self._odd_admin = [p for p in snapshot.admin_policies.values() if p.unmodelled]
        self._odd_security: list[AuthorizationPolicy | PeerAuthentication] = [
            *(p for p in snapshot.authorization_policies.values() if p.unmodelled),
            *(p for p in snapshot.peer_authentications.values() if p.unmodelled),
        ]
        self._blind = {kind: state for kind, state in snapshot.kinds.items() if state.status in BLIND}
        self._look_for_dark_namespaces()

    def _look_for_dark_namespaces(self) -> None:
        """Where only some Namespaces may be read, and pods of others are seen: any selector may mean those."""
        state, known = self._snapshot.kind_state("Namespace"), self._snapshot.namespace_by_name
        dark = sorted(self._snapshot.pods_by_namespace.keys() - known.keys()) if state.scope else []
        if dark and "Namespace" not in self._blind:
            message = f"only {state.scope} may be read, and pods run in {dark[0]}"
            self._blind["Namespace"] = replace(state, status=KindStatus.FORBIDDEN, message=message)

    def about_network(self, direction: Direction, endpoint: Endpoint) -> Iterator[LayerResult]:
        """Reasons for doubt about network policy on one side."""
        if not endpoint.selectable:
            return
        layer = Layer.EGRESS_POLICY if direction is Direction.EGRESS else Layer.INGRESS_POLICY
        yield from self._hidden(layer)
        for admin in self._odd_admin:
            if subject_selects(admin.subject, endpoint):
                reason = f"{admin.meta.ref} has fields that aren't modelled: {', '.join(admin.unmodelled)}"
                yield layer_result(Layer.ADMIN_POLICY, "CNI", StepResult.UNKNOWN, reason, objects=(Decider(admin.meta.ref),))
        for policy in self._odd_network:
            if policy.meta.namespace == endpoint.namespace and matches(policy.pod_selector, endpoint.labels):
                reason = f"{policy.meta.ref} has fields that aren't modelled: {', '.join(policy.unmodelled)}"
                yield layer_result(layer, "CNI", StepResult.UNKNOWN, reason, objects=(Decider(policy.meta.ref),))
        for foreign in self._foreign:
            if foreign.meta.kind == "EnvoyFilter" or foreign.meta.namespace not in {"", endpoint.namespace}:
                continue
            if foreign.selector is None or matches(foreign.selector, endpoint.labels):
                reason = f"{foreign.meta.ref} ({foreign.api_version}) is a kind of this cluster's CNI that isn't modelled"
                yield layer_result(layer, "CNI", StepResult.UNKNOWN, reason, objects=(Decider(foreign.meta.ref),))

    def _hidden(self, layer: Layer) -> Iterator[LayerResult]:
        """The kinds that can't be seen, and would have a say in network policy."""
        for kind in ADMIN_KINDS:
            yield from self._unreadable(kind, Layer.ADMIN_POLICY)
        # Namespaces, since their labels are what namespaceSelectors, and ambient, go by
        for kind in ("NetworkPolicy", *CNI_KINDS, "Namespace"):
            yield from self._unreadable(kind, layer)

    def about_destination(self, destination: Endpoint) -> Iterator[LayerResult]:
        """Reasons for doubt about what the destination's ztunnel, or, for a gateway's pod, its own proxy enforces."""
        yield from self.about_gateway(destination)
        if destination.pod is None or not destination.in_ambient:
            return
        yield from self._unreadable("AuthorizationPolicy", Layer.ZTUNNEL)
        yield from self._unreadable("PeerAuthentication", Layer.ZTUNNEL)
        for policy in self._odd_security:
            if policy.meta.namespace in {destination.namespace, self._snapshot.mesh.root_namespace}:
                reason = f"{policy.meta.ref} has fields that aren't modelled: {', '.join(policy.unmodelled)}"
                yield layer_result(Layer.ZTUNNEL, "ztunnel", StepResult.UNKNOWN, reason, objects=(Decider(policy.meta.ref),))

    def about_gateway(self, destination: Endpoint) -> Iterator[LayerResult]:
        """Without a request, what a gateway's own policies say about it isn't known."""
        if destination.mode is MeshMode.GATEWAY and self._guards_gateway(destination):
            reason = "depends on the request: policies that a gateway enforces itself"
            yield layer_result(Layer.GATEWAY, destination.name, StepResult.UNKNOWN, reason)

    def about_proxy(self, layer: Layer, *kinds: str) -> Iterator[LayerResult]:
        """Reasons for doubt about what a proxy of Envoy's enforces: kinds that can't be seen."""
        for kind in ("AuthorizationPolicy", "EnvoyFilter", *kinds):
            yield from self._unreadable(kind, layer)

    def about_routes(self) -> Iterator[LayerResult]:
        """Reasons for doubt about where a gateway sends a request: without its routes "no route" can't be said either."""
        for kind in ("Gateway", "HTTPRoute"):
            yield from self._unreadable(kind, Layer.GATEWAY)

    def _guards_gateway(self, gateway: Endpoint) -> bool:
        scopes = {gateway.namespace, self._snapshot.mesh.root_namespace}
        return any(p.meta.namespace in scopes for p in self._snapshot.authorization_policies.values())

    def _unreadable(self, kind: str, layer: Layer) -> Iterator[LayerResult]:
        state = self._blind.get(kind)
        if state is not None:
            reason = f"{kind} objects can't be seen ({state.status.value}{': ' + state.message if state.message else ''})"
            yield layer_result(layer, kind, StepResult.UNKNOWN, reason)
