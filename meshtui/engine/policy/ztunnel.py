"""What ztunnel enforces: policies in the form that it receives them, and its matcher (istio/ztunnel src/rbac.rs)."""

from __future__ import annotations

from dataclasses import dataclass

from meshtui.engine.matching.addresses import Address, Network
from meshtui.engine.matching.strings import string_matches
from meshtui.model.ids import Principal


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as the destination's ztunnel sees it. ``port`` is the pod's own, after the tunnel.

    ``principal``, ``namespace`` and ``service_account`` are empty for a plaintext peer.
    """

    source: Address | None
    destination: Address | None
    port: int
    principal: Principal | None = None
    namespace: str = ""
    service_account: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """One entry of a clause. ALL its fields must hold; within a field ANY value, within a not-field none of them."""

    principals: tuple[str, ...] = ()
    not_principals: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    not_namespaces: tuple[str, ...] = ()
    service_accounts: tuple[tuple[str, str], ...] = ()
    not_service_accounts: tuple[tuple[str, str], ...] = ()
    source_ips: tuple[Network, ...] = ()
    not_source_ips: tuple[Network, ...] = ()
    destination_ips: tuple[Network, ...] = ()
    not_destination_ips: tuple[Network, ...] = ()
    ports: tuple[int, ...] = ()
    not_ports: tuple[int, ...] = ()

    def matches(self, connection: Connection) -> bool:
        """Whether it holds; an entry with nothing in it never does (src/rbac.rs, Authorization::matches)."""
        c = connection
        if self == NOTHING:
            return False
        identity = (c.namespace, c.service_account)
        return (
            _principals(self.principals, self.not_principals, c.principal)
            and _strings(self.namespaces, self.not_namespaces, c.namespace)
            and (not self.service_accounts or (c.principal is not None and identity in self.service_accounts))
            and not (c.principal is not None and identity in self.not_service_accounts)
            and _ips(self.source_ips, self.not_source_ips, c.source)
            and _ips(self.destination_ips, self.not_destination_ips, c.destination)
            and (not self.ports or c.port in self.ports)
            and c.port not in self.not_ports
        )


NOTHING = Match()


def _principals(positive: tuple[str, ...], negative: tuple[str, ...], value: Principal | None) -> bool:
    """A plaintext peer has no principal: no pattern matches it, so positive fields fail and not-fields hold."""
    return not positive if value is None else _strings(positive, negative, value)


def _strings(positive: tuple[str, ...], negative: tuple[str, ...], value: str) -> bool:
    return (not positive or any(string_matches(p, value) for p in positive)) and not any(
        string_matches(p, value) for p in negative
    )


def _ips(positive: tuple[Network, ...], negative: tuple[Network, ...], address: Address | None) -> bool:
    if address is None:
        return not positive
    return (not positive or any(address in network for network in positive)) and not any(
        address in network for network in negative
    )


Clause = tuple[Match, ...]
Rule = tuple[Clause, ...]


def rule_matches(rule: Rule, connection: Connection) -> bool:
    """ALL clauses; within one ANY entry; a clause without entries holds, and so does a rule without clauses."""
    return all(not clause or any(match.matches(connection) for match in clause) for clause in rule)
