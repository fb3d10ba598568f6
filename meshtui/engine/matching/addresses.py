"""IP addresses and CIDRs as integers, parsed as strictly as Go's net/netip parses them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

_BITS = re.compile(r"(0|[1-9][0-9]{0,2})\Z", re.ASCII)
_PORT = re.compile(r"[0-9]+\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Network:
    """A CIDR: all addresses of a family whose first ``bits`` bits are those of ``base``."""

    version: int
    base: int
    mask: int

    def __contains__(self, address: Address) -> bool:
        """Whether an address is in the network. Families never mix (an IPv4-mapped IPv6 address stays IPv6)."""
        return address.version == self.version and address.value & self.mask == self.base


@dataclass(frozen=True, slots=True)
class Address:
    """One address."""

    version: int
    value: int


@lru_cache(maxsize=65536)
def parse_address(text: str) -> Address | None:
    """Parse an address. None when the text isn't one; an IPv6 zone is dropped."""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        return None
    return Address(parsed.version, int(parsed))


@lru_cache(maxsize=65536)
def parse_network(text: str) -> Network | None:
    """Parse a CIDR or a single address. None when it is neither; host bits are accepted, a zone before a slash isn't."""
    address, slash, bits = text.partition("/")
    if slash and ("%" in address or not _BITS.match(bits)):
        return None
    parsed = parse_address(address)
    if parsed is None:
        return None
    width = 32 if parsed.version == 4 else 128
    length = int(bits) if slash else width
    if length > width:
        return None
    mask = ((1 << length) - 1) << (width - length)
    return Network(parsed.version, parsed.value & mask, mask)


EVERY_IPV4 = Network(4, 0, 0)
_NEVER_A_POD = tuple(
    Network(version, int(ipaddress.ip_address(base)), ((1 << bits) - 1) << (width - bits))
    for version, width, base, bits in (
        (4, 32, "127.0.0.0", 8),
        (4, 32, "169.254.0.0", 16),
        (4, 32, "224.0.0.0", 4),
        (4, 32, "240.0.0.0", 4),
        (6, 128, "::1", 128),
        (6, 128, "fe80::", 10),
        (6, 128, "ff00::", 8),
    )
)
"""Loopback, link-local, multicast and reserved addresses (RFC 6890): no CNI gives them to a pod."""


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """CIDRs and addresses as networks, each once; those that can't be parsed are left out."""
    return tuple(dict.fromkeys(network for network in map(parse_network, texts) if network is not None))


def is_within(inner: Network, outer: Network) -> bool:
    """Whether all addresses of a network are in another one."""
    return inner.version == outer.version and inner.mask >= outer.mask and inner.base & outer.mask == outer.base


Among = tuple[Network, ...] | None
"""The networks from which a pod gets its address, empty when they aren't known; None: only known addresses are in blocks."""


def holds_a_pod(network: Network, pods: Among) -> bool | None:
    """Whether a pod with an unknown address is in a network; None when it may be.

    Without ``pods``, any address is possible. The network of all IPv4 addresses counts as containing every pod.
    """
    if pods is None:
        return network == EVERY_IPV4
    if network == EVERY_IPV4 or (pods and all(is_within(each, network) for each in pods)):
        return True
    if any(is_within(network, never) for never in _NEVER_A_POD):
        return False
    if pods and not any(is_within(network, each) or is_within(each, network) for each in pods):
        return False
    return None


def holds_a_host(network: Network, families: Among) -> bool | None:
    """Whether a host with an unknown address is in a network: only if all addresses of the cluster's families are; else None."""
    return True if families and all(is_within(each, network) for each in families) else None


def parse_port(text: str) -> int | None:
    """Parse a port number in decimal digits (strconv.ParseUint: no sign; leading zeros are accepted), or return None."""
    if not _PORT.match(text) or len(text) > 100:
        return None
    value = int(text)
    return value if value <= 65535 else None
