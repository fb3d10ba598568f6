"""What an Envoy proxy makes of a request's token: RequestAuthentications.

Sources: istio/api security/v1beta1 (RequestAuthentication, JWTRule); istio/istio pilot/pkg/security/authn/policy_applier.go
(convertToEnvoyJwtConfig); envoyproxy/envoy source/extensions/filters/http/jwt_authn/extractor.cc (where a token is looked for,
and what is removed from the request).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from urllib.parse import unquote

from meshtui.engine.matching.http import header, query_of
from meshtui.engine.policy.l7 import Request
from meshtui.model.flow import HttpRequest, Jwt
from meshtui.model.policy import JwtRule, RequestAuthentication
from meshtui.model.reason import Code, Reason, because
from meshtui.model.verdict import Decider, StepResult, http_outcome

_JWT_DOTS = 2
"""Dots in a JSON Web Token: header, payload and signature (RFC 7519); Envoy refuses any other token with 401."""
_BEARER, _PARAMETER = ("authorization", "Bearer "), "access_token"
"""Where a token is looked for by default."""


class Standing(Enum):
    """What is known of the token of a request."""

    ABSENT = "the request has none"
    ACCEPTED = "it is one that a rule accepts"
    NOT_KNOWN = "whether there is one, or whether it is valid, isn't known"


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of the check, None if there is nothing to say; and the request as what comes after the check sees it."""

    request: Request
    standing: Standing = Standing.ABSENT
    result: StepResult | None = None
    reason: Reason | None = None
    decider: Decider | None = None
    objects: tuple[Decider, ...] = ()
    outcome: str = ""
    rule: JwtRule | None = None
    """The rule that accepts the token."""


def check(authentications: Sequence[RequestAuthentication], request: Request) -> Checked:
    """Check the token: an invalid token gets a 401, a request without a token passes (istio/api, RequestAuthentication).

    Without a RequestAuthentication the token isn't verified, so it doesn't count as an identity.
    """
    odd = [a for a in authentications if a.unmodelled]
    if odd:
        reason = because(Code.FIELDS_NOT_MODELLED, policy=odd[0].meta.ref, fields=odd[0].unmodelled)
        unverified = replace(request, jwt=None)
        return Checked(unverified, Standing.NOT_KNOWN, StepResult.UNKNOWN, reason, objects=(Decider(odd[0].meta.ref),))
    asking = [a for a in authentications if a.rules]
    if not asking:
        return Checked(replace(request, jwt=None, token_known=True))
    found = _without_claims(asking, request) if request.jwt is None else _with_claims(asking, request, request.jwt)
    return replace(found, request=_with_outputs(asking, found))


def _without_claims(asking: Sequence[RequestAuthentication], request: Request) -> Checked:
    """The check of a request of whose token no claims are known: what stands where rules look for one may be a token."""
    objects = tuple(Decider(a.meta.ref) for a in asking)
    if request.http is None:
        unknown = replace(request, token_known=False)
        return Checked(unknown, Standing.NOT_KNOWN, StepResult.SKIP, because(Code.TOKEN_NOT_KNOWN), objects=objects)
    http = request.http
    sent = [text for a in asking for rule in a.rules for text in _texts(rule, http)]
    if not sent:
        return Checked(
            replace(request, token_known=True), Standing.ABSENT, StepResult.SKIP, because(Code.NO_TOKEN), objects=objects
        )
    if all(text.count(".") != _JWT_DOTS for text in sent):
        malformed, outcome = because(Code.TOKEN_MALFORMED), http_outcome(401)
        return Checked(request, Standing.NOT_KNOWN, StepResult.BLOCK, malformed, objects[0], objects, outcome)
    unknown = replace(request, token_known=False)
    return Checked(unknown, Standing.NOT_KNOWN, StepResult.UNKNOWN, because(Code.TOKEN_NOT_VERIFIED), objects=objects)


