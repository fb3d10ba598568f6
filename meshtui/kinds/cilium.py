"""Cilium's policies as they are evaluated, and its CiliumCIDRGroups.

Source of the fields: cilium/cilium pkg/policy/api (rule.go, ingress.go, egress.go, l4.go), pkg/k8s/apis/cilium.io/v2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import ValidationError, convert, field

from meshtui.kinds.convert import meta, optional_selector, selector, strings, unknown_fields
from meshtui.kinds.kind import Kind, Pairs
from meshtui.kinds.wire import LabelSelector, ObjectMeta, Wire
from meshtui.model import cilium as model
from meshtui.model import selectors

GROUP = "cilium.io"


class Port(Wire):
    """toPorts[].ports[]."""

    port: str = ""
    end_port: int | None = None
    protocol: str | None = None


class HeaderMatch(Wire):
    """headerMatches[] of an http rule."""

    name: str = ""
    mismatch: str | None = None
    secret: Any = None
    value: str | None = None


class Http(Wire):
    """rules.http[]."""

    path: str | None = None
    method: str | None = None
    host: str | None = None
    headers: list[str] | None = None
    header_matches: list[HeaderMatch] | None = None


class Name(Wire):
    """toFQDNs[] and rules.dns[]."""

    match_name: str | None = None
    match_pattern: str | None = None


class Rules(Wire):
    """toPorts[].rules. kafka and l7 are gone from newer releases."""

    http: list[Http] | None = None
    dns: list[Name] | None = None
    kafka: list[Any] | None = None
    l7proto: str | None = None
    l7: list[Any] | None = None


class Ports(Wire):
    """toPorts[] of a rule that allows."""

    ports: list[Port] | None = None
    terminating_tls: Any = field(default=None, name="terminatingTLS")
    originating_tls: Any = field(default=None, name="originatingTLS")
    server_names: list[str] | None = None
    listener: Any = None
    rules: Rules | None = None


class DenyPorts(Wire):
    """toPorts[] of a rule that denies."""

    ports: list[Port] | None = None


class IcmpField(Wire):
    """icmps[].fields[]."""

    family: str | None = None
    type: int | str | None = None


class Icmp(Wire):
    """icmps[]."""

    fields: list[IcmpField] | None = None


class CidrRule(Wire):
    """fromCIDRSet[] and toCIDRSet[]."""

    cidr: str | None = None
    cidr_group_ref: str | None = None
    cidr_group_selector: LabelSelector | None = None
    excepts: list[str] | None = field(default=None, name="except")


class Authentication(Wire):
    """authentication of a rule."""

    mode: str = ""


class IngressPeers(Wire):
    """The peers of a rule of ingress, and icmps."""

    from_endpoints: list[LabelSelector] | None = None
    from_cidr: list[str] | None = field(default=None, name="fromCIDR")
    from_cidr_set: list[CidrRule] | None = field(default=None, name="fromCIDRSet")
    from_entities: list[str] | None = None
    from_groups: list[Any] | None = None
    from_nodes: list[LabelSelector] | None = None
    from_requires: list[Any] | None = None
    icmps: list[Icmp] | None = None


class IngressRule(IngressPeers):
    """ingress[]."""

    to_ports: list[Ports] | None = None
    authentication: Authentication | None = None


class IngressDenyRule(IngressPeers):
    """ingressDeny[]."""

    to_ports: list[DenyPorts] | None = None


class ServiceName(Wire):
    """toServices[].k8sService."""

    service_name: str | None = None
    namespace: str | None = None


class ServiceLabels(Wire):
    """toServices[].k8sServiceSelector."""

    selector: LabelSelector | None = None
    namespace: str | None = None


class Service(Wire):
    """toServices[]."""

    by_name: ServiceName | None = field(default=None, name="k8sService")
    by_labels: ServiceLabels | None = field(default=None, name="k8sServiceSelector")


class EgressPeers(Wire):
    """The peers of a rule of egress, and icmps."""

    to_endpoints: list[LabelSelector] | None = None
    to_cidr: list[str] | None = field(default=None, name="toCIDR")
    to_cidr_set: list[CidrRule] | None = field(default=None, name="toCIDRSet")
    to_entities: list[str] | None = None
    to_services: list[Service] | None = None
    to_groups: list[Any] | None = None
    to_nodes: list[LabelSelector] | None = None
    to_requires: list[Any] | None = None
    icmps: list[Icmp] | None = None


class EgressRule(EgressPeers):
    """egress[]."""

    to_ports: list[Ports] | None = None
    to_fqdns: list[Name] | None = field(default=None, name="toFQDNs")
    authentication: Authentication | None = None


class EgressDenyRule(EgressPeers):
    """egressDeny[]."""

    to_ports: list[DenyPorts] | None = None


class DefaultDeny(Wire):
    """enableDefaultDeny."""

    ingress: bool | None = None
    egress: bool | None = None


class Spec(Wire):
    """spec, or one of specs."""

    endpoint_selector: LabelSelector | None = None
    node_selector: LabelSelector | None = None
    ingress: list[IngressRule] | None = None
    ingress_deny: list[IngressDenyRule] | None = None
    egress: list[EgressRule] | None = None
    egress_deny: list[EgressDenyRule] | None = None
    enable_default_deny: DefaultDeny | None = None
    labels: Any = None
    description: str | None = None
    log: Any = None


def cilium_policy(spec: Mapping[str, Any] | None, specs: Sequence[Any] | None) -> model.CiliumPolicy | None:
    """Convert ``spec`` and ``specs`` of a policy of Cilium; None if one can't be decoded."""
    written = [("", spec)] if spec is not None else []
    written += [(f"specs[{number}]", each) for number, each in enumerate(specs or ())]
    made: list[tuple[str, model.CiliumSpec]] = []
    unmodelled: list[str] = []
    for path, raw in written:
        try:
            decoded = convert(raw, Spec, strict=False)
        except ValidationError:
            return None
        made.append((path, _spec(decoded)))
        unmodelled += [*unknown_fields(raw, Spec, path or "spec"), *_requirements(decoded, path or "spec")]
    return model.CiliumPolicy(tuple(made), tuple(unmodelled))


