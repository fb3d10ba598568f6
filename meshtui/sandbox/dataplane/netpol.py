"""NetworkPolicies (networking.k8s.io/v1): whether a pod may connect to another pod's port."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from meshtui.sandbox.dataplane.selectors import selects
from meshtui.sandbox.dataplane.world import Pod, World
from meshtui.sandbox.ports import Obj


def drops(world: World, source: Pod, destination: Pod, port: int) -> bool:
    """Whether a policy at either end drops TCP from one pod to another's ``port`` (the port of the packets)."""
    if source.uid == destination.uid:  # a pod always reaches itself
        return False
    if source.host_network and source.node == destination.node:  # and its own node always reaches it
        return False
    return not (
        _passes(world, "Egress", source, destination, destination, port)
        and _passes(world, "Ingress", destination, source, destination, port)
    )


def _passes(world: World, direction: str, subject: Pod, peer: Pod, destination: Pod, port: int) -> bool:
    """Whether policies allow one direction. Policies are a union; without any, everything is allowed."""
    if subject.host_network:  # host-network pods are not selected by policies
        return True
    policies = [
        each
        for each in world.objects.get("networkpolicies", ())
        if each["metadata"]["namespace"] == subject.namespace
        and selects((each.get("spec") or {}).get("podSelector") or {}, subject.labels)
        and direction in _types(each)
    ]
    if not policies:
        return True
    section, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return any(
        _peers_match(world, rule.get(peers), policy["metadata"]["namespace"], peer)
        and _ports_match(rule.get("ports"), destination, port)
        for policy in policies
        for rule in policy["spec"].get(section) or []
    )


def _types(policy: Obj) -> list[str]:
    spec = policy.get("spec") or {}
    if spec.get("policyTypes"):
        return list(spec["policyTypes"])
    return ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _peers_match(world: World, peers: list[Obj] | None, namespace: str, pod: Pod) -> bool:
    # Absent and empty both mean everything; two peers are OR.
    return not peers or any(_peer_matches(world, peer, namespace, pod) for peer in peers)


def _peer_matches(world: World, peer: Mapping[str, Any], namespace: str, pod: Pod) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        return _within(pod.ip, block["cidr"]) and not any(_within(pod.ip, each) for each in block.get("except") or [])
    if pod.host_network:  # a host-network pod counts as its node, which no selector matches
        return False
    # Both selectors in one peer are AND; without a namespaceSelector it is the policy's own namespace.
    if peer.get("namespaceSelector") is not None:
        if not selects(peer["namespaceSelector"], world.namespaces.get(pod.namespace, {})):
            return False
    elif pod.namespace != namespace:
        return False
    return peer.get("podSelector") is None or selects(peer["podSelector"], pod.labels)


def _within(address: str, block: str) -> bool:
    try:
        network, parsed = ip_network(block, strict=False), ip_address(address)
    except ValueError:
        return False
    return network.version == parsed.version and parsed in network


def _ports_match(ports: list[Obj] | None, destination: Pod, port: int) -> bool:
    return not ports or any(_port_matches(each, destination, port) for each in ports)


def _port_matches(each: Mapping[str, Any], destination: Pod, port: int) -> bool:
    if each.get("protocol", "TCP") != "TCP":
        return False
    wanted = each.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, int) and each.get("endPort"):
        return wanted <= port <= int(each["endPort"])
    # A name is resolved per destination pod; a name that no container has matches nothing.
    return destination.resolve(wanted) == port