def _with_claims(asking: Sequence[RequestAuthentication], request: Request, jwt: Jwt) -> Checked:
    """The check of a request whose token is known. Unless the request shows it elsewhere, it is where rules look by default."""
    objects = tuple(Decider(a.meta.ref) for a in asking)
    elsewhere = []
    for authentication in asking:
        for index, rule in enumerate(authentication.rules):
            decider = Decider(authentication.meta.ref, f"jwtRules[{index}]")
            if rule.places and not (request.http is not None and _texts(rule, request.http)):
                elsewhere.append(decider)
            elif rule.issuer in {"", jwt.issuer} and _meant_for(jwt, rule.audiences):
                reason = because(Code.TOKEN_ACCEPTED, issuer=jwt.issuer, rule=decider)
                return Checked(request, Standing.ACCEPTED, StepResult.PASS, reason, objects=(decider,), rule=rule)
    if elsewhere:
        reason, unsure = because(Code.TOKEN_ELSEWHERE, rule=elsewhere[0]), replace(request, jwt=None, token_known=False)
        return Checked(unsure, Standing.NOT_KNOWN, StepResult.UNKNOWN, reason, objects=tuple(elsewhere))
    refused = replace(request, jwt=None)
    outcome = http_outcome(401)
    return Checked(
        refused, Standing.NOT_KNOWN, StepResult.BLOCK, _refusal(jwt, asking), Decider(asking[0].meta.ref), objects, outcome
    )


def _texts(rule: JwtRule, http: HttpRequest) -> list[str]:
    """What stands where a rule looks for a token: its own places instead of the bearer token and a query parameter."""
    headers = rule.from_headers if rule.places else (_BEARER,)
    parameters = rule.from_params if rule.places else (_PARAMETER,)
    found = []
    for name, prefix in headers:
        value = header(http, name)
        if value is not None and prefix in value:
            found.append(value[value.index(prefix) + len(prefix) :].strip())
    query = {unquote(name): unquote(value) for name, value in query_of(http.path).items()}
    found += [query[name] for name in parameters if name in query]
    cookies = _cookies(http)
    return found + [cookies[name] for name in rule.from_cookies if name in cookies]


def _cookies(http: HttpRequest) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in (header(http, "cookie") or "").split(";"))
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs if name.strip()}


def _meant_for(jwt: Jwt, audiences: Sequence[str]) -> bool:
    return not audiences or any(audience in audiences for audience in jwt.audiences)


def _refusal(jwt: Jwt, asking: Sequence[RequestAuthentication]) -> Reason:
    issuers = tuple(rule.issuer for a in asking for rule in a.rules)
    if jwt.issuer in issuers:
        return because(Code.TOKEN_FOR_OTHERS, issuer=jwt.issuer, audiences=tuple(jwt.audiences))
    return because(Code.TOKEN_ISSUER_UNKNOWN, issuer=jwt.issuer, issuers=issuers)


# ---- what the check changes of the request


def _with_outputs(asking: Sequence[RequestAuthentication], found: Checked) -> Request:
    """The request without the headers into which rules write a token's content; with a token, their values aren't known."""
    names = frozenset(name.lower() for a in asking for rule in a.rules for name in rule.outputs)
    request = found.request
    if not names:
        return request
    if request.http is not None:
        kept = tuple((name, value) for name, value in request.http.headers if name.lower() not in names)
        request = replace(request, http=replace(request.http, headers=kept))
    return request if found.standing is Standing.ABSENT else replace(request, unsure_headers=names)


def passed_on(authentications: Sequence[RequestAuthentication], request: Request) -> tuple[HttpRequest | None, Jwt | None]:
    """The request and its token as the next proxy gets them; None for a request that isn't known any more.

    An accepted token is removed unless its rule says forwardOriginalToken.
    """
    found = check(authentications, request)
    if found.standing is Standing.NOT_KNOWN:
        return None, None
    http = None if found.request.unsure_headers else found.request.http
    if found.rule is None or found.rule.forwards:
        return http, request.jwt
    return (None if http is None else _without_token(found.rule, http)), None


def _without_token(rule: JwtRule, http: HttpRequest) -> HttpRequest:
    """The request without the token; one in a cookie stays."""
    gone = {name.lower() for name, _ in (rule.from_headers if rule.places else (_BEARER,))}
    headers = tuple((name, value) for name, value in http.headers if name.lower() not in gone)
    return replace(http, headers=headers, path=_without(http.path, rule.from_params if rule.places else (_PARAMETER,)))


def _without(path: str, parameters: Iterable[str]) -> str:
    bare, mark, query = path.partition("?")
    kept = [part for part in query.split("&") if unquote(part.partition("=")[0]) not in set(parameters)]
    return f"{bare}{mark}{'&'.join(kept)}" if kept and mark else bare