def _requirements(spec: Spec, path: str) -> list[str]:
    """Paths of fromRequires and toRequires, which releases read differently."""
    ingress = (("ingress", spec.ingress), ("ingressDeny", spec.ingress_deny))
    egress = (("egress", spec.egress), ("egressDeny", spec.egress_deny))
    found = [f"{path}.{name}[{n}].fromRequires" for name, rules in ingress for n, r in enumerate(rules or ()) if r.from_requires]
    found += [f"{path}.{name}[{n}].toRequires" for name, rules in egress for n, r in enumerate(rules or ()) if r.to_requires]
    return found


def _spec(raw: Spec) -> model.CiliumSpec:
    closed = raw.enable_default_deny or DefaultDeny()
    return model.CiliumSpec(
        endpoint_selector=optional_selector(raw.endpoint_selector),
        node_selector=optional_selector(raw.node_selector),
        ingress=tuple(map(_ingress, raw.ingress or ())),
        ingress_deny=tuple(map(_ingress, raw.ingress_deny or ())),
        egress=tuple(map(_egress, raw.egress or ())),
        egress_deny=tuple(map(_egress, raw.egress_deny or ())),
        close_ingress=closed.ingress,
        close_egress=closed.egress,
    )


def _ingress(raw: IngressRule | IngressDenyRule) -> model.CiliumRule:
    return model.CiliumRule(
        endpoints=_selectors(raw.from_endpoints),
        cidrs=None if raw.from_cidr is None else tuple(raw.from_cidr),
        cidr_sets=_cidr_sets(raw.from_cidr_set),
        entities=None if raw.from_entities is None else tuple(raw.from_entities),
        nodes=_selectors(raw.from_nodes),
        groups=len(raw.from_groups or ()),
        ports=tuple(map(_ports, raw.to_ports or ())),
        icmps=_icmps(raw.icmps),
        authentication=_mode(raw.authentication) if isinstance(raw, IngressRule) else "",
    )


