"""What Cilium reads otherwise in NetworkPolicies than their API says.

Sources: cilium/cilium pkg/k8s/network_policy.go (ParseNetworkPolicy: rules count whatever policyTypes says; selectors become
those of identities), pkg/labelsfilter/filter.go (labels that are no part of identities).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from meshtui.engine.policy.cilium.labels import OF_NAMESPACE, counts, counts_in_some_releases
from meshtui.engine.policy.networkpolicy import Direction, applies, rules
from meshtui.model.policy import NetworkPolicy
from meshtui.model.selectors import LabelSelector

_OWN = ("io.cilium.", "io.kubernetes.pod.")
"""Labels that Cilium adds to pods."""


@dataclass(frozen=True, slots=True)
class ReadOtherwise:
    """A NetworkPolicy with such fields. ``anybody``: it isn't known which pods of its namespace it selects."""

    policy: NetworkPolicy
    fields: tuple[str, ...]
    anybody: bool


def read_otherwise(policies: Iterable[NetworkPolicy]) -> Iterator[ReadOtherwise]:
    """The policies that Cilium reads otherwise."""
    for policy in policies:
        anybody = _is_odd(policy.pod_selector)
        fields = ["podSelector"] if anybody else []
        for direction in Direction:
            written = rules(policy, direction)
            fields += [f"{direction.value} beside policyTypes"] if written and not applies(policy, direction) else []
            for number, rule in enumerate(written):
                pods = any(_is_odd(peer.pod_selector) for peer in rule.peers)
                spaces = any(_is_odd(peer.namespace_selector, OF_NAMESPACE) for peer in rule.peers)
                fields += [f"{direction.value}[{number}]"] if pods or spaces else []
        if fields:
            yield ReadOtherwise(policy, tuple(fields), anybody)


def _is_odd(selector: LabelSelector | None, prefix: str = "") -> bool:
    """Whether a selector reads labels that are no part of identities, or that Cilium adds itself."""
    keys = [prefix + key for key in selector.keys] if selector is not None else []
    return any(not counts(key) or counts_in_some_releases(key) or (not prefix and key.startswith(_OWN)) for key in keys)
