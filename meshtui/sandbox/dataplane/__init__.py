"""The sandbox's data plane: Envoy, configured from the cluster's policies on a path of its own."""

from meshtui.sandbox.dataplane.plane import DataPlane

__all__ = ["DataPlane"]
