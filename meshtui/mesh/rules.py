"""Comparing the rules of ztunnel's policies: order means nothing on any level, and an address is a network of one.

Source: istio/ztunnel src/rbac.rs (Authorization::matches: a match without fields is skipped, a clause without matches holds).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from meshtui.engine.matching.addresses import parse_network
from meshtui.ztunnel.dump import Policy

Path = tuple[str, str, str]
"""A path, what is expected there, and what is found."""
_STRINGS = ("namespaces", "notNamespaces", "principals", "notPrincipals")
_ACCOUNTS = ("serviceAccounts", "notServiceAccounts")
_ADDRESSES = ("sourceIps", "notSourceIps", "destinationIps", "notDestinationIps")
_PORTS = ("destinationPorts", "notDestinationPorts")
FIELDS = frozenset((*_STRINGS, *_ACCOUNTS, *_ADDRESSES, *_PORTS))
"""The fields of a match that are known."""
_NOTHING = "absent"

Match = tuple[tuple[str, tuple[str, ...]], ...]
Clause = tuple[Match, ...]
Rule = tuple[Clause, ...]


def unknown_fields(policy: Policy) -> tuple[str, ...]:
    """The fields of a policy's matches that aren't known here: a newer ztunnel's."""
    return tuple(sorted({key for rule in policy.rules for clause in rule for match in clause for key in match} - FIELDS))


def differing(wanted: Policy, found: Policy, *, by_account: bool = False) -> Iterator[Path]:
    """Where the rules of two policies differ. Indices are those of ``found``.

    ``by_account``: a principal and its ServiceAccount count as the same, as versions of istiod name a waypoint either way.
    """
    yield from _each("rules", _normal(wanted, by_account), _normal(found, by_account), 2)


def _normal(policy: Policy, by_account: bool) -> list[Rule]:
    return [tuple(tuple(_match(match, by_account) for match in clause) for clause in rule) for rule in policy.rules]


def _match(match: Mapping[str, Any], by_account: bool) -> Match:
    texts = {key: tuple(sorted({_text(key, value) for value in _values(match[key])})) for key in match}
    if by_account and "principals" in texts:
        accounts = (text.split("/") for text in texts.pop("principals"))
        named = {f"{parts[2]}/{parts[4]}" if len(parts) == 5 else "/".join(parts) for parts in accounts}
        texts["serviceAccounts"] = tuple(sorted(named | set(texts.get("serviceAccounts", ()))))
    return tuple(sorted((key, values) for key, values in texts.items() if values))


def _values(found: Any) -> Sequence[Any]:
    """The values of a field; what isn't a list counts as one value."""
    return found if isinstance(found, list) else () if found is None else (found,)


def _text(key: str, value: Any) -> str:
    if key in _ADDRESSES:
        network = parse_network(value) if isinstance(value, str) else None
        return str(value) if network is None else _network(value, network.mask.bit_count())
    if key in _ACCOUNTS and isinstance(value, Mapping):
        return f"{value.get('namespace', '')}/{value.get('serviceAccount', '')}"
    if key in _STRINGS and isinstance(value, Mapping) and len(value) == 1:
        ((how, text),) = value.items()
        match how:
            case "Presence":
                return "*"
            case "Prefix":
                return f"{text}*"
            case "Suffix":
                return f"*{text}"
            case "Exact" if isinstance(text, str) and "*" not in text[:1] + text[-1:]:
                return text
            case _:
                return f"{how} {text}"
    return str(value)


def _network(text: str, bits: int) -> str:
    return str(ipaddress.ip_network(f"{text.partition('/')[0].partition('%')[0]}/{bits}", strict=False))


def _parts(node: Sequence[Any], depth: int) -> list[tuple[int, Any]]:
    """What counts of a clause (0), a rule (1) or all rules (2), with indices: of a clause not what says nothing beside others."""
    found = list(enumerate(node))
    return ([each for each in found if each[1]] or found[:1]) if depth == 0 else found


def _key(node: Any, depth: int) -> Any:
    """The form of a match (0), a clause (1) or a rule (2) in which order means nothing."""
    return tuple(sorted(_key(each, depth - 1) for _, each in _parts(node, depth - 1))) if depth else node


def _each(path: str, wanted: Sequence[Any], found: Sequence[Any], depth: int) -> Iterator[Path]:
    """The differences of two unordered lists: those without a counterpart are compared in pairs, if there are as many."""
    left = [(index, _key(each, depth), each) for index, each in _parts(found, depth)]
    missing = []
    for _, each in _parts(wanted, depth):
        key = _key(each, depth)
        at = next((number for number, (_, other, _) in enumerate(left) if other == key), None)
        if at is None:
            missing.append(each)
        else:
            del left[at]
    if len(missing) == len(left):
        for each, (index, _, other) in zip(missing, left, strict=True):
            inside = f"{path}[{index}]"
            yield from _each(inside, each, other, depth - 1) if depth else _in_match(inside, each, other)
    else:
        show = _SHOWN[depth]
        yield path, "; ".join(map(show, missing)) or _NOTHING, "; ".join(show(each) for _, _, each in left) or _NOTHING


def _in_match(path: str, wanted: Match, found: Match) -> Iterator[Path]:
    expected, there = dict(wanted), dict(found)
    for field in sorted(expected.keys() | there.keys()):
        if expected.get(field) != there.get(field):
            yield (
                f"{path}.{field}",
                ", ".join(expected.get(field, ())) or _NOTHING,
                ", ".join(there.get(field, ())) or _NOTHING,
            )


def _show_match(match: Match) -> str:
    return " and ".join(f"{field} {', '.join(values)}" for field, values in match) or "a match of nothing"


def _show_clause(clause: Clause) -> str:
    return " or ".join(map(_show_match, clause)) or "everything"


def _show_rule(rule: Rule) -> str:
    return " and ".join(f"({_show_clause(clause)})" for clause in rule) or "everything"


_SHOWN: tuple[Callable[[Any], str], ...] = (_show_match, _show_clause, _show_rule)
