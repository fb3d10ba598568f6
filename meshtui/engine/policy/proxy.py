"""The results of one Envoy proxy (waypoint, sidecar, gateway) for a request: CUSTOM, then tokens, then DENY and ALLOW.

Source: istio/istio pilot/pkg/networking/core/listener_builder.go (the order of HTTP filters: external authorization stands before
the check of tokens), istio/api security/v1beta1/authorization_policy.proto.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.policy.l7 import Matcher, Request, Tri, http_fields, unknown_keys
from meshtui.engine.policy.tokens import check
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationPolicy, AuthorizationRule, RequestAuthentication
from meshtui.model.reason import Caller, Code, Reason, because
from meshtui.model.verdict import CLOSED, Decider, Layer, StepResult, http_outcome


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy: its layer, its place, the policies attached to it, and the EnvoyFilters, whose effect isn't modelled."""

    layer: Layer
    where: str
    policies: tuple[AuthorizationPolicy, ...] = ()
    authentications: tuple[RequestAuthentication, ...] = ()
    filters: tuple[ObjectRef, ...] = ()


def ask(proxy: Proxy, request: Request) -> list[LayerResult]:
    """The results of a proxy for one request, in the order of its checks."""
    results = []
    if proxy.filters:
        reason = because(Code.PROXY_CHANGED, by=proxy.filters)
        results.append(_result(proxy, StepResult.UNKNOWN, reason, objects=tuple(map(Decider, proxy.filters))))
    asked = _ask_authorizers(proxy, request)
    results += asked
    if request.tcp:
        request = replace(request, jwt=None)
    else:
        if asked:  # an external authorizer may answer the request itself, or change its headers
            request = replace(request, http=None, jwt=None, token_known=False)
        checked, request = _authenticate(proxy, request)
        results += checked
    said = _authorize(proxy, request)
    if asked and said.result is StepResult.UNKNOWN and said.step.reason.code is Code.DEPENDS_ON_REQUEST:
        said = _result(proxy, StepResult.UNKNOWN, because(Code.DEPENDS_ON_AUTHORIZER), objects=said.step.objects)
    return [*results, said]


# ---- external authorizers


def _ask_authorizers(proxy: Proxy, request: Request) -> list[LayerResult]:
    """An unknown result if a CUSTOM rule may match: what the external authorizer answers isn't known."""
    asked = []
    for policy in sorted(proxy.policies, key=_by_name):
        if policy.action == "CUSTOM" and not policy.dry_run and not policy.unmodelled:
            matcher = Matcher(request, policy.meta.namespace, denies=True)
            decider = next(
                (Decider(policy.meta.ref, f"rules[{i}]") for i, rule in enumerate(policy.rules) if matcher.rule(rule)), None
            )
            if decider is not None:
                asked.append((decider, because(Code.CUSTOM_AUTHORIZER, rule=decider, provider=policy.provider)))
    if not asked:
        return []
    reason = _together([reason for _, reason in asked])
    return [_result(proxy, StepResult.UNKNOWN, reason, objects=tuple(decider for decider, _ in asked))]


def _result(
    proxy: Proxy,
    result: StepResult,
    reason: Reason,
    decider: Decider | None = None,
    objects: tuple[Decider, ...] = (),
    outcome: str = "",
) -> LayerResult:
    return layer_result(proxy.layer, proxy.where, result, reason, decider=decider, objects=objects, outcome=outcome)


# ---- tokens


def _authenticate(proxy: Proxy, request: Request) -> tuple[list[LayerResult], Request]:
    """The result of the check of the token, if there is one, and the request after it."""
    found = check(proxy.authentications, request)
    if found.result is None or found.reason is None:
        return [], found.request
    return [_result(proxy, found.result, found.reason, found.decider, found.objects, found.outcome)], found.request


# ---- AuthorizationPolicies


@dataclass(slots=True)
class _Findings:
    """The results of the policies: certain matches, and the rules whose match isn't certain."""

    denied: Decider | None = None
    allowed: Decider | None = None
    says: AuthorizationRule | None = None
    doubts: list[Reason] = field(default_factory=list)
    doubted: list[Decider] = field(default_factory=list)
    may_allow: bool = False
    may_deny: bool = False
    would_deny: list[tuple[AuthorizationRule, Decider]] = field(default_factory=list)
    would_allow: list[tuple[AuthorizationRule, Decider]] = field(default_factory=list)


