"""RequestAuthentications."""

from __future__ import annotations

from msgspec import field

from meshtui.kinds.convert import istio_selector, meta, strings, target_refs
from meshtui.kinds.kind import ISTIO_SECURITY, ISTIO_VERSIONS, Kind, Role
from meshtui.kinds.wire import ObjectMeta, TargetRef, Wire, WorkloadSelector
from meshtui.model import policy as model


class FromHeader(Wire):
    """fromHeaders[] of a rule."""

    name: str = ""
    prefix: str | None = None


class ClaimToHeader(Wire):
    """outputClaimToHeaders[] of a rule."""

    header: str = ""
    claim: str = ""


class JwtRule(Wire):
    """jwtRules[]."""

    issuer: str = ""
    audiences: list[str] | None = None
    jwks_uri: str | None = None
    jwks: str | None = None
    from_headers: list[FromHeader] | None = None
    from_params: list[str] | None = None
    from_cookies: list[str] | None = None
    forward_original_token: bool | None = None
    output_payload_to_header: str | None = None
    output_claim_to_headers: list[ClaimToHeader] | None = None
    timeout: str | None = None


class RequestAuthenticationSpec(Wire):
    """spec of a RequestAuthentication."""

    selector: WorkloadSelector | None = None
    target_ref: TargetRef | None = None
    target_refs: list[TargetRef] | None = None
    jwt_rules: list[JwtRule] | None = None


class RequestAuthentication(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: RequestAuthenticationSpec | None = None


def request_authentication(
    raw: RequestAuthentication, origin: str = "", unmodelled: tuple[str, ...] = ()
) -> model.RequestAuthentication:
    """Convert a RequestAuthentication."""
    spec = raw.spec or RequestAuthenticationSpec()
    return model.RequestAuthentication(
        meta=meta("RequestAuthentication", raw.metadata, origin=origin),
        selector=istio_selector(spec.selector),
        target_refs=target_refs(spec.target_ref, spec.target_refs),
        rules=tuple(map(_rule, spec.jwt_rules or ())),
        unmodelled=unmodelled,
        twice=bool(spec.target_ref and spec.target_refs),
    )


def _rule(raw: JwtRule) -> model.JwtRule:
    payload = (raw.output_payload_to_header,) if raw.output_payload_to_header else ()
    return model.JwtRule(
        raw.issuer,
        strings(raw.audiences),
        raw.jwks_uri or "",
        from_headers=tuple((each.name, each.prefix or "") for each in raw.from_headers or ()),
        from_params=strings(raw.from_params),
        from_cookies=strings(raw.from_cookies),
        forwards=bool(raw.forward_original_token),
        outputs=(*payload, *(each.header for each in raw.output_claim_to_headers or ())),
        claims=tuple((each.header, each.claim) for each in raw.output_claim_to_headers or ()),
        jwks=raw.jwks or "",
        timeout=raw.timeout or "",
    )


KINDS = (
    Kind(
        "RequestAuthentication",
        ISTIO_SECURITY,
        ISTIO_VERSIONS,
        "requestauthentications",
        "request_authentications",
        RequestAuthentication,
        request_authentication,
        checked=True,
        optional=True,
        role=Role.POLICY,
        reports=True,
    ),
)
