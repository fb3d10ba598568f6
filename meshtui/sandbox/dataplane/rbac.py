"""ztunnel's policies as Envoy RBAC filters for HBONE connections, whose peers have an identity."""

from __future__ import annotations

import re
from typing import Any

from meshtui.sandbox.dataplane.l4 import Clause, How, Match, Network, Policy, Text, contains

Json = dict[str, Any]

_ANY: Json = {"any": True}
_NEVER_ID: Json = {"not_id": _ANY}
_NEVER_RULE: Json = {"not_rule": _ANY}
_RBAC = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"


def hbone_filters(policies: list[Policy], destination: str, trust_domain: str) -> list[Json]:
    """Return the HTTP filters for a CONNECT: first DENY, then ALLOW if any ALLOW policy applies."""
    render = _Renderer(destination, trust_domain)
    filters = []
    denies = [policy for policy in policies if policy.deny]
    allows = [policy for policy in policies if not policy.deny]
    if denies:
        filters.append(_filter("deny", "DENY", render.rules(denies)))
    if allows:
        filters.append(_filter("allow", "ALLOW", render.rules(allows)))
    return filters


def _filter(name: str, action: str, rules: Json) -> Json:
    return {"name": name, "typed_config": {"@type": _RBAC, "rules": {"action": action, "policies": rules}}}


class _Renderer:
    """Renders matches as principals and permissions for one destination pod."""

    def __init__(self, destination: str, trust_domain: str) -> None:
        self._destination = destination
        self._trust_domain = trust_domain

    def rules(self, policies: list[Policy]) -> Json:
        return {f"{policy.name}/{index}": self._rule(rule) for policy in policies for index, rule in enumerate(policy.rules)}

    def _rule(self, rule: tuple[Clause, ...]) -> Json:
        principals, permissions = [], []
        for clause in rule:
            if any(_about_destination(match) for match in clause):
                permissions.append(_any_rule([self._permission(match) for match in clause]))
            else:
                principals.append(_any_id([self._principal(match) for match in clause]))
        return {
            "principals": [{"and_ids": {"ids": principals}} if principals else _ANY],
            "permissions": [{"and_rules": {"rules": permissions}} if permissions else _ANY],
        }

    def _principal(self, match: Match) -> Json:
        if match.empty:
            return _NEVER_ID
        every: list[Json] = []
        for wanted, unwanted in (
            ([self._identity(v) for v in match.principals], [self._identity(v) for v in match.not_principals]),
            ([_namespace(v) for v in match.namespaces], [_namespace(v) for v in match.not_namespaces]),
            ([_account(v) for v in match.accounts], [_account(v) for v in match.not_accounts]),
            ([_source(v) for v in match.source_ips], [_source(v) for v in match.not_source_ips]),
        ):
            if wanted:
                every.append(_any_id(wanted))
            if unwanted:
                every.append({"not_id": _any_id(unwanted)})
        return {"and_ids": {"ids": every}} if every else _ANY

    def _permission(self, match: Match) -> Json:
        every: list[Json] = []
        if match.destination_ips and not contains(match.destination_ips, self._destination):
            return _NEVER_RULE
        if match.not_destination_ips and contains(match.not_destination_ips, self._destination):
            return _NEVER_RULE
        if match.ports:
            every.append(_any_rule([_port(port) for port in match.ports]))
        if match.not_ports:
            every.append({"not_rule": _any_rule([_port(port) for port in match.not_ports])})
        if match.not_principals:
            # Only a converted PeerAuthentication has this here: peers without an identity, which HBONE never has.
            return _NEVER_RULE
        return {"and_rules": {"rules": every}} if every else _ANY

    def _identity(self, text: Text) -> Json:
        """Match ``TRUST_DOMAIN/ns/NS/sa/SA``, which follows ``spiffe://`` in the certificate."""
        match text.how:
            case How.PRESENT:
                return {"authenticated": {}}
            case How.EXACT:
                return _peer({"exact": f"spiffe://{text.value}"})
            case How.PREFIX:
                return _peer({"prefix": f"spiffe://{text.value}"})
            case How.SUFFIX:
                return _peer({"safe_regex": {"regex": f"spiffe://.*{re.escape(text.value)}"}})


def _about_destination(match: Match) -> bool:
    return bool(match.ports or match.not_ports or match.destination_ips or match.not_destination_ips)


def _peer(matcher: Json) -> Json:
    return {"authenticated": {"principal_name": matcher}}


def _namespace(text: Text) -> Json:
    value = re.escape(text.value)
    pattern = {
        How.PRESENT: "[^/]+",
        How.EXACT: value,
        How.PREFIX: f"{value}[^/]*",
        How.SUFFIX: f"[^/]*{value}",
    }[text.how]
    return _peer({"safe_regex": {"regex": f"spiffe://[^/]+/ns/{pattern}/sa/.*"}})


def _account(account: str) -> Json:
    namespace, _, name = account.partition("/")
    return _peer({"safe_regex": {"regex": f"spiffe://[^/]+/ns/{re.escape(namespace)}/sa/{re.escape(name)}"}})


def _source(network: Network) -> Json:
    return {"remote_ip": cidr(network)}


def cidr(network: Network) -> Json:
    """Return a network in Envoy's format."""
    return {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}


def _port(port: int) -> Json:
    # The destination port is in the CONNECT's authority.
    return {"header": {"name": ":authority", "string_match": {"suffix": f":{port}"}}}


def _any_id(ids: list[Json]) -> Json:
    return ids[0] if len(ids) == 1 else {"or_ids": {"ids": ids}}


def _any_rule(rules: list[Json]) -> Json:
    return rules[0] if len(rules) == 1 else {"or_rules": {"rules": rules}}