def _authorize(proxy: Proxy, request: Request) -> LayerResult:
    """Evaluate DENY, then ALLOW; without ALLOW policies everything else passes (istio/api, AuthorizationPolicy)."""
    covering = [p for p in sorted(proxy.policies, key=_by_name) if p.action != "AUDIT" and not p.dry_run]
    objects = tuple(Decider(p.meta.ref) for p in covering)
    if not covering:
        return _result(proxy, StepResult.SKIP, because(Code.NO_POLICY_ATTACHED, proxy=proxy.where))
    found = _Findings()
    for policy in covering:
        _consider(policy, request, found)
    allowing = [p for p in covering if p.action == "ALLOW"]
    outcome = CLOSED if request.tcp else http_outcome(403)
    who = Caller(request.principal)
    if found.denied is not None:
        reason = because(Code.RULE_DENIES, rule=found.denied, caller=who, says=found.says)
        return _result(proxy, StepResult.BLOCK, reason, found.denied, objects, outcome)
    silent = not (found.allowed or found.would_allow or found.may_allow)
    if allowing and silent:
        decider = Decider(allowing[0].meta.ref)
        policies, dropped = tuple(p.meta.ref for p in allowing), _dropped(allowing, request)
        reason = because(Code.NO_RULE_ALLOWS, policies=policies, caller=who, dropped=dropped, dropped_by=proxy.layer)
        return _result(proxy, StepResult.BLOCK, reason, decider, tuple(Decider(p.meta.ref) for p in allowing), outcome)
    if found.doubts and (found.may_deny or found.allowed is None):
        return _result(proxy, StepResult.UNKNOWN, _together(found.doubts), objects=tuple(found.doubted))
    if found.would_deny or (allowing and found.allowed is None):
        decider = (found.would_deny or found.would_allow)[0][1]
        return _result(proxy, StepResult.UNKNOWN, _depends(found, any_allow=bool(allowing)), decider, objects)
    if found.allowed is not None:
        reason = because(Code.RULE_ALLOWS, rule=found.allowed, caller=who, says=found.says)
        return _result(proxy, StepResult.PASS, reason, found.allowed, objects)
    reason = because(Code.NOTHING_DENIES, policies=tuple(p.meta.ref for p in covering), caller=who)
    return _result(proxy, StepResult.PASS, reason, objects=objects)


def _by_name(policy: AuthorizationPolicy) -> tuple[str, str]:
    return policy.meta.name, policy.meta.namespace


def _consider(policy: AuthorizationPolicy, request: Request, found: _Findings) -> None:
    """Add the result of one policy. Of several certain matches, the one of the first policy by name is kept."""
    if policy.unmodelled or policy.action not in {"ALLOW", "DENY", "CUSTOM"}:
        what = policy.unmodelled or (f"action {policy.action!r}",)
        found.doubts.append(because(Code.FIELDS_NOT_MODELLED, policy=policy.meta.ref, fields=what))
        found.doubted.append(Decider(policy.meta.ref))
        found.may_allow = True
        found.may_deny = found.may_deny or policy.action != "ALLOW"
        return
    if policy.action == "CUSTOM":
        return
    matcher = Matcher(request, policy.meta.namespace, denies=policy.action != "ALLOW")
    for index, rule in enumerate(policy.rules):
        answer = matcher.rule(rule)
        decider = Decider(policy.meta.ref, f"rules[{index}]")
        if answer is Tri.NO:
            continue
        if answer is Tri.UNKNOWN:
            found.doubts.append(because(Code.CONDITION_NOT_KNOWN, rule=decider, keys=tuple(unknown_keys(rule))))
            found.doubted.append(decider)
            found.may_allow = found.may_allow or policy.action == "ALLOW"
            found.may_deny = found.may_deny or policy.action == "DENY"
        elif answer is Tri.DEPENDS:
            (found.would_allow if policy.action == "ALLOW" else found.would_deny).append((rule, decider))
        elif policy.action == "DENY" and found.denied is None:
            found.denied, found.says = decider, rule
        elif policy.action == "ALLOW" and found.allowed is None:
            found.allowed = decider
            found.says = found.says if found.denied else rule


def _depends(found: _Findings, *, any_allow: bool) -> Reason:
    allows = tuple(found.would_allow) if any_allow and found.allowed is None else ()
    return because(Code.DEPENDS_ON_REQUEST, allows=allows, denies=tuple(found.would_deny))


def _together(doubts: list[Reason]) -> Reason:
    return doubts[0] if len(doubts) == 1 else because(Code.SEVERAL, reasons=tuple(doubts))


def _dropped(allowing: Sequence[AuthorizationPolicy], request: Request) -> tuple[str, ...]:
    """The HTTP fields of rules that are dropped because the proxy sees plain TCP."""
    if not request.tcp:
        return ()
    return tuple(dict.fromkeys(name for p in allowing for rule in p.rules for name in http_fields(rule)))
