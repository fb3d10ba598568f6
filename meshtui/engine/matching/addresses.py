"""IP addresses and CIDRs as integers, parsed as strictly as Go's net/netip parses them."""

from __future__ import annotations

import ipaddress
import re
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
        """Whether an address lies in it; families never mix (an IPv4-mapped IPv6 address stays IPv6)."""
        return address.version == self.version and address.value & self.mask == self.base


@dataclass(frozen=True, slots=True)
class Address:
    """One address."""

    version: int
    value: int


@lru_cache(maxsize=65536)
def parse_address(text: str) -> Address | None:
    """An address, or None when it isn't one; an IPv6 zone is dropped."""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        return None
    return Address(parsed.version, int(parsed))


@lru_cache(maxsize=65536)
def parse_network(text: str) -> Network | None:
    """A CIDR or a single address, or None when it is neither; host bits are fine, a zone before a slash is not."""
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


def parse_port(text: str) -> int | None:
    """A port number in decimal digits (strconv.ParseUint: no sign; leading zeros are fine), or None."""
    if not _PORT.match(text) or len(text) > 100:
        return None
    value = int(text)
    return value if value <= 65535 else None
