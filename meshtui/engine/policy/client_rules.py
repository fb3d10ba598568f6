"""What decides about a proxy's own connections: DestinationRules and Sidecar objects. They aren't evaluated.

Sources: istio/api networking/v1alpha3/destination_rule.proto (host: short names are relative to the rule's namespace; TLS modes,
of which DISABLE is the default), networking/v1alpha3/sidecar.proto (one without a workloadSelector is its namespace's; one in
the root namespace is every namespace's that has none), istio/istio pilot/pkg/model/push_context.go (destinationRule).
"""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.selectors import matches
from meshtui.model.policy import Enforcer, ForeignPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import MeshMode, Service


class ClientRules:
    """The DestinationRules that change how a connection is made, and the Sidecar objects of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        found = sorted((p for p in snapshot.foreign.values() if p.enforcer is Enforcer.CLIENT), key=lambda p: str(p.meta.ref))
        self._rules = [rule for rule in found if rule.meta.kind == "DestinationRule"]
        self._sidecars = [scope for scope in found if scope.meta.kind == "Sidecar"]
        self._root = snapshot.mesh.root_namespace

    def about(self, service: Service) -> Iterator[ForeignPolicy]:
        """The DestinationRules that may change the transport to a Service, wherever they are: ``exportTo`` isn't read."""
        name, namespace = service.meta.name, service.meta.namespace
        full = f"{name}.{namespace}.svc.cluster.local"
        for rule in self._rules:
            if any(_names(host, rule.meta.namespace, full) for host in rule.hosts) or not rule.hosts:
                yield rule

    def knows(self, endpoint: Endpoint, service: Service) -> bool:
        """Whether a pod's sidecar knows a Service: no Sidecar object applies, or the one that does lets it through."""
        scopes = self._scopes_of(endpoint)
        return all(any(_lets_through(host, endpoint.namespace, service) for host in scope.hosts) for scope in scopes)

    @property
    def scoped(self) -> bool:
        """Whether there are Sidecar objects."""
        return bool(self._sidecars)

    def _scopes_of(self, endpoint: Endpoint) -> list[ForeignPolicy]:
        """The modelled Sidecar objects that apply: those with a selector, else the namespace's, else the root namespace's."""
        found = [scope for scope in self.of_sidecar(endpoint) if scope.hosts]
        own = [scope for scope in found if scope.meta.namespace == endpoint.namespace]
        chosen = [scope for scope in own if scope.selector is not None]
        return chosen or own or [scope for scope in found if scope.selector is None]

    def of_sidecar(self, endpoint: Endpoint) -> Iterator[ForeignPolicy]:
        """The Sidecar objects that may apply to a pod's sidecar; one without ``hosts`` isn't modelled."""
        if endpoint.mode is not MeshMode.SIDECAR:
            return
        for scope in self._sidecars:
            inside = scope.meta.namespace in {endpoint.namespace, self._root}
            if inside and (scope.selector is None or matches(scope.selector, endpoint.labels)):
                yield scope


def _lets_through(host: str, namespace: str, service: Service) -> bool:
    """Whether ``NAMESPACE/NAME`` of a Sidecar's egress is about a Service: ``.`` is the proxy's namespace, ``~`` none."""
    where, _, name = host.rpartition("/")
    home = service.meta.namespace
    inside = where in {"*", ""} or where == home or (where == "." and namespace == home)
    full = f"{service.meta.name}.{home}.svc.cluster.local"
    return inside and (name == "*" or _names(name, home, full))


def _names(host: str, namespace: str, full: str) -> bool:
    """Whether a rule's host may name a Service with a full name: exactly, relative to the rule's namespace, or by a wildcard."""
    if host.startswith("*"):
        return full.endswith(host[1:])
    if "." not in host:
        host = f"{host}.{namespace}"
    # The cluster's domain may be another one.
    return full.startswith(f"{host}.") or host == full or host.startswith(full.removesuffix("cluster.local"))
