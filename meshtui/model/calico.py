"""Calico's policies, tiers and network sets, as written (projectcalico.org/v3)."""

from __future__ import annotations

from dataclasses import dataclass

from meshtui.model.meta import Meta


@dataclass(frozen=True, slots=True)
class ServiceAccounts:
    """serviceAccounts of one side of a rule: those with ANY of the names, and the labels that a selector asks for."""

    names: tuple[str, ...] = ()
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a rule, source or destination: ALL its fields must match. Selectors are Calico's expressions."""

    nets: tuple[str, ...] | None = None
    not_nets: tuple[str, ...] = ()
    selector: str = ""
    not_selector: str = ""
    namespace_selector: str = ""
    ports: tuple[str, ...] | None = None
    """Numbers, ranges (``80:90``) and names; ANY must match, of the rule's protocol."""
    not_ports: tuple[str, ...] = ()
    service_accounts: ServiceAccounts | None = None
    service: tuple[str, str] | None = None
    """The (namespace, name) of a Service; without a namespace, the first is empty."""
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CalicoRule:
    """One rule. ``protocol`` and ``not_protocol`` are names or numbers, as text; empty for any."""

    action: str
    source: Side = Side()
    destination: Side = Side()
    protocol: str = ""
    not_protocol: str = ""
    ip_version: int | None = None
    icmp: bool = False
    http: bool = False


@dataclass(frozen=True, slots=True)
class CalicoPolicy:
    """The spec of a NetworkPolicy or GlobalNetworkPolicy of Calico.

    ``order`` None comes last. ``types`` None: not written. ``for_hosts`` are the fields that make it a policy of hosts.
    """

    tier: str = "default"
    order: float | None = None
    selector: str = ""
    namespace_selector: str = ""
    service_account_selector: str = ""
    types: tuple[str, ...] | None = None
    ingress: tuple[CalicoRule, ...] = ()
    egress: tuple[CalicoRule, ...] = ()
    for_hosts: tuple[str, ...] = ()
    unmodelled: tuple[str, ...] = ()
    """Paths of fields that aren't known: with them the policy isn't evaluated."""


@dataclass(frozen=True, slots=True)
class CalicoTier:
    """A tier: its policies are evaluated together. ``order`` None comes last."""

    meta: Meta
    order: float | None = None
    default_action: str = "Deny"


@dataclass(frozen=True, slots=True)
class NetworkSet:
    """A NetworkSet, or a GlobalNetworkSet if it has no namespace: addresses with labels."""

    meta: Meta
    nets: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
