"""A step's reason in two or three words, for pictures; ``engine.explain.wording`` has the sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from meshtui.engine.decision.ruling import depends_on_request
from meshtui.model.reason import Code, Reason
from meshtui.model.verdict import Decider, Layer, Step, StepResult

_NO_RULE = "no rule allows it"
_SHORT: Mapping[Code, str] = {
    Code.OWN_NODE: "its own node",
    Code.NO_NETWORK_POLICY: "no policy",
    Code.CNI_ENFORCES_NOTHING: "not enforced",
    Code.OWN_NOTHING_DECIDES: "left open",
    Code.NO_NETWORK_RULE_ALLOWS: _NO_RULE,
    Code.OWN_TIER_END: _NO_RULE,
    Code.OWN_REQUEST_REFUSED: "request refused",
    Code.CNI_CLOSES_UNSELECTED: "no policy",
    Code.CNI_MAY_ENFORCE_NOTHING: "enforcement not known",
    Code.NOT_MODELLED_MIGHT_ALLOW: "may be allowed",
    Code.EVERY_ADDRESS_ALLOWED: "every address",
    Code.CLIENT_ADDRESS_NOT_KNOWN: "address not known",
    Code.PLAINTEXT_REFUSED: "plaintext refused",
    Code.PLAINTEXT_ACCEPTED: "plaintext accepted",
    Code.NO_AUTHORIZATION_POLICY: "no policy",
    Code.NO_POLICY_ATTACHED: "no policy",
    Code.NOTHING_DENIES: "nothing denies it",
    Code.NO_RULE_ALLOWS: _NO_RULE,
    Code.NO_TOKEN: "no token needed",
    Code.TOKEN_NOT_KNOWN: "token not known",
    Code.TOKEN_MALFORMED: "no valid token",
    Code.TOKEN_NOT_VERIFIED: "token not known",
    Code.TOKEN_ACCEPTED: "token accepted",
    Code.TOKEN_FOR_OTHERS: "token for others",
    Code.TOKEN_ISSUER_UNKNOWN: "issuer not known",
    Code.FIELDS_NOT_MODELLED: "fields not modelled",
    Code.KIND_NOT_MODELLED: "not modelled",
    Code.KIND_NOT_READABLE: "can't be read",
    Code.DRY_RUN_MAY_BE_ENFORCED: "dry run",
    Code.PROXY_CHANGED: "proxy changed",
    Code.CUSTOM_AUTHORIZER: "external authorizer",
    Code.MEMBERSHIP_NOT_KNOWN: "mesh mode not known",
    Code.MESH_CONFIG_NOT_KNOWN: "mesh config not known",
    Code.CAPTURE_LOST: "capture lost",
    Code.CAPTURE_PENDING: "capture pending",
    Code.PORT_NOT_CAPTURED: "port not captured",
    Code.SIDECAR_HBONE_NOT_KNOWN: "HBONE not known",
    Code.TRANSPORT_NOT_KNOWN: "transport not known",
    Code.WAYPOINT_NOT_FOR_GATEWAYS: "gone past",
    Code.WAYPOINT_NOT_FOR_PLAINTEXT: "gone past: plaintext",
    Code.WAYPOINT_NOT_FOR_TRAFFIC: "gone past",
    Code.WAYPOINT_NOT_FOR_NAMESPACE: "gone past",
    Code.WAYPOINT_NOT_READY: "gone past: not ready",
    Code.WAYPOINT_MISSING: "not there",
    Code.WAYPOINT_WITHOUT_PODS: "no pods",
    Code.ROUTED_IN_MESH: "may route elsewhere",
    Code.ROUTED_AT_WAYPOINT: "may route elsewhere",
    Code.REGISTRY_ONLY: "host not registered",
    Code.HOST_NOT_REGISTERED: "host not registered",
    Code.NO_GATEWAY: "no gateway",
    Code.GATEWAY_WITHOUT_PODS: "no pods",
    Code.GATEWAY_NOT_EXPOSED: "only inside",
    Code.SERVER_REDIRECTS_TO_TLS: "redirects to TLS",
    Code.NO_ROUTE_LEADS_THERE: "no route",
    Code.NO_ROUTE_TAKES_REQUEST: "no route",
    Code.ROUTE_TAKES_REQUEST: "route",
    Code.ROUTED_ELSEWHERE: "routed elsewhere",
    Code.ROUTE_REDIRECTS: "redirects",
    Code.ROUTE_ANSWERS: "answers itself",
    Code.ROUTE_WITHOUT_BACKEND: "no backend",
    Code.BACKEND_MISSING: "backend missing",
    Code.BACKEND_WITHOUT_PODS: "no pods behind it",
    Code.CERTIFICATE_NEEDED: "certificate needed",
}
"""By code; one that isn't here is told by its result, and by the words below the picture."""
_RESULTS: Mapping[StepResult, str] = {
    StepResult.PASS: "lets it through",
    StepResult.BLOCK: "blocks it",
    StepResult.SKIP: "not asked",
    StepResult.UNKNOWN: "not known",
}
_BY_RULE: Mapping[Code, Callable[[str, Reason], str]] = {
    Code.NETWORK_RULE_ALLOWS: lambda rule, _: rule,
    Code.RULE_ALLOWS: lambda rule, _: rule,
    Code.RULE_DENIES: lambda rule, _: f"{rule} denies it",
    Code.OWN_RULE: lambda rule, reason: f"{reason['action']}: {rule}",
    Code.ADMIN_RULE: lambda rule, reason: f"{reason['action']}: {rule}",
}
_TIERS: Mapping[Layer, str] = {Layer.ADMIN_POLICY: "admin tier, ", Layer.BASELINE_POLICY: "baseline, "}


def in_short(step: Step) -> str:
    """What a step says, in a few words: the rule that decides, or why none does."""
    reason = step.reason
    tier = _TIERS.get(step.layer, "")
    by_rule = _BY_RULE.get(reason.code)
    if by_rule is not None:
        return tier + by_rule(_rule(reason), reason)
    if step.result is StepResult.UNKNOWN and depends_on_request(reason):
        return f"{tier}depends on the request"
    return tier + _SHORT.get(reason.code, _RESULTS[step.result])


def _rule(reason: Reason) -> str:
    """The rule that a reason names, as it stands in its object."""
    rule = reason["rule"]
    return rule.rule or "its rules" if isinstance(rule, Decider) else "its rules"
