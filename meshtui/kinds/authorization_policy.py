"""AuthorizationPolicies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import field

from meshtui.kinds.convert import istio_selector, meta, strings, target_refs
from meshtui.kinds.kind import ISTIO_SECURITY, ISTIO_VERSIONS, Kind, Pairs, Role
from meshtui.kinds.wire import ObjectMeta, TargetRef, Wire, WorkloadSelector
from meshtui.model import policy as model


class Source(Wire):
    """from[].source of an AuthorizationPolicy."""

    principals: list[str] | None = None
    not_principals: list[str] | None = None
    namespaces: list[str] | None = None
    not_namespaces: list[str] | None = None
    service_accounts: list[str] | None = None
    not_service_accounts: list[str] | None = None
    ip_blocks: list[str] | None = None
    not_ip_blocks: list[str] | None = None
    remote_ip_blocks: list[str] | None = None
    not_remote_ip_blocks: list[str] | None = None
    request_principals: list[str] | None = None
    not_request_principals: list[str] | None = None
    trust_domains: list[str] | None = None
    not_trust_domains: list[str] | None = None


class From(Wire):
    """from[] of an AuthorizationPolicy's rule."""

    source: Source | None = None


class Operation(Wire):
    """to[].operation of an AuthorizationPolicy."""

    ports: list[str] | None = None
    not_ports: list[str] | None = None
    hosts: list[str] | None = None
    not_hosts: list[str] | None = None
    methods: list[str] | None = None
    not_methods: list[str] | None = None
    paths: list[str] | None = None
    not_paths: list[str] | None = None


class To(Wire):
    """to[] of an AuthorizationPolicy's rule."""

    operation: Operation | None = None


class When(Wire):
    """when[] of an AuthorizationPolicy's rule."""

    key: str = ""
    values: list[str] | None = None
    not_values: list[str] | None = None


class AuthorizationRule(Wire):
    """rules[] of an AuthorizationPolicy."""

    from_: list[From] | None = field(default=None, name="from")
    to: list[To] | None = None
    when: list[When] | None = None


class Provider(Wire):
    """provider of a CUSTOM policy."""

    name: str = ""


class AuthorizationSpec(Wire):
    """spec of an AuthorizationPolicy."""

    action: str | None = None
    selector: WorkloadSelector | None = None
    target_ref: TargetRef | None = None
    target_refs: list[TargetRef] | None = None
    rules: list[AuthorizationRule | None] | None = None
    provider: Provider | None = None


class AuthorizationPolicy(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: AuthorizationSpec | None = None


def authorization_policy(
    raw: AuthorizationPolicy, origin: str = "", unmodelled: tuple[str, ...] = ()
) -> model.AuthorizationPolicy:
    """Convert an AuthorizationPolicy. ``rules: []`` and a missing ``rules`` are the same (protobuf can't distinguish them)."""
    spec = raw.spec or AuthorizationSpec()
    return model.AuthorizationPolicy(
        meta=meta("AuthorizationPolicy", raw.metadata, origin=origin),
        action=spec.action or "ALLOW",
        selector=istio_selector(spec.selector),
        target_refs=target_refs(spec.target_ref, spec.target_refs),
        rules=tuple(_rule(rule or AuthorizationRule()) for rule in spec.rules or ()),
        provider=spec.provider.name if spec.provider else "",
        unmodelled=unmodelled,
        blank=tuple(_blank(spec.rules or ())),
        twice=bool(spec.target_ref and spec.target_refs),
    )


def _blank(rules: Sequence[AuthorizationRule | None]) -> Iterator[str]:
    for index, rule in enumerate(rules):
        for name, entries in (("from", rule.from_), ("to", rule.to)) if rule else ():
            if entries is not None and not entries:
                yield f"spec.rules[{index}].{name}"


def _rule(raw: AuthorizationRule) -> model.AuthorizationRule:
    return model.AuthorizationRule(
        sources=tuple(_source(f.source or Source()) for f in raw.from_ or ()),
        operations=tuple(_operation(t.operation or Operation()) for t in raw.to or ()),
        conditions=tuple(model.AuthorizationCondition(w.key, strings(w.values), strings(w.not_values)) for w in raw.when or ()),
    )


def _source(raw: Source) -> model.AuthorizationSource:
    return model.AuthorizationSource(**{name: strings(getattr(raw, name)) for name in raw.__struct_fields__})


def _operation(raw: Operation) -> model.AuthorizationOperation:
    return model.AuthorizationOperation(**{name: strings(getattr(raw, name)) for name in raw.__struct_fields__})


KINDS = (
    Kind(
        "AuthorizationPolicy",
        ISTIO_SECURITY,
        ISTIO_VERSIONS,
        "authorizationpolicies",
        "authorization_policies",
        AuthorizationPolicy,
        authorization_policy,
        checked=True,
        optional=True,
        role=Role.POLICY,
        pairs=Pairs.COMPARED,
        reports=True,
        unreadable={"action": "(unreadable)"},
    ),
)
