"""ztunnel's enforcement: policies in the form that it receives, and its matcher (istio/ztunnel src/rbac.rs)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from meshtui.engine.matching.addresses import Address, Among, Network, holds_a_pod
from meshtui.engine.matching.strings import string_matches
from meshtui.model.ids import Principal


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as the destination's ztunnel sees it. ``port`` is the pod's own port, after the tunnel.

    ``principal``, ``namespace`` and ``service_account`` are empty for a plaintext peer. An unknown address (None) is in one of
    ``source_among`` or ``destination_among``, or can be any address where that is empty.
    """

    source: Address | None
    destination: Address | None
    port: int
    principal: Principal | None = None
    namespace: str = ""
    service_account: str = ""
    source_among: Among = ()
    destination_among: Among = ()


@dataclass(frozen=True, slots=True)
class Match:
    """One entry of a clause. ALL its fields must match: of a field ANY value, of a not-field none of the values."""

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

    def matches(self, connection: Connection) -> bool | None:
        """Whether the entry matches; an empty entry never does (src/rbac.rs, Authorization::matches).

        None when the result depends on an unknown address.
        """
        c = connection
        if self == NOTHING:
            return False
        identity = (c.namespace, c.service_account)
        known = (
            _principals(self.principals, self.not_principals, c.principal)
            and _strings(self.namespaces, self.not_namespaces, c.namespace)
            and (not self.service_accounts or (c.principal is not None and identity in self.service_accounts))
            and not (c.principal is not None and identity in self.not_service_accounts)
            and (not self.ports or c.port in self.ports)
            and c.port not in self.not_ports
        )
        if not known:
            return False
        return all_hold(
            (
                ips_hold(self.source_ips, self.not_source_ips, c.source, c.source_among),
                ips_hold(self.destination_ips, self.not_destination_ips, c.destination, c.destination_among),
            )
        )


NOTHING = Match()


def _principals(positive: tuple[str, ...], negative: tuple[str, ...], value: Principal | None) -> bool:
    """Match principals. No pattern matches a plaintext peer: positive fields don't match, and not-fields do."""
    return not positive if value is None else _strings(positive, negative, value)


def _strings(positive: tuple[str, ...], negative: tuple[str, ...], value: str) -> bool:
    return (not positive or any(string_matches(p, value) for p in positive)) and not any(
        string_matches(p, value) for p in negative
    )


def ips_hold(positive: tuple[Network, ...], negative: tuple[Network, ...], address: Address | None, among: Among) -> bool | None:
    """Whether an address is in ANY positive network, if there are any, and in NO negative one; None when not known."""

    def inside(networks: tuple[Network, ...]) -> bool | None:
        return any_holds(holds_a_pod(n, among) if address is None else address in n for n in networks)

    wanted, unwanted = (inside(positive) if positive else True), inside(negative)
    return all_hold((wanted, None if unwanted is None else not unwanted))


def all_hold(values: Iterable[bool | None]) -> bool | None:
    """Whether ALL values are True; None when that isn't known."""
    found = set(values)
    return False if False in found else None if None in found else True


def any_holds(values: Iterable[bool | None]) -> bool | None:
    """Whether ANY value is True; None when that isn't known."""
    found = set(values)
    return True if True in found else None if None in found else False


Clause = tuple[Match, ...]
Rule = tuple[Clause, ...]


def rule_matches(rule: Rule, connection: Connection) -> bool | None:
    """Whether ALL clauses match. Within a clause ANY entry; a clause without entries and a rule without clauses match."""
    return all_hold(any_holds(match.matches(connection) for match in clause) if clause else True for clause in rule)
