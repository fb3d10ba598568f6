"""One text for one IP address."""

from __future__ import annotations

import ipaddress


def canonical(text: str) -> str:
    """An IP address in its shortest form (RFC 5952), without a zone; an IPv4-mapped IPv6 address as IPv4. Other text stays."""
    if ":" not in text:
        return text
    try:
        parsed = ipaddress.IPv6Address(text.partition("%")[0])
    except ValueError:
        return text
    return str(parsed.ipv4_mapped or parsed)
