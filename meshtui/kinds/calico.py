"""Calico's policies as they are evaluated, and its Tiers, NetworkSets, GlobalNetworkSets and HostEndpoints.

Source of the fields: projectcalico/calico, api/pkg/apis/projectcalico/v3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import isnan
from typing import Any

from msgspec import ValidationError, convert, field

from meshtui.kinds.convert import meta, strings, unknown_fields
from meshtui.kinds.kind import Kind, Pairs, Role
from meshtui.kinds.wire import ObjectMeta, Wire
from meshtui.model import calico as model

GROUP, CRD_GROUP = "projectcalico.org", "crd.projectcalico.org"
_SERVED = ((GROUP, "v3"), (CRD_GROUP, "v1"))


class ServiceAccounts(Wire):
    """serviceAccounts of a side of a rule."""

    names: list[str] | None = None
    selector: str | None = None


class ServiceRef(Wire):
    """services of a side of a rule."""

    name: str | None = None
    namespace: str | None = None


class Side(Wire):
    """source or destination of a rule."""

    nets: list[str] | None = None
    not_nets: list[str] | None = None
    selector: str | None = None
    not_selector: str | None = None
    namespace_selector: str | None = None
    ports: list[int | str] | None = None
    not_ports: list[int | str] | None = None
    service_accounts: ServiceAccounts | None = None
    services: ServiceRef | None = None
    domains: list[str] | None = None


class RuleMetadata(Wire):
    """metadata of a rule."""

    annotations: dict[str, str] | None = None


class Rule(Wire):
    """ingress[] or egress[]."""

    action: str = ""
    source: Side | None = None
    destination: Side | None = None
    protocol: int | str | None = None
    not_protocol: int | str | None = None
    ip_version: int | None = field(default=None, name="ipVersion")
    icmp: Any = None
    not_icmp: Any = field(default=None, name="notICMP")
    http: Any = None
    metadata: RuleMetadata | None = None


class PolicySpec(Wire):
    """spec of a policy."""

    tier: str | None = None
    order: float | None = None
    selector: str | None = None
    namespace_selector: str | None = None
    service_account_selector: str | None = None
    types: list[str] | None = None
    ingress: list[Rule] | None = None
    egress: list[Rule] | None = None
    do_not_track: bool | None = None
    pre_dnat: bool | None = field(default=None, name="preDNAT")
    apply_on_forward: bool | None = None
    performance_hints: list[str] | None = None
    staged_action: str | None = None


_OF_HOSTS = {"do_not_track": "spec.doNotTrack", "pre_dnat": "spec.preDNAT", "apply_on_forward": "spec.applyOnForward"}


def calico_policy(raw: Mapping[str, Any]) -> model.CalicoPolicy | None:
    """Convert the spec of a NetworkPolicy or GlobalNetworkPolicy; None if it can't be decoded."""
    try:
        spec = convert(raw, PolicySpec, strict=False)
    except ValidationError:
        return None
    return model.CalicoPolicy(
        tier=spec.tier or "default",
        order=spec.order,
        selector=spec.selector or "",
        namespace_selector=spec.namespace_selector or "",
        service_account_selector=spec.service_account_selector or "",
        types=tuple(spec.types) if spec.types else None,
        ingress=tuple(map(_rule, spec.ingress or ())),
        egress=tuple(map(_rule, spec.egress or ())),
        for_hosts=tuple(path for name, path in _OF_HOSTS.items() if getattr(spec, name)),
        unmodelled=(*unknown_fields(raw, PolicySpec), *(["spec.order"] if spec.order is not None and isnan(spec.order) else ())),
    )


def _rule(raw: Rule) -> model.CalicoRule:
    return model.CalicoRule(
        action=raw.action,
        source=_side(raw.source or Side()),
        destination=_side(raw.destination or Side()),
        protocol="" if raw.protocol is None else str(raw.protocol),
        not_protocol="" if raw.not_protocol is None else str(raw.not_protocol),
        ip_version=raw.ip_version,
        icmp=raw.icmp is not None or raw.not_icmp is not None,
        http=raw.http is not None,
    )


