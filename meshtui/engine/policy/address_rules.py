"""Which policies read addresses: with several addresses, a pod may be treated differently by each."""

from __future__ import annotations

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.policy.admin import subject_selects
from meshtui.engine.policy.networkpolicy import Direction, NetworkPolicies, rules
from meshtui.engine.policy.tiers import OwnPolicies
from meshtui.model.policy import AdminPolicy, AuthorizationPolicy, NetworkPolicy
from meshtui.model.snapshot import Snapshot


class AddressRules:
    """The policies of one snapshot that read addresses."""

    def __init__(self, snapshot: Snapshot, own: OwnPolicies | None) -> None:
        self._network = NetworkPolicies(snapshot)
        self._admin = [policy for policy in snapshot.admin_policies.values() if any(_has_networks(d, policy) for d in Direction)]
        reading = [policy for policy in snapshot.authorization_policies.values() if _reads_addresses(policy)]
        self._namespaces = {policy.meta.namespace for policy in reading}
        self._own = own is not None and own.reads().addresses
        self._everywhere = snapshot.mesh.root_namespace in self._namespaces

    def about(self, direction: Direction, endpoint: Endpoint) -> bool:
        """Whether a policy of one side reads the other end's address, or, of an AuthorizationPolicy, any address."""
        if self._own:
            return True
        if any(_has_blocks(policy, direction) for policy in self._network.selecting(endpoint, direction)):
            return True
        if any(
            _has_networks(direction, policy) and subject_selects(policy.subject, endpoint) is not False for policy in self._admin
        ):
            return True
        return direction is Direction.INGRESS and (self._everywhere or endpoint.namespace in self._namespaces)


def _has_blocks(policy: NetworkPolicy, direction: Direction) -> bool:
    return any(peer.ip_block is not None for rule in rules(policy, direction) for peer in rule.peers)


def _has_networks(direction: Direction, policy: AdminPolicy) -> bool:
    found = policy.ingress if direction is Direction.INGRESS else policy.egress
    return any(peer.networks for rule in found for peer in rule.peers)


def _reads_addresses(policy: AuthorizationPolicy) -> bool:
    return any(
        any((s.ip_blocks, s.not_ip_blocks, s.remote_ip_blocks, s.not_remote_ip_blocks)) for r in policy.rules for s in r.sources
    ) or any(condition.key.endswith(".ip") for rule in policy.rules for condition in rule.conditions)
