"""Rules of policies and routes as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from meshtui.engine.matching.selectors import describe
from meshtui.engine.policy.authorization import field_name
from meshtui.model.cilium import HttpHeader, HttpRule
from meshtui.model.gateway import HeaderMatch, RouteMatch
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import (
    AdminPeer,
    AdminPort,
    AdminRule,
    AuthorizationOperation,
    AuthorizationRule,
    AuthorizationSource,
    NetworkPeer,
    NetworkPolicyRule,
    PolicyPort,
)


def names(refs: Sequence[ObjectRef], most: int = 3) -> str:
    """The names of the first objects, and the number of the others."""
    shown = ", ".join(str(ref) for ref in refs[:most])
    return f"{shown} and {len(refs) - most} more" if len(refs) > most else shown


def network_rule_in_words(rule: NetworkPolicyRule, direction: str) -> str:
    """A NetworkPolicy rule as a sentence: peers and ports."""
    word = "from" if direction == "ingress" else "to"
    who = " or ".join(_peer(peer) for peer in rule.peers) or "everywhere"
    ports = ", ".join(_port(port) for port in rule.ports) or "all ports"
    return f"{word} {who} on {ports}"


def _peer(peer: NetworkPeer) -> str:
    if peer.ip_block is not None:
        cut = f" except {', '.join(peer.ip_block.excepts)}" if peer.ip_block.excepts else ""
        return f"{peer.ip_block.cidr}{cut}"
    pods = describe(peer.pod_selector) if peer.pod_selector is not None else "all pods"
    if peer.namespace_selector is None:
        return f"pods [{pods}]"
    where = "all namespaces" if peer.namespace_selector.is_empty else f"namespaces [{describe(peer.namespace_selector)}]"
    return f"pods [{pods}] in {where}" if peer.pod_selector is not None else where


def _port(port: PolicyPort) -> str:
    if port.port is None:
        return f"{port.protocol} (all ports)"
    last = f"-{port.end_port}" if port.end_port is not None else ""
    return f"{port.protocol} {port.port}{last}"


def admin_rule_in_words(rule: AdminRule, direction: str) -> str:
    """A rule of an admin policy as a sentence: name, peers and ports."""
    word = "from" if direction == "ingress" else "to"
    who = " or ".join(map(admin_peer_in_words, rule.peers)) or "nobody"
    ports = "all ports" if rule.ports is None else ", ".join(map(_admin_port, rule.ports)) or "no port"
    return f"{word} {who} on {ports}" + (f" ({rule.name})" if rule.name else "")


def admin_peer_in_words(peer: AdminPeer) -> str:
    """The ends that a peer, or the subject, of an admin policy is about."""
    if peer.pods is not None:
        where = "all namespaces" if peer.pods[0].is_empty else f"namespaces [{describe(peer.pods[0])}]"
        return f"pods [{describe(peer.pods[1])}] in {where}"
    if peer.namespaces is not None:
        return "all namespaces" if peer.namespaces.is_empty else f"namespaces [{describe(peer.namespaces)}]"
    if peer.nodes is not None:
        return "all nodes" if peer.nodes.is_empty else f"nodes [{describe(peer.nodes)}]"
    return ", ".join((*peer.networks, *peer.domain_names)) or "nothing"


def _admin_port(port: AdminPort) -> str:
    if port.named:
        return f"{port.protocol} {port.named}".strip()
    return f"{port.protocol} {port.start}" + (f"-{port.end}" if port.end != port.start else "")


def authorization_rule_in_words(rule: AuthorizationRule) -> str:
    """A rule as a sentence: sources, operations, conditions."""
    froms = [_fields_in_words(source) for source in rule.sources]
    tos = [_fields_in_words(operation) for operation in rule.operations]
    whens = [
        " ".join(
            [c.key]
            + ([f"in ({', '.join(c.values)})"] if c.values else [])
            + ([f"not in ({', '.join(c.not_values)})"] if c.not_values else [])
        )
        for c in rule.conditions
    ]
    parts = [f"from {' or '.join(froms)}"] if froms else ["from anyone"]
    parts += [f"to {' or '.join(tos)}"] if tos else []
    parts += [f"when {' and '.join(whens)}"] if whens else []
    return " ".join(parts)


def _fields_in_words(entry: AuthorizationSource | AuthorizationOperation) -> str:
    words = [f"{field_name(f.name)} {', '.join(getattr(entry, f.name))}" for f in fields(entry) if getattr(entry, f.name)]
    return " and ".join(words) or "(an empty entry, which never matches)"


def match_in_words(match: RouteMatch, host: str) -> str:
    """The requests that a match of a route accepts: ``GET /inven/stock/… at api.service.net``; host ``*`` is any host."""
    path = {"PathPrefix": f"{match.path.rstrip('/')}/…", "Prefix": f"{match.path}…"}.get(match.path_type, match.path)
    extra = [f"{h.name}: {_wanted(h)}" for h in match.headers] + [f"?{q.name}={_wanted(q)}" for q in match.query]
    extra += [f"no {h.name}: {_wanted(h)}" for h in match.without]
    at = "" if host == "*" else f" at {host}"
    return f"{match.method or 'any method'} {path}{at}" + (f" with {', '.join(extra)}" if extra else "")


def _wanted(match: HeaderMatch) -> str:
    return {"Prefix": f"{match.value}…", "Present": "any value"}.get(match.type, match.value)


def http_rule_in_words(rule: HttpRule) -> str:
    """The requests that an http rule of Cilium lets through: ``GET /public/.* with X-Token: any value`` (regular expressions)."""
    wanted = [f"{h.name}: {_of_header(h)}" for h in (*rule.headers, *rule.header_matches) if not h.mismatch]
    at = f" at {rule.host}" if rule.host else ""
    said = f"{rule.method or 'any method'} {rule.path or 'any path'}{at}"
    return said + (f" with {', '.join(wanted)}" if wanted else "")


def _of_header(header: HttpHeader) -> str:
    return "a value in a Secret" if header.secret else header.value or "any value"
