"""How a CNI reads what the NetworkPolicy API leaves open."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class HostPods(StrEnum):
    """How policies see pods on the host network."""

    POD = "pod"
    """Like other pods."""
    NODE = "node"
    """As their node: no policy selects them, selectors of peers don't match them, and they reach the pods of their own node."""
    UNKNOWN = "unknown"
    """One of both: verdicts on which this decides are unknown."""


@dataclass(frozen=True, slots=True)
class Cni:
    """The readings of one CNI. None: it isn't known, so verdicts that depend on it are unknown.

    ``enforces``: whether NetworkPolicies are enforced at all. ``blocks_match_pods`` and ``blocks_match_nodes``: whether an
    ipBlock matches pods' and nodes' addresses. ``end_ports``, ``sctp``, ``named_ingress`` and ``named_egress``: whether a rule's
    port range, its SCTP ports, and the names of ports in ingress and egress rules mean what the API says; a name means the ports
    of that name at the destination's own pod. ``leaves_open``: whether pods that no policy selects are open. ``rejects``: whether
    connections that a policy denies are refused, and not dropped.

    ``unread`` is why the CNI's own settings couldn't be read; the readings are then those of its defaults. ``why`` is how the CNI
    was determined: ``setting``, or what it was recognised by.
    """

    name: str = ""
    title: str = ""
    enforces: bool | None = True
    blocks_match_pods: bool | None = None
    blocks_match_nodes: bool | None = None
    host_pods: HostPods = HostPods.UNKNOWN
    end_ports: bool | None = None
    sctp: bool | None = None
    named_ingress: bool | None = None
    named_egress: bool | None = None
    leaves_open: bool | None = True
    rejects: bool | None = None
    unread: str = ""
    why: str = ""


UNKNOWN_CNI = Cni(blocks_match_nodes=True)
"""No CNI is known."""
REFERENCE_CNI = Cni("reference", "the NetworkPolicy API, read literally", True, True, True, HostPods.POD, True, True, True, True)
"""The literal reading of the NetworkPolicy API: blocks match by address, and pods on the host network are pods."""
