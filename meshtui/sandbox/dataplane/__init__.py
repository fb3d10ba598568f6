"""The sandbox's data plane: an Envoy that is configured from the cluster's policies, independently of ``meshtui.engine``."""

from meshtui.sandbox.dataplane.plane import DataPlane

__all__ = ["DataPlane"]
