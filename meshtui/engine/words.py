"""Rules as sentences."""

from __future__ import annotations

from collections.abc import Sequence

from meshtui.engine.matching.selectors import describe
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import NetworkPeer, NetworkPolicyRule, PolicyPort


def names(refs: Sequence[ObjectRef], most: int = 3) -> str:
    """A few objects by name, and how many more there are."""
    shown = ", ".join(str(ref) for ref in refs[:most])
    return f"{shown} and {len(refs) - most} more" if len(refs) > most else shown


def network_rule_in_words(rule: NetworkPolicyRule, direction: str) -> str:
    """A NetworkPolicy rule as a sentence: from or to whom, on which ports."""
    word = "from" if direction == "ingress" else "to"
    who = " or ".join(_peer(peer) for peer in rule.peers) or "everywhere"
    ports = ", ".join(_port(port) for port in rule.ports) or "all ports"
    return f"{word} {who} on {ports}"


def _peer(peer: NetworkPeer) -> str:
    if peer.ip_block is not None:
        cut = f" except {', '.join(peer.ip_block.excepts)}" if peer.ip_block.excepts else ""
        return f"{peer.ip_block.cidr}{cut}"
    pods = describe(peer.pod_selector) if peer.pod_selector is not None else "all pods"
    if peer.namespace_selector is None:
        return f"pods [{pods}]"
    where = "all namespaces" if peer.namespace_selector.is_empty else f"namespaces [{describe(peer.namespace_selector)}]"
    return f"pods [{pods}] in {where}" if peer.pod_selector is not None else where


def _port(port: PolicyPort) -> str:
    if port.port is None:
        return f"{port.protocol} (all ports)"
    last = f"-{port.end_port}" if port.end_port is not None else ""
    return f"{port.protocol} {port.port}{last}"