def _side(raw: Side) -> model.Side:
    accounts, service = raw.service_accounts, raw.services
    return model.Side(
        nets=tuple(raw.nets) if raw.nets else None,
        not_nets=strings(raw.not_nets),
        selector=raw.selector or "",
        not_selector=raw.not_selector or "",
        namespace_selector=raw.namespace_selector or "",
        ports=tuple(map(str, raw.ports)) if raw.ports else None,
        not_ports=tuple(map(str, raw.not_ports or ())),
        service_accounts=model.ServiceAccounts(strings(accounts.names), accounts.selector or "") if accounts else None,
        service=(service.namespace or "", service.name or "") if service else None,
        domains=strings(raw.domains),
    )


class TierSpec(Wire):
    """spec of a Tier."""

    order: float | None = None
    default_action: str | None = None


class Tier(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: TierSpec | None = None


def tier(raw: Tier, kind: str, origin: str = "") -> model.CalicoTier:
    """Convert a Tier."""
    spec = raw.spec or TierSpec()
    made = meta(kind, raw.metadata, namespaced=False, origin=origin)
    return model.CalicoTier(made, spec.order, spec.default_action or "Deny")


class NetworkSetSpec(Wire):
    """spec of a NetworkSet."""

    nets: list[str] | None = None
    allowed_egress_domains: list[str] | None = None


class NetworkSet(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: NetworkSetSpec | None = None


def network_set(raw: NetworkSet, kind: str, origin: str = "", *, namespaced: bool = True) -> model.NetworkSet:
    """Convert a NetworkSet or a GlobalNetworkSet."""
    spec = raw.spec or NetworkSetSpec()
    made = meta(kind, raw.metadata, namespaced=namespaced, origin=origin)
    return model.NetworkSet(made, strings(spec.nets), strings(spec.allowed_egress_domains))


class HostEndpointSpec(Wire):
    """spec of a HostEndpoint."""

    expected_ips: list[str] | None = field(default=None, name="expectedIPs")


class HostEndpoint(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: HostEndpointSpec | None = None


def host_endpoint(raw: HostEndpoint, kind: str, origin: str = "") -> model.NetworkSet:
    """Convert a HostEndpoint to what selectors see of it: its addresses with its labels (felix/labelindex)."""
    spec = raw.spec or HostEndpointSpec()
    return model.NetworkSet(meta(kind, raw.metadata, namespaced=False, origin=origin), strings(spec.expected_ips))


def _kind(
    served: tuple[str, str], name: str, target: str, wire: type[Wire], convert_: Callable[..., Any], *, namespaced: bool = True
) -> Kind:
    """A kind as one API group serves it; ``target`` is the Snapshot's mapping."""
    group, version = served
    return Kind(
        f"{name}.{group}",
        group,
        (version,),
        f"{name.lower()}s",
        target,
        wire,
        partial(convert_, kind=f"{name}.{group}"),
        namespaced=namespaced,
        optional=True,
        role=Role.POLICY,
        pairs=Pairs.EVERYBODY,
    )


def _kinds(served: tuple[str, str]) -> tuple[Kind, ...]:
    of_cluster = partial(network_set, namespaced=False)
    return (
        _kind(served, "Tier", "calico_tiers", Tier, tier, namespaced=False),
        _kind(served, "NetworkSet", "network_sets", NetworkSet, network_set),
        _kind(served, "GlobalNetworkSet", "network_sets", NetworkSet, of_cluster, namespaced=False),
        _kind(served, "HostEndpoint", "network_sets", HostEndpoint, host_endpoint, namespaced=False),
    )


KINDS = tuple(kind for served in _SERVED for kind in _kinds(served))
