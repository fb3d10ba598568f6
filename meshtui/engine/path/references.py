"""The words by which people name the ends of a flow (contracts, References)."""

from __future__ import annotations

import ipaddress
import re

from meshtui.engine.path.resolution import kind_named
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint, HttpRequest

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")


def parse_reference(text: str) -> tuple[FlowEndpoint, int | str | None]:
    """An end of a flow and the port behind it, if any. Raises UsageError that says what is off.

    ``NS/NAME`` is a pod, ``NS/KIND/NAME`` a workload or Service, then addresses (IPv6 with a port in brackets), and
    ``external``.
    """
    if text == "external":
        return FlowEndpoint(EndpointKind.EXTERNAL), None
    address = _address(text)
    if address is not None:
        return address
    body, colon, port = text.partition(":")
    parts = body.split("/")
    if not all(_NAME.match(part) for part in (parts[0], parts[-1])) or len(parts) not in {2, 3}:
        raise UsageError(
            f"{text!r} names nothing", "write NS/POD, NS/KIND/NAME (ecom/deploy/ecom-service), an IP address, or external"
        )
    number = _port(port, text) if colon else None
    if len(parts) == 2:
        return FlowEndpoint(EndpointKind.POD, parts[0], parts[1]), number
    kind = kind_named(parts[1])
    if kind is None:
        raise UsageError(f"{text!r}: no kind {parts[1]!r}", "deploy, sts, ds, rs, job, cronjob, pod, svc")
    if kind == "Service":
        return FlowEndpoint(EndpointKind.SERVICE, parts[0], parts[2]), number
    if kind == "Pod":
        return FlowEndpoint(EndpointKind.POD, parts[0], parts[2]), number
    return FlowEndpoint(EndpointKind.WORKLOAD, parts[0], parts[2], kind), number


def _address(text: str) -> tuple[FlowEndpoint, int | str | None] | None:
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\w[-\w]*))?", text)
    if bracketed:
        host, port = bracketed[1], bracketed[2]
    elif text.count(":") == 1 and "/" not in text:
        host, _, port = text.partition(":")
    else:
        host, port = text, None
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    return FlowEndpoint(EndpointKind.IP, ip=host), _port(port, text) if port else None


def _port(text: str, whole: str) -> int | str:
    if text.isdecimal():
        if not 1 <= int(text) <= 65535:
            raise UsageError(f"{whole!r}: port {text} is not between 1 and 65535")
        return int(text)
    if not text:
        raise UsageError(f"{whole!r}: a port is missing after the colon")
    return text


def parse_flow(source: str, destination: str, *, protocol: str = "TCP", http: HttpRequest | None = None) -> Flow:
    """A flow from two references."""
    start, start_port = parse_reference(source)
    if start_port is not None:
        raise UsageError(f"{source!r}: the source of a flow has no port")
    if start.kind is EndpointKind.SERVICE:
        raise UsageError(f"{source!r} can't be a source", "name a pod or a workload")
    end, port = parse_reference(destination)
    if end.kind is EndpointKind.EXTERNAL:
        raise UsageError("external can't be a destination", "name an IP address")
    return Flow(start, end, port, protocol, http)
