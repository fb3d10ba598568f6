"""Nodes."""

from __future__ import annotations

from msgspec import field

from meshtui.kinds.convert import meta
from meshtui.kinds.kind import V1, Kind, Pairs
from meshtui.kinds.wire import Condition, ObjectMeta, Wire
from meshtui.model import workload as model
from meshtui.model.address import canonical


class NodeAddress(Wire):
    """status.addresses[]."""

    type: str = ""
    address: str = ""


class NodeSpec(Wire):
    """spec of a Node."""

    pod_cidr: str | None = field(default=None, name="podCIDR")
    pod_cidrs: list[str] | None = field(default=None, name="podCIDRs")


class NodeStatus(Wire):
    """status of a Node."""

    addresses: list[NodeAddress] | None = None
    conditions: list[Condition] | None = None


class Node(Wire):
    """The object: metadata, spec and status."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


def node(raw: Node, origin: str = "") -> model.Node:
    """Convert a Node: its internal and external addresses, pod CIDRs, and whether it is Ready."""
    spec, status = raw.spec or NodeSpec(), raw.status or NodeStatus()
    return model.Node(
        meta=meta("Node", raw.metadata, namespaced=False, origin=origin),
        ips=tuple(canonical(a.address) for a in status.addresses or () if a.type in {"InternalIP", "ExternalIP"}),
        ready=any(c.type == "Ready" and c.status == "True" for c in status.conditions or ()),
        pod_cidrs=tuple(spec.pod_cidrs) if spec.pod_cidrs else ((spec.pod_cidr,) if spec.pod_cidr else ()),
    )


KINDS = (Kind("Node", "", V1, "nodes", "nodes", Node, node, False, pairs=Pairs.NODES),)
