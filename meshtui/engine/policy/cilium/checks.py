"""Which policies the agent refuses: they have no effect at all, none of their specs.

Source: cilium/cilium pkg/policy/api/rule_validation.go, fqdn.go, http.go, pkg/labels/validation.go, pkg/iana (names of ports).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from enum import Enum

from meshtui.engine.matching.addresses import is_within, parse_network
from meshtui.engine.policy.cilium.labels import OF_NAMESPACE
from meshtui.model.cilium import CiliumCidr, CiliumPolicy, CiliumPort, CiliumPorts, CiliumRule, CiliumSpec
from meshtui.model.selectors import LabelSelector

ENTITIES = frozenset(
    {
        *("all", "world", "world-ipv4", "world-ipv6", "cluster", "host", "remote-node", "kube-apiserver"),
        *("none", "init", "health", "unmanaged", "ingress"),
    }
)
_LATER_ENTITIES = frozenset({"cluster-mesh"})
"""Entities that only some maintained releases know."""
PROTOCOLS = frozenset({"", "ANY", "TCP", "UDP", "SCTP"})
_LATER_PROTOCOLS = frozenset({"VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH"})
_MOST_PORTS, _LAST_PORT, _MOST_FIELDS = 40, 65535, 40
_LONGEST_PORT_NAME, _LONGEST_LABEL, _LONGEST_PREFIX, _LONGEST_NAME = 15, 63, 253, 255

_PORT_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]+(-[A-Za-z0-9]+)*\Z", re.ASCII)
_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z", re.ASCII)
_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z", re.ASCII)
_SOURCE = re.compile(r"[A-Za-z0-9]+\Z", re.ASCII)
_MATCH_NAME = re.compile(r"[-a-zA-Z0-9_.]*\Z", re.ASCII)
_MATCH_PATTERN = re.compile(r"[-a-zA-Z0-9_.*]*\Z", re.ASCII)
_MISMATCHES = frozenset({"", "LOG", "ADD", "DELETE", "REPLACE"})


class Standing(Enum):
    """What the agent does with a policy."""

    TAKEN = "taken"
    REFUSED = "refused"
    NOT_KNOWN = "not known"
    """Releases differ, or it isn't looked at."""


def standing(policy: CiliumPolicy, *, clusterwide: bool) -> Standing:
    """What the agent does with a policy: one refused part is enough to refuse it."""
    if not policy.specs:
        return Standing.REFUSED
    found = {each for _, spec in policy.specs for each in _of_spec(spec, clusterwide=clusterwide)}
    return next((each for each in (Standing.REFUSED, Standing.NOT_KNOWN) if each in found), Standing.TAKEN)


def _refused(*conditions: object) -> Iterator[Standing]:
    """Refused if ANY condition holds."""
    if any(conditions):
        yield Standing.REFUSED


def _unless_known(*conditions: object) -> Iterator[Standing]:
    """Not known if ANY condition holds."""
    if any(conditions):
        yield Standing.NOT_KNOWN


def _of_spec(spec: CiliumSpec, *, clusterwide: bool) -> Iterator[Standing]:
    sections = (spec.ingress, spec.ingress_deny, spec.egress, spec.egress_deny)
    of_hosts = spec.node_selector is not None
    yield from _refused(not any(sections), (spec.endpoint_selector is None) is not of_hosts, of_hosts and not clusterwide)
    for selector in (spec.endpoint_selector, spec.node_selector):
        yield from _of_selector(selector)
    for ingress, section in zip((True, True, False, False), sections, strict=True):
        for rule in section:
            yield from _of_rule(rule, ingress=ingress)
            by_request = [each for each in rule.ports if each.http or (each.dns and ingress)]
            yield from _refused(of_hosts and by_request)


def _of_rule(rule: CiliumRule, *, ingress: bool) -> Iterator[Standing]:
    kinds = (
        *(rule.endpoints, rule.cidrs, rule.cidr_sets, rule.entities),
        *(rule.nodes, rule.groups, rule.services, rule.names),
    )
    written = [kind for kind in kinds if kind]
    yield from _refused(len(written) > 1, rule.nodes, rule.icmps and rule.ports)
    for selector in rule.endpoints or ():
        yield from _of_selector(selector)
    for cidr in rule.cidrs or ():
        yield from _refused(parse_network(cidr) is None)
        yield from _unless_known("%" in cidr)
    for entry in rule.cidr_sets or ():
        yield from _of_cidr_set(entry)
    entities = frozenset(rule.entities or ())
    yield from _refused(entities - ENTITIES - _LATER_ENTITIES)
    yield from _unless_known(entities & _LATER_ENTITIES)
    for service in rule.services:
        yield from _unless_known(any(_of_selector(service.selector)))
    for name, pattern in rule.names:
        yield from _refused(name and pattern)
        yield from _of_name(name, pattern)
    for families in rule.icmps:
        yield from _refused(len(families) > _MOST_FIELDS, not {*families} <= {"", "IPv4", "IPv6"})
    for entry_of_ports in rule.ports:
        yield from _of_ports(entry_of_ports, ingress=ingress)


