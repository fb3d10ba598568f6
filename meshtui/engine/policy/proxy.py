"""What one proxy of Envoy's (waypoint, sidecar, gateway) says about a request: tokens first, then DENY, CUSTOM, ALLOW."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.matching.http import header
from meshtui.engine.policy.authorization import rule_in_words
from meshtui.engine.policy.l7 import Matcher, Request, Tri, http_fields, unknown_keys
from meshtui.engine.words import names
from meshtui.model.flow import Jwt
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationPolicy, RequestAuthentication
from meshtui.model.verdict import CLOSED, Decider, Layer, StepResult, http_outcome

DEPENDS = "depends on the request"
"""How the reason of a verdict starts that a request, if it were known, would decide."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy: its layer, where it is, what is attached to it, and what changes it in ways that aren't modelled."""

    layer: Layer
    where: str
    policies: tuple[AuthorizationPolicy, ...] = ()
    authentications: tuple[RequestAuthentication, ...] = ()
    filters: tuple[ObjectRef, ...] = ()


def ask(proxy: Proxy, request: Request) -> list[LayerResult]:
    """The results of a proxy on one request, in the order in which it asks."""
    results = []
    if proxy.filters:
        reason = f"{names(proxy.filters)} changes this proxy in ways that aren't modelled"
        results.append(_result(proxy, StepResult.UNKNOWN, reason, objects=tuple(map(Decider, proxy.filters))))
    if not request.tcp:
        checked, request = _authenticate(proxy, request)
        results += checked
    else:
        request = replace(request, jwt=None)
    return [*results, _authorize(proxy, request)]


def _result(
    proxy: Proxy,
    result: StepResult,
    reason: str,
    decider: Decider | None = None,
    objects: tuple[Decider, ...] = (),
    outcome: str = "",
) -> LayerResult:
    return layer_result(proxy.layer, proxy.where, result, reason, decider=decider, objects=objects, outcome=outcome)


# ---- tokens


def _authenticate(proxy: Proxy, request: Request) -> tuple[list[LayerResult], Request]:
    """Check the token: an invalid one is answered 401, none at all passes (istio/api, RequestAuthentication).

    A token that no RequestAuthentication asks for isn't looked at, so it proves nothing.
    """
    asking = [a for a in proxy.authentications if a.rules]
    odd = [a for a in proxy.authentications if a.unmodelled]
    if odd:
        reason = f"{odd[0].meta.ref} has fields that aren't modelled: {', '.join(odd[0].unmodelled)}"
        return [_result(proxy, StepResult.UNKNOWN, reason, objects=(Decider(odd[0].meta.ref),))], replace(request, jwt=None)
    if not asking:
        return [], replace(request, jwt=None, token_known=True)
    objects = tuple(Decider(a.meta.ref) for a in asking)
    if request.jwt is None:
        bearer = request.http is not None and (header(request.http, "authorization") or "").lower().startswith("bearer ")
        known = request.http is not None and not bearer
        reason = "a request without a token passes" if known else "a request with an invalid token is answered 401"
        return [_result(proxy, StepResult.SKIP, reason, objects=objects)], replace(request, token_known=known)
    for authentication in asking:
        for index, rule in enumerate(authentication.rules):
            if rule.issuer == request.jwt.issuer and _meant_for(request.jwt, rule.audiences):
                decider = Decider(authentication.meta.ref, f"jwtRules[{index}]")
                reason = f"the token of {rule.issuer} is accepted by {decider.ref} {decider.rule}, if its signature holds"
                return [_result(proxy, StepResult.PASS, reason, objects=(decider,))], request
    reason = _refusal(request.jwt, asking)
    decided = Decider(asking[0].meta.ref)
    refused = _result(proxy, StepResult.BLOCK, reason, decided, objects, http_outcome(401))
    return [refused], replace(request, jwt=None)


def _meant_for(jwt: Jwt, audiences: Sequence[str]) -> bool:
    return not audiences or any(audience in audiences for audience in jwt.audiences)


def _refusal(jwt: Jwt, asking: Sequence[RequestAuthentication]) -> str:
    issuers = [rule.issuer for a in asking for rule in a.rules]
    if jwt.issuer in issuers:
        return f"the token of {jwt.issuer} isn't meant for this audience ({', '.join(jwt.audiences) or 'it names none'}): 401"
    return f"the token's issuer {jwt.issuer or '(none)'} isn't one of {', '.join(issuers)}: 401"


# ---- AuthorizationPolicies


@dataclass(slots=True)
class _Findings:
    """What the policies said: certain answers, and the rules whose answer isn't certain."""

    denied: Decider | None = None
    allowed: Decider | None = None
    words: str = ""
    doubts: list[str] = field(default_factory=list)
    doubted: list[Decider] = field(default_factory=list)
    may_allow: bool = False
    may_deny: bool = False
    would_deny: list[str] = field(default_factory=list)
    would_allow: list[str] = field(default_factory=list)


