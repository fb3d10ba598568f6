"""ztunnel's policies as data, and their result for a peer without an identity.

The comparison rules are those of istio/ztunnel ``src/rbac.rs``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


class How(Enum):
    """How ztunnel compares a string."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    PRESENT = "present"


@dataclass(frozen=True, slots=True)
class Text:
    """One value to compare with."""

    how: How
    value: str


@dataclass(frozen=True, slots=True)
class Match:
    """One match. Fields are ANDed, the values of a field are ORed, ``not_*`` means none of them."""

    principals: tuple[Text, ...] = ()
    not_principals: tuple[Text, ...] = ()
    namespaces: tuple[Text, ...] = ()
    not_namespaces: tuple[Text, ...] = ()
    accounts: tuple[str, ...] = ()
    not_accounts: tuple[str, ...] = ()
    source_ips: tuple[Network, ...] = ()
    not_source_ips: tuple[Network, ...] = ()
    destination_ips: tuple[Network, ...] = ()
    not_destination_ips: tuple[Network, ...] = ()
    ports: tuple[int, ...] = ()
    not_ports: tuple[int, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the match has no field. Such a match never matches."""
        return not any(getattr(self, each.name) for each in fields(self))


Clause = tuple[Match, ...]
"""One clause (from, to or a condition). Its matches are ORed."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy as it reaches ztunnel. Rules are ORed, the clauses of a rule are ANDed."""

    name: str
    """``NAMESPACE/NAME``, as in the logs."""
    deny: bool
    rules: tuple[tuple[Clause, ...], ...]


def plaintext_denied_by(policies: Iterable[Policy], source: str, destination: str, port: int) -> str | None:
    """Return ztunnel's reason for a refused plaintext connection; None if it is allowed.

    A match of any DENY policy denies; without ALLOW policies it is allowed; a match of any ALLOW policy allows; otherwise it is
    denied.
    """
    policies = list(policies)
    for policy in policies:
        if policy.deny and _policy_matches(policy, source, destination, port):
            return f"explicitly denied by: {policy.name}"
    allows = [policy for policy in policies if not policy.deny]
    if not allows or any(_policy_matches(policy, source, destination, port) for policy in allows):
        return None
    return "allow policies exist, but none allowed"


def _policy_matches(policy: Policy, source: str, destination: str, port: int) -> bool:
    return any(
        all(any(_plaintext_match(match, source, destination, port) for match in clause) for clause in rule)
        for rule in policy.rules
    )


def _plaintext_match(match: Match, source: str, destination: str, port: int) -> bool:
    # Without an identity positive identity fields fail, and not* fields pass.
    if match.empty or match.principals or match.namespaces or match.accounts:
        return False
    return (
        _ip_passes(match.source_ips, match.not_source_ips, source)
        and _ip_passes(match.destination_ips, match.not_destination_ips, destination)
        and (not match.ports or port in match.ports)
        and port not in match.not_ports
    )


def _ip_passes(wanted: tuple[Network, ...], unwanted: tuple[Network, ...], address: str) -> bool:
    return (not wanted or contains(wanted, address)) and not contains(unwanted, address)


def contains(networks: Iterable[Network], address: str) -> bool:
    """Whether one of the networks has the address; families never mix."""
    parsed = ip_address(address)
    return any(parsed.version == network.version and parsed in network for network in networks)
