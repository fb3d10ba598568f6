"""Which namespaces' sidecars know a Service (istio/istio pilot/pkg/model/push_context.go: initServiceRegistry, IsServiceVisible).

ztunnel and waypoints don't read it.
"""

from __future__ import annotations

from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Service

EXPORT_TO = "networking.istio.io/exportTo"


class Exports:
    """Where the Services of one snapshot are exported to."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._default = snapshot.mesh.export_to

    def is_restricted(self, service: Service) -> bool:
        """Whether some namespaces don't know a Service."""
        names = self._names(service)
        return bool(names) and "*" not in names

    def reach(self, service: Service, namespace: str) -> bool:
        """Whether the sidecars of a namespace know a Service: ``.`` is its own, ``*`` all, ``~`` none."""
        names = self._names(service)
        return not self.is_restricted(service) or namespace in names or ("." in names and namespace == service.meta.namespace)

    def _names(self, service: Service) -> tuple[str, ...]:
        written = service.meta.annotations.get(EXPORT_TO, "")
        found = tuple(name.strip() for name in written.split(",") if name.strip())
        return found or self._default