def _authorize(proxy: Proxy, request: Request) -> LayerResult:
    """DENY before CUSTOM before ALLOW; without ALLOW policies everything else passes (istio/api, AuthorizationPolicy)."""
    covering = [p for p in sorted(proxy.policies, key=_by_name) if p.action != "AUDIT" and not p.dry_run]
    objects = tuple(Decider(p.meta.ref) for p in covering)
    if not covering:
        return _result(proxy, StepResult.SKIP, f"no AuthorizationPolicy is attached to {proxy.where}")
    found = _Findings()
    for policy in covering:
        _consider(policy, request, found)
    allowing = [p for p in covering if p.action == "ALLOW"]
    outcome = CLOSED if request.tcp else http_outcome(403)
    who = f"identity {request.principal}" if request.principal else "a client without an identity"
    if found.denied is not None:
        reason = f"{found.denied.ref} {found.denied.rule} denies {who}: {found.words}"
        return _result(proxy, StepResult.BLOCK, reason, found.denied, objects, outcome)
    silent = not (found.allowed or found.would_allow or found.may_allow)
    if allowing and silent:
        decider = Decider(allowing[0].meta.ref)
        reason = f"no rule of {names([p.meta.ref for p in allowing])} allows {who}{_dropped(allowing, request)}"
        return _result(proxy, StepResult.BLOCK, reason, decider, tuple(Decider(p.meta.ref) for p in allowing), outcome)
    if found.doubts and (found.may_deny or found.allowed is None):
        return _result(proxy, StepResult.UNKNOWN, "; ".join(found.doubts), objects=tuple(found.doubted))
    if found.would_deny or (allowing and found.allowed is None):
        return _result(proxy, StepResult.UNKNOWN, _depends(found, any_allow=bool(allowing)), objects=objects)
    if found.allowed is not None:
        reason = f"{found.allowed.ref} {found.allowed.rule} allows {who}: {found.words}"
        return _result(proxy, StepResult.PASS, reason, found.allowed, objects)
    reason = f"no DENY rule of {names([p.meta.ref for p in covering])} matches {who}, and no ALLOW policy applies"
    return _result(proxy, StepResult.PASS, reason, objects=objects)


def _by_name(policy: AuthorizationPolicy) -> tuple[str, str]:
    return policy.meta.name, policy.meta.namespace


def _consider(policy: AuthorizationPolicy, request: Request, found: _Findings) -> None:
    """Add what one policy says. A certain answer of the first policy by name stands."""
    if policy.unmodelled or policy.action not in {"ALLOW", "DENY", "CUSTOM"}:
        what = ", ".join(policy.unmodelled) or f"action {policy.action!r}"
        found.doubts.append(f"{policy.meta.ref} has fields that aren't modelled: {what}")
        found.doubted.append(Decider(policy.meta.ref))
        found.may_allow = True
        found.may_deny = found.may_deny or policy.action != "ALLOW"
        return
    matcher = Matcher(request, policy.meta.namespace, denies=policy.action != "ALLOW")
    for index, rule in enumerate(policy.rules):
        answer = matcher.rule(rule)
        decider = Decider(policy.meta.ref, f"rules[{index}]")
        words = rule_in_words(rule)
        if answer is Tri.NO:
            continue
        if policy.action == "CUSTOM":
            provider = f" {policy.provider!r}" if policy.provider else ""
            found.doubts.append(f"{policy.meta.ref} {decider.rule} asks an authorizer of its own{provider}, which isn't modelled")
            found.doubted.append(decider)
            found.may_deny = True
        elif answer is Tri.UNKNOWN:
            keys = ", ".join(unknown_keys(rule))
            what = f"{keys}, which isn't modelled" if keys else "what can't be known here (an address, or the server name)"
            found.doubts.append(f"{policy.meta.ref} {decider.rule} reads {what}")
            found.doubted.append(decider)
            found.may_allow = found.may_allow or policy.action == "ALLOW"
            found.may_deny = found.may_deny or policy.action == "DENY"
        elif answer is Tri.DEPENDS:
            (found.would_allow if policy.action == "ALLOW" else found.would_deny).append(
                f"{words} ({decider.ref} {decider.rule})"
            )
        elif policy.action == "DENY" and found.denied is None:
            found.denied, found.words = decider, words
        elif policy.action == "ALLOW" and found.allowed is None:
            found.allowed = decider
            found.words = found.words if found.denied else words


def _depends(found: _Findings, *, any_allow: bool) -> str:
    parts = []
    if any_allow and found.allowed is None:
        parts.append(f"what passes is {' or '.join(found.would_allow)}")
    if found.would_deny:
        parts.append(f"what is denied is {' or '.join(found.would_deny)}")
    return f"{DEPENDS}: {'; '.join(parts)}"


def _dropped(allowing: Sequence[AuthorizationPolicy], request: Request) -> str:
    if not request.tcp:
        return ""
    fields = dict.fromkeys(name for p in allowing for rule in p.rules for name in http_fields(rule))
    return f"; rules with {', '.join(fields)} need HTTP, and the proxy sees plain TCP here" if fields else ""
