"""Chooses the proxy for a server as client-go does: the kubeconfig's ``proxy-url``, else the environment as Go reads it.

The rules are those of Go's ``golang.org/x/net/http/httpproxy``: ``HTTPS_PROXY`` or ``HTTP_PROXY`` by the server's scheme;
``NO_PROXY`` with names, suffixes, addresses and CIDRs, each with or without a port; no proxy for this machine itself.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from meshtui.model.errors import ConfigError
from meshtui.model.redact import redact

_SCHEMES = ("http", "https", "socks5", "socks5h")
_HOST = re.compile(r"[^\s/?#\\@%]+")


def proxy_for(server: str, configured: str, environment: Mapping[str, str]) -> str | None:
    """The URL of the proxy for a server, or None.

    ``configured`` is the kubeconfig's, which takes precedence over the environment, NO_PROXY included. Raises ConfigError that
    names the invalid value.
    """
    if configured:
        return _checked(configured, "proxy-url of the kubeconfig")
    parts = urlsplit(server)
    names = ("HTTPS_PROXY", "https_proxy") if parts.scheme == "https" else ("HTTP_PROXY", "http_proxy")
    name = next((name for name in names if environment.get(name)), "")
    if not name:
        return None
    rules = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if goes_directly(parts.hostname or "", port, rules):
        return None
    return _checked(environment[name], f"${name}")


def goes_directly(host: str, port: int, rules: str) -> bool:
    """Whether NO_PROXY (``rules``) excludes a host from the environment's proxy."""
    host = host.strip().lower()
    address = _address(host)
    if host == "localhost" or (address is not None and _plain(address).is_loopback):
        return True
    return any(_matches(rule.strip().lower(), host, address, port) for rule in rules.split(","))


def is_loopback(server: str) -> bool:
    """Whether the host of a server's URL is a literal loopback address."""
    try:
        address = _address(urlsplit(server).hostname or "")
    except ValueError:
        return False
    return address is not None and _plain(address).is_loopback


def _matches(rule: str, host: str, address: IPv4Address | IPv6Address | None, port: int) -> bool:
    """Whether one rule of NO_PROXY matches a host. An invalid rule matches nothing."""
    if not rule:
        return False
    if rule == "*":
        return True
    if "/" in rule:
        with contextlib.suppress(ValueError):
            return address is not None and _plain(address) in ip_network(rule, strict=False)
        return False
    name, wanted_port = _split_port(rule)
    if wanted_port and wanted_port != str(port):
        return False
    literal = _address(name)
    if literal is not None:
        return address is not None and _plain(literal) == _plain(address)
    suffix = name.removeprefix("*")
    if suffix.startswith("."):
        return host.endswith(suffix)
    return bool(suffix) and (host == suffix or host.endswith(f".{suffix}"))


def _split_port(rule: str) -> tuple[str, str]:
    """Split ``host:port`` and ``[address]:port``. A bare IPv6 address has no port."""
    if rule.startswith("["):
        name, _, rest = rule[1:].partition("]")
        return name, rest.removeprefix(":")
    if rule.count(":") == 1:
        name, _, port = rule.partition(":")
        return name, port
    return rule, ""


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4-mapped IPv6 address as IPv4."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _checked(value: str, where: str) -> str:
    """The URL of a proxy; the default scheme is http. Raises ConfigError if it is invalid."""
    text = value.strip()
    url = text if "://" in text else f"http://{text}"
    problem = ""
    try:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            problem = f"the scheme {parts.scheme!r} isn't one of {', '.join(_SCHEMES)}"
        elif not parts.hostname or not _HOST.fullmatch(parts.hostname) or not url.isprintable():
            problem = "there is no host in it"
        elif parts.port == 0:
            problem = "there is no port 0"
    except ValueError as error:
        problem = str(error)
    if problem:
        raise ConfigError(
            f"{where} isn't the URL of a proxy: {redact(repr(value))}: {problem}", "write http://HOST:PORT, https:// or socks5://"
        )
    return url