def _of_selector(selector: LabelSelector | None) -> Iterator[Standing]:
    if selector is None:
        return
    keys = [*(key for key, _ in selector.labels), *(each.key for each in selector.requirements)]
    values = [*(value for _, value in selector.labels), *(value for each in selector.requirements for value in each.values)]
    bare = [key.replace(OF_NAMESPACE, "", 1) for key in keys]
    yield from _refused(not all(map(_is_key, bare)), not all(map(_is_value, values)))
    yield from _unless_known(not all(map(_is_key, keys)))  # whether its prefix counts for the length of a name, releases differ
    for each in selector.requirements:
        yield from _refused(not each.values if each.operator in {"In", "NotIn"} else each.values)
        yield from _refused(each.operator not in {"In", "NotIn", "Exists", "DoesNotExist"})


def _is_key(text: str) -> bool:
    source, colon, rest = text.rpartition(":")
    prefix, slash, name = rest.rpartition("/")
    return (
        (not colon or bool(_SOURCE.match(source)))
        and (not slash or (bool(_DOMAIN.match(prefix)) and len(prefix) <= _LONGEST_PREFIX))
        and bool(_NAME.match(name))
        and len(name) <= _LONGEST_LABEL
    )


def _is_value(text: str) -> bool:
    return not text or (bool(_NAME.match(text)) and len(text) <= _LONGEST_LABEL)


def _of_cidr_set(entry: CiliumCidr) -> Iterator[Standing]:
    """Exactly one of its fields; excepts must be part of a CIDR, those of groups aren't compared."""
    yield from _refused((bool(entry.cidr) + bool(entry.group) + (entry.groups is not None)) != 1)
    yield from _of_selector(entry.groups)
    excepts = [(text, parse_network(text)) for text in entry.excepts]
    if entry.cidr:
        whole = parse_network(entry.cidr)
        yield from _refused("/" not in entry.cidr, whole is None)
        yield from _refused(*(network is None or "/" not in text for text, network in excepts))
        for _, network in excepts:
            if whole is None or network is None or is_within(network, whole):
                continue
            wider = whole.version == network.version and is_within(whole, network)
            yield from _unless_known(wider)
            yield from _refused(not wider)
    else:
        yield from _unless_known(any(network is None for _, network in excepts))


def _of_name(name: str, pattern: str) -> Iterator[Standing]:
    yield from _refused(
        not _MATCH_NAME.match(name), not _MATCH_PATTERN.match(pattern.strip()), len(pattern.strip()) > _LONGEST_NAME
    )


def _of_ports(entry: CiliumPorts, *, ingress: bool) -> Iterator[Standing]:
    by_request = bool(entry.http or entry.dns)
    yield from _refused(
        ingress and entry.dns,
        ingress and entry.listener,
        entry.listener and by_request,
        entry.server_names and by_request and not entry.terminating_tls,
        "" in entry.server_names,
        len(entry.ports) > _MOST_PORTS,
        by_request and entry.http is not None and entry.dns is not None,
        by_request and entry.dns is not None and not entry.ports,
    )
    for port in entry.ports:
        yield from _of_port(port)
        number = number_of(port.port)
        yield from _refused(
            by_request and number == 0,
            by_request and not entry.dns and port.protocol.upper() != "TCP",
            entry.dns and number is not None and port.end > number,
        )
    for name, pattern in entry.dns or () if by_request else ():
        yield from _of_name(name, pattern)
    for rule in entry.http or ():
        yield from _unless_known(not all(map(_is_expression, rule.expressions)))
        yield from _refused(any(not each.name or each.mismatch not in _MISMATCHES for each in rule.header_matches))


def _is_expression(text: str) -> bool:
    """Whether a regular expression is valid, as far as Python's say so."""
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _of_port(port: CiliumPort) -> Iterator[Standing]:
    protocol = port.protocol.upper()
    number = number_of(port.port)
    yield from _refused(
        protocol not in PROTOCOLS | _LATER_PROTOCOLS,
        not port.port,
        number is None and not is_port_name(port.port) and "_" not in port.port,
        number is not None and number > _LAST_PORT,
    )
    yield from _unless_known(
        protocol in _LATER_PROTOCOLS, "_" in port.port, number is None and port.end, not 0 <= port.end <= _LAST_PORT
    )


def is_port_name(text: str) -> bool:
    """Whether a text is the name of a port: an IANA service name."""
    return bool(_PORT_NAME.match(text)) and len(text) <= _LONGEST_PORT_NAME


def number_of(text: str) -> int | None:
    """A port number in decimal digits, or with a leading zero in octal ones; None for anything else."""
    if not text.isascii() or not text.isdecimal() or len(text) > _LONGEST_NAME:
        return None
    try:
        return int(text, 8 if text.startswith("0") else 10)
    except ValueError:
        return None
