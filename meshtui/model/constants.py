"""Facts about the mesh and Kubernetes that several packages use."""

from __future__ import annotations

from meshtui.model import workload
from meshtui.model.verdict import Layer
from meshtui.model.workload import MeshMode

HBONE_PORT = 15008
"""The port on which ztunnels, waypoints and gateways accept HBONE (istio.io: ambient, HBONE)."""

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
"""The label of a pod that names its Gateway (Gateway API, GEP-1762)."""

MANAGED = "gateway.istio.io/managed"
"""The label with the controller that deployed a Gateway's objects."""
MESH_CONTROLLERS = frozenset({"istio.io-mesh-controller", "istio.io-eastwest-controller"})
"""The controllers of waypoints and east-west gateways."""

MESHED = workload.MESHED
"""Mesh modes in which a pod has an identity that others can verify."""
SENDS_HBONE = frozenset({MeshMode.AMBIENT, MeshMode.GATEWAY})
"""Mesh modes in which a pod reaches ambient pods through HBONE, whatever the mesh's configuration is."""
NOT_CAPTURED = frozenset({MeshMode.NONE, MeshMode.WANTED})
"""Mesh modes in which a pod sends plaintext."""

POD_NETWORK_LAYERS = frozenset({Layer.EGRESS_POLICY, Layer.INGRESS_POLICY})
"""The layers of policies that select pods within a namespace."""
TIER_LAYERS = frozenset({Layer.ADMIN_POLICY, Layer.BASELINE_POLICY})
"""The layers of the cluster-wide policies before and after those."""
NETWORK_LAYERS = POD_NETWORK_LAYERS | TIER_LAYERS
"""The layers that the CNI enforces, by addresses and ports."""
PROXY_LAYERS = frozenset({Layer.WAYPOINT, Layer.SIDECAR, Layer.GATEWAY})
"""The layers that an Envoy enforces, for requests."""
IN_MESH_PROXY_LAYERS = frozenset({Layer.WAYPOINT, Layer.SIDECAR})
"""The layers of Envoys between two pods of the cluster."""
IDENTITY_LAYERS = frozenset({Layer.ZTUNNEL, Layer.SIDECAR, Layer.WAYPOINT})
"""The layers that evaluate a caller inside the mesh by its identity."""

REVISION_LABELS = (
    "pod-template-hash",
    "controller-revision-hash",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
)
"""Labels that controllers add to pods (kubernetes.io: well-known labels), different for each revision or pod."""
