"""Cilium's policies and groups of CIDRs, as written (cilium.io/v2)."""

from __future__ import annotations

from dataclasses import dataclass

from meshtui.model.meta import Meta
from meshtui.model.selectors import LabelSelector


@dataclass(frozen=True, slots=True)
class CiliumPort:
    """One port of a rule: a number or a name, as text. ``end`` is the last number of a range; 0 for none."""

    port: str
    protocol: str = ""
    end: int = 0


@dataclass(frozen=True, slots=True)
class HttpHeader:
    """A header that an http rule asks for: with this value, or (None) with any.

    ``mismatch`` is what is done if a request hasn't got it; empty: the rule doesn't match. ``secret``: a Secret has the value.
    """

    name: str
    value: str | None = None
    mismatch: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class HttpRule:
    """What one http rule asks of a request. ``path``, ``method`` and ``host`` are regular expressions; empty for any."""

    path: str = ""
    method: str = ""
    host: str = ""
    headers: tuple[HttpHeader, ...] = ()
    """From ``headers``: each is asked for."""
    header_matches: tuple[HttpHeader, ...] = ()

    @property
    def expressions(self) -> tuple[str, ...]:
        """The regular expressions that an agent compiles when it reads the policy: not the host's."""
        return tuple(text for text in (self.path, self.method) if text)


@dataclass(frozen=True, slots=True)
class CiliumPorts:
    """One entry of toPorts: ports, and what is asked of the requests to them."""

    ports: tuple[CiliumPort, ...] = ()
    http: tuple[HttpRule, ...] | None = None
    dns: tuple[tuple[str, str], ...] | None = None
    """(matchName, matchPattern) of each dns rule."""
    other_rules: tuple[str, ...] = ()
    """The other kinds of rules that it has: kafka, l7 and l7proto."""
    server_names: tuple[str, ...] = ()
    terminating_tls: bool = False
    originating_tls: bool = False
    listener: bool = False


@dataclass(frozen=True, slots=True)
class CiliumCidr:
    """An entry of fromCIDRSet or toCIDRSet: a CIDR, or the groups with a name or with labels; ``excepts`` are left out."""

    cidr: str = ""
    group: str = ""
    groups: LabelSelector | None = None
    excepts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CiliumService:
    """An entry of toServices: the Services with a name, or with labels; without a namespace, in any."""

    name: str = ""
    namespace: str = ""
    selector: LabelSelector | None = None


@dataclass(frozen=True, slots=True)
class CiliumRule:
    """One entry of ingress, ingressDeny, egress or egressDeny. A list of peers that isn't written is None.

    ``icmps`` are the families of the fields of each of its icmps; ``authentication`` is its mode.
    """

    endpoints: tuple[LabelSelector, ...] | None = None
    cidrs: tuple[str, ...] | None = None
    cidr_sets: tuple[CiliumCidr, ...] | None = None
    entities: tuple[str, ...] | None = None
    nodes: tuple[LabelSelector, ...] | None = None
    groups: int = 0
    services: tuple[CiliumService, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    """(matchName, matchPattern) of each of toFQDNs."""
    ports: tuple[CiliumPorts, ...] = ()
    icmps: tuple[tuple[str, ...], ...] = ()
    authentication: str = ""


@dataclass(frozen=True, slots=True)
class CiliumSpec:
    """``spec``, or one of ``specs``. ``close_ingress`` and ``close_egress`` are enableDefaultDeny; None if not written."""

    endpoint_selector: LabelSelector | None = None
    node_selector: LabelSelector | None = None
    ingress: tuple[CiliumRule, ...] = ()
    ingress_deny: tuple[CiliumRule, ...] = ()
    egress: tuple[CiliumRule, ...] = ()
    egress_deny: tuple[CiliumRule, ...] = ()
    close_ingress: bool | None = None
    close_egress: bool | None = None


@dataclass(frozen=True, slots=True)
class CiliumPolicy:
    """A CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy: its spec, and its specs, each with its path."""

    specs: tuple[tuple[str, CiliumSpec], ...] = ()
    """The path is empty for ``spec``, and ``specs[0]`` … for the others."""
    unmodelled: tuple[str, ...] = ()
    """Paths of fields that aren't evaluated: with them the policy isn't."""


@dataclass(frozen=True, slots=True)
class CidrGroup:
    """A CiliumCIDRGroup: CIDRs with labels."""

    meta: Meta
    cidrs: tuple[str, ...] = ()