def _egress(raw: EgressRule | EgressDenyRule) -> model.CiliumRule:
    return model.CiliumRule(
        endpoints=_selectors(raw.to_endpoints),
        cidrs=None if raw.to_cidr is None else tuple(raw.to_cidr),
        cidr_sets=_cidr_sets(raw.to_cidr_set),
        entities=None if raw.to_entities is None else tuple(raw.to_entities),
        nodes=_selectors(raw.to_nodes),
        groups=len(raw.to_groups or ()),
        services=tuple(map(_service, raw.to_services or ())),
        names=_names(raw.to_fqdns) or () if isinstance(raw, EgressRule) else (),
        ports=tuple(map(_ports, raw.to_ports or ())),
        icmps=_icmps(raw.icmps),
        authentication=_mode(raw.authentication) if isinstance(raw, EgressRule) else "",
    )


def _selectors(raw: Sequence[LabelSelector] | None) -> tuple[selectors.LabelSelector, ...] | None:
    return None if raw is None else tuple(map(selector, raw))


def _cidr_sets(raw: Sequence[CidrRule] | None) -> tuple[model.CiliumCidr, ...] | None:
    if raw is None:
        return None
    return tuple(
        model.CiliumCidr(
            each.cidr or "", each.cidr_group_ref or "", optional_selector(each.cidr_group_selector), strings(each.excepts)
        )
        for each in raw
    )


def _icmps(raw: Sequence[Icmp] | None) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(each.family or "" for each in icmp.fields or ()) for icmp in raw or ())


def _mode(raw: Authentication | None) -> str:
    return (raw.mode or "required") if raw is not None else ""


def _names(raw: Sequence[Name] | None) -> tuple[tuple[str, str], ...] | None:
    return None if raw is None else tuple((each.match_name or "", each.match_pattern or "") for each in raw)


def _service(raw: Service) -> model.CiliumService:
    """Labels come before a name, if both are written."""
    if raw.by_labels is not None:
        return model.CiliumService("", raw.by_labels.namespace or "", selector(raw.by_labels.selector))
    name = raw.by_name or ServiceName()
    return model.CiliumService(name.service_name or "", name.namespace or "")


def _ports(raw: Ports | DenyPorts) -> model.CiliumPorts:
    ports = tuple(model.CiliumPort(each.port, each.protocol or "", each.end_port or 0) for each in raw.ports or ())
    if isinstance(raw, DenyPorts):
        return model.CiliumPorts(ports)
    rules = raw.rules or Rules()
    others = {"kafka": rules.kafka, "l7": rules.l7, "l7proto": rules.l7proto}
    return model.CiliumPorts(
        ports,
        http=None if rules.http is None else tuple(map(_http, rules.http)),
        dns=_names(rules.dns),
        other_rules=tuple(name for name, value in others.items() if value),
        server_names=strings(raw.server_names),
        terminating_tls=raw.terminating_tls is not None,
        originating_tls=raw.originating_tls is not None,
        listener=raw.listener is not None,
    )


def _http(raw: Http) -> model.HttpRule:
    return model.HttpRule(
        path=raw.path or "",
        method=raw.method or "",
        host=raw.host or "",
        headers=tuple(map(_header, raw.headers or ())),
        header_matches=tuple(
            model.HttpHeader(each.name, each.value or None, each.mismatch or "", each.secret is not None)
            for each in raw.header_matches or ()
        ),
    )


def _header(text: str) -> model.HttpHeader:
    """``Name: value``, or a name alone. What comes before the first space is the name; an empty value means any."""
    name, space, value = text.partition(" ")
    return model.HttpHeader(name.rstrip(":"), value or None) if space else model.HttpHeader(name)


class CidrGroupSpec(Wire):
    """spec of a CiliumCIDRGroup."""

    external_cidrs: list[str] | None = field(default=None, name="externalCIDRs")


class CidrGroup(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: CidrGroupSpec | None = None


def cidr_group(raw: CidrGroup, origin: str = "") -> model.CidrGroup:
    """Convert a CiliumCIDRGroup."""
    spec = raw.spec or CidrGroupSpec()
    return model.CidrGroup(meta(_NAME, raw.metadata, namespaced=False, origin=origin), strings(spec.external_cidrs))


_NAME = "CiliumCIDRGroup"
KINDS = (
    Kind(
        _NAME,
        GROUP,
        ("v2", "v2alpha1"),
        "ciliumcidrgroups",
        "cidr_groups",
        CidrGroup,
        cidr_group,
        namespaced=False,
        optional=True,
        pairs=Pairs.EVERYBODY,
    ),
)
