"""NetworkPolicies."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import field

from meshtui.kinds.convert import meta, optional_selector, selector, strings
from meshtui.kinds.kind import V1, Kind, Pairs, Role
from meshtui.kinds.wire import LabelSelector, ObjectMeta, Wire
from meshtui.model import policy as model


class IPBlock(Wire):
    """ipBlock of a NetworkPolicy peer."""

    cidr: str
    except_: list[str] | None = field(default=None, name="except")


class NetworkPeer(Wire):
    """from[] and to[] of a NetworkPolicy."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IPBlock | None = None


class PolicyPort(Wire):
    """ports[] of a NetworkPolicy rule."""

    protocol: str | None = None
    port: int | str | None = None
    end_port: int | None = None


class IngressRule(Wire):
    """ingress[] of a NetworkPolicy."""

    from_: list[NetworkPeer] | None = field(default=None, name="from")
    ports: list[PolicyPort] | None = None


class EgressRule(Wire):
    """egress[] of a NetworkPolicy."""

    to: list[NetworkPeer] | None = None
    ports: list[PolicyPort] | None = None


class NetworkPolicySpec(Wire):
    """spec of a NetworkPolicy."""

    pod_selector: LabelSelector | None = None
    policy_types: list[str] | None = None
    ingress: list[IngressRule] | None = None
    egress: list[EgressRule] | None = None


class NetworkPolicy(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: NetworkPolicySpec | None = None


def network_policy(raw: NetworkPolicy, origin: str = "", unmodelled: tuple[str, ...] = ()) -> model.NetworkPolicy:
    """Convert a NetworkPolicy as written, without defaulting (``engine.policy.networkpolicy`` does that)."""
    spec = raw.spec or NetworkPolicySpec()
    return model.NetworkPolicy(
        meta=meta("NetworkPolicy", raw.metadata, origin=origin),
        pod_selector=selector(spec.pod_selector),
        policy_types=None if not spec.policy_types else tuple(spec.policy_types),
        ingress=None
        if spec.ingress is None
        else tuple(model.NetworkPolicyRule(_peers(r.from_), _ports(r.ports)) for r in spec.ingress),
        egress=None
        if spec.egress is None
        else tuple(model.NetworkPolicyRule(_peers(r.to), _ports(r.ports)) for r in spec.egress),
        unmodelled=unmodelled,
    )


def _peers(raw: Sequence[NetworkPeer] | None) -> tuple[model.NetworkPeer, ...]:
    return tuple(
        model.NetworkPeer(
            pod_selector=optional_selector(peer.pod_selector),
            namespace_selector=optional_selector(peer.namespace_selector),
            ip_block=model.IPBlock(peer.ip_block.cidr, strings(peer.ip_block.except_)) if peer.ip_block else None,
        )
        for peer in raw or ()
    )


def _ports(raw: Sequence[PolicyPort] | None) -> tuple[model.PolicyPort, ...]:
    return tuple(model.PolicyPort(port.protocol or "TCP", port.port, port.end_port) for port in raw or ())


KINDS = (
    Kind(
        "NetworkPolicy",
        "networking.k8s.io",
        V1,
        "networkpolicies",
        "network_policies",
        NetworkPolicy,
        network_policy,
        checked=True,
        role=Role.POLICY,
        pairs=Pairs.COMPARED,
        unreadable={"policy_types": ("(unreadable)",)},
    ),
)
