"""The notation for the ends of a flow (docs/contracts.md, References)."""

from __future__ import annotations

import ipaddress
import re

from meshtui.engine.path.resolution import kind_named
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint, HttpRequest

_LABEL = re.compile(r"[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?\Z", re.ASCII)
_SERVICE = re.compile(r"((?P<pod>[^.]+)\.)?(?P<name>[^.]+)\.(?P<namespace>[^.]+)\.svc(\.cluster\.local)?")
_LONGEST_HOST = 253
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")


def parse_reference(text: str) -> tuple[FlowEndpoint, int | str | None]:
    """Parse an end of a flow and its port, if any. Raises UsageError, which describes what is wrong with the text.

    ``NS/NAME`` is a pod, ``NS/KIND/NAME`` a workload or Service; IP addresses (IPv6 with a port in brackets), hosts with a dot
    (``api.example.com``) and ``external`` are accepted too.
    """
    if text == "external":
        return FlowEndpoint(EndpointKind.EXTERNAL), None
    address = _address(text)
    if address is not None:
        return address
    body, colon, port = text.partition(":")
    parts = body.split("/")
    if len(parts) == 1 and "." in body:
        return host_endpoint(body), _port(port, text) if colon else None
    if not all(_NAME.match(part) for part in (parts[0], parts[-1])) or len(parts) not in {2, 3}:
        raise UsageError(
            f"{text!r} names nothing",
            "write NS/POD, NS/KIND/NAME (ecom/deploy/ecom-service), an IP address, a host with a dot, or external",
        )
    number = _port(port, text) if colon else None
    if len(parts) == 2:
        return FlowEndpoint(EndpointKind.POD, parts[0], parts[1]), number
    kind = kind_named(parts[1])
    if kind is None:
        raise UsageError(f"{text!r}: no kind {parts[1]!r}", "deploy, sts, ds, rs, job, cronjob, pod, svc, gateway")
    if kind == "Service":
        return FlowEndpoint(EndpointKind.SERVICE, parts[0], parts[2]), number
    if kind == "Pod":
        return FlowEndpoint(EndpointKind.POD, parts[0], parts[2]), number
    return FlowEndpoint(EndpointKind.WORKLOAD, parts[0], parts[2], kind), number


def host_endpoint(text: str) -> FlowEndpoint:
    """The endpoint of a host: ``NAME.NAMESPACE.svc`` and ``NAME.NAMESPACE.svc.cluster.local`` are the Service itself.

    ``POD.NAME.NAMESPACE.svc`` is a pod behind a headless Service (Kubernetes: DNS for Services and Pods). Raises UsageError for a
    wildcard, for what isn't a DNS name (RFC 1123), and for other names of the cluster.
    """
    host = text.lower().removesuffix(".")
    if "*" in host:
        raise UsageError(f"{text!r} is many hosts", "name one of them")
    labels = host.split(".")
    if not all(_LABEL.match(label) for label in labels) or labels[-1].isdecimal() or len(host) > _LONGEST_HOST:
        raise UsageError(f"{text!r} is neither a host nor an address", "write a DNS name, as api.example.com, or an IP address")
    service = _SERVICE.fullmatch(host)
    if service:
        kind = EndpointKind.POD if service["pod"] else EndpointKind.SERVICE
        return FlowEndpoint(kind, service["namespace"], service["pod"] or service["name"])
    if host.endswith(".cluster.local"):
        raise UsageError(f"{text!r} is a name of the cluster that isn't known", "write NS/svc/NAME:PORT, or NS/POD:PORT")
    return FlowEndpoint(EndpointKind.HOST, name=host)


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
    """Parse a flow from two references. Raises UsageError."""
    start, start_port = parse_reference(source)
    if start_port is not None:
        raise UsageError(f"{source!r}: the source of a flow has no port")
    if start.kind in {EndpointKind.SERVICE, EndpointKind.HOST}:
        raise UsageError(f"{source!r} can't be a source", "name a pod or a workload")
    end, port = parse_reference(destination)
    if end.kind is EndpointKind.EXTERNAL:
        raise UsageError("external can't be a destination", "name a host or an IP address")
    return Flow(start, end, port, protocol, http)
