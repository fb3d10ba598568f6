"""What istiod's validation refuses of mesh policies, beside what the schemas of their kinds refuse.

Source: istio/istio pkg/config/validation/validation.go (ValidateAuthorizationPolicy, ValidateRequestAuthentication,
ValidatePeerAuthentication, validatePolicyTargetReference), pkg/config/security/security.go (ValidateAttribute, ValidatePorts,
ValidateIPs, CheckServiceAccount), and the CRDs' schemas (manifests/charts/base/files/crd-all.gen.yaml).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from meshtui.engine.matching.addresses import parse_network, parse_port
from meshtui.engine.policy.attachment import DESTINATIONS
from meshtui.engine.policy.l7 import FILTER_KEYS, unknown_keys
from meshtui.model.policy import (
    AuthorizationOperation,
    AuthorizationPolicy,
    AuthorizationRule,
    AuthorizationSource,
    JwtRule,
    PeerAuthentication,
    RequestAuthentication,
    TargetRef,
)
from meshtui.model.selectors import LabelSelector

ACTIONS = ("ALLOW", "DENY", "AUDIT", "CUSTOM")
MODES = {"UNSET", "DISABLE", "PERMISSIVE", "STRICT"}
_GATEWAY_GROUP = "gateway.networking.k8s.io"
_TARGETS = DESTINATIONS | {("Gateway", _GATEWAY_GROUP), ("GatewayClass", _GATEWAY_GROUP)}
_LAST_PORT = 65535
_PORT_PATH = "spec.portLevelMtls."
_NOT_FOR_CUSTOM = ("principals", "request_principals", "namespaces", "service_accounts", "trust_domains")
_CALLER_KEYS = {"source.namespace", "source.principal", "source.serviceAccount", "source.trustDomain"}
_MOST_ACCOUNTS = 16
_STAR = ", which may have one star at an end"
_TEMPLATES = frozenset({"{*}", "{**}"})
_LONGEST_LABEL = 63
_HEADER = re.compile(r"[-_A-Za-z0-9]+")
_DURATION = re.compile(r"(?=.*[1-9])(\d+(\.\d*)?(ms|us|µs|ns|s|m|h))+")
_LITERAL = re.compile(r"[a-zA-Z0-9\-._~%!$&'()+,;:@=]+")


def refusals(policy: AuthorizationPolicy | RequestAuthentication | PeerAuthentication) -> Iterator[str]:
    """Why istiod's validation refuses a policy, each reason in a few words that begin with its place."""
    if any("(" in path for path in policy.unmodelled):
        return  # a stand-in for what can't be decoded
    if isinstance(policy, PeerAuthentication):
        yield from _of_modes(policy)
        return
    if policy.selector is not None and policy.target_refs:
        yield "selector and targetRefs can't stand together"
    if policy.twice:
        yield "targetRef and targetRefs can't stand together"
    yield from _of_selector(policy.selector)
    for index, target in enumerate(policy.target_refs):
        yield from _of_target(f"targetRefs[{index}]", target)
    if isinstance(policy, RequestAuthentication):
        for index, rule in enumerate(policy.rules):
            if not any(path.startswith(f"spec.jwtRules[{index}].") for path in policy.unmodelled):
                yield from _of_token(f"jwtRules[{index}]", rule)
        return
    yield from _of_action(policy)
    for index, each in enumerate(policy.rules):
        yield from _of_rule(f"rules[{index}]", each, custom=policy.action == "CUSTOM")


def _of_modes(policy: PeerAuthentication) -> Iterator[str]:
    """Port modes without a selector are MT216's."""
    yield from _of_selector(policy.selector)
    yield from (f"{path.removeprefix('spec.')} isn't a port" for path in policy.unmodelled if path.startswith(_PORT_PATH))
    if policy.blank:
        yield "portLevelMtls is empty"
    if policy.mode not in MODES:
        yield f"mtls.mode {policy.mode} isn't a mode"
    for port, mode in policy.port_modes.items():
        if not 0 < port <= _LAST_PORT:
            yield f"portLevelMtls {port} isn't a port"
        if mode not in MODES:
            yield f"portLevelMtls[{port}].mode {mode} isn't a mode"


def _of_selector(selector: LabelSelector | None) -> Iterator[str]:
    for key, value in selector.labels if selector else ():
        if not key:
            yield "selector has a label without a key"
        if "*" in key or "*" in value:
            yield f"selector compares whole labels, and {key}: {value} has a star"
        if len(value) > _LONGEST_LABEL:
            yield f"selector has a value of {len(value)} characters for {key}, and labels have {_LONGEST_LABEL} at most"


def _of_target(where: str, target: TargetRef) -> Iterator[str]:
    if not target.name:
        yield f"{where} has no name"
    if target.namespace:
        yield f"{where} names a namespace, and a target is always in the policy's own"
    if (target.kind, target.group) not in _TARGETS:
        kind = f"{target.kind} of group {target.group}" if target.group else target.kind
        yield f"{where} is a {kind}: Service, ServiceEntry, Gateway and GatewayClass can be targets, with their groups"


def _of_token(where: str, rule: JwtRule) -> Iterator[str]:
    if not rule.issuer and not rule.jwks_uri:
        yield f"{where} has neither issuer nor jwksUri"
    if rule.jwks_uri and not rule.jwks_uri.startswith(("http://", "https://")):
        yield f"{where}.jwksUri {rule.jwks_uri} isn't a URL of http or https"
    names = [name for name, _ in rule.from_headers]
    lists = {"audiences": rule.audiences, "fromHeaders": names, "fromParams": rule.from_params, "fromCookies": rule.from_cookies}
    yield from (f"{where}.{name} has an empty value" for name, values in lists.items() if "" in values)
    if rule.jwks and rule.jwks_uri:
        yield f"{where} has jwks and jwksUri, of which one can stand"
    if rule.jwks and not _is_key_set(rule.jwks):
        yield f"{where}.jwks isn't a set of keys in JSON"
    if rule.timeout and not _DURATION.fullmatch(rule.timeout):
        yield f"{where}.timeout {rule.timeout} isn't a duration above 0, such as 5s"
    for header, claim in rule.claims:
        if not header or not claim:
            yield f"{where} writes a claim to a header, and one of their names is missing"
        elif not _HEADER.fullmatch(header):
            yield f"{where} writes a claim to {header}, which isn't the name of a header"


def _is_key_set(text: str) -> bool:
    """Whether a text is a set of keys, or one key."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and not {"keys", "kty"}.isdisjoint(found)


def _of_action(policy: AuthorizationPolicy) -> Iterator[str]:
    action = policy.action
    if action not in ACTIONS:
        right = f" ({action.upper()} is)" if action.upper() in ACTIONS else ""
        yield f"action {action} isn't an action{right}"
    if action in {"DENY", "CUSTOM"} and not policy.rules:
        yield f"{action} without rules never matches anything (rules: [{{}}] matches everything)"
    if action == "CUSTOM" and policy.rules and not policy.provider:
        yield "CUSTOM needs provider.name"
    if policy.provider and action in ACTIONS and action != "CUSTOM":
        yield f"provider is for CUSTOM only, and the action is {action}"


def _of_rule(where: str, rule: AuthorizationRule, *, custom: bool) -> Iterator[str]:
    for place, source in enumerate(rule.sources):
        yield from _of_source(f"{where}.from[{place}].source", source, custom=custom)
    for place, operation in enumerate(rule.operations):
        yield from _of_operation(f"{where}.to[{place}].operation", operation)
    unknown = [key for key in unknown_keys(rule) if not key.startswith(FILTER_KEYS)]
    for place, condition in enumerate(rule.conditions):
        at, key = f"{where}.when[{place}]", condition.key
        if key in unknown:
            yield f"{at}.key {key} isn't a key" if key else f"{at} has no key"
        else:
            yield from _of_values(at, key, (*condition.values, *condition.not_values))
        if custom and (key.startswith("request.auth.") or key in _CALLER_KEYS):
            yield f"{at}.key {key} isn't for CUSTOM"


def _of_values(where: str, key: str, values: tuple[str, ...]) -> Iterator[str]:
    """The values of a condition."""
    if not values:
        yield f"{where} has neither values nor notValues for {key}"
    if "" in values:
        yield f"{where} has an empty value for {key}"
    if key == "destination.port":
        yield from _of_ports(where, values)
    elif key.endswith(".ip"):
        yield from _of_addresses(where, values)
    elif key == "source.serviceAccount":
        yield from _of_accounts(where, values)
    elif key == "source.trustDomain":
        yield from (f"{where}: {text} isn't a trust domain{_STAR}" for text in values if _has_star_within(text))


def _of_source(where: str, source: AuthorizationSource, *, custom: bool) -> Iterator[str]:
    if source == AuthorizationSource():
        yield f"{where} is empty"
    accounts = (*source.service_accounts, *source.not_service_accounts)
    if accounts and (source.principals or source.not_principals or source.namespaces or source.not_namespaces):
        yield f"{where} has serviceAccounts beside principals or namespaces"
    yield from _of_accounts(where, accounts)
    yield from _of_addresses(where, (*source.ip_blocks, *source.not_ip_blocks))
    yield from _of_addresses(where, (*source.remote_ip_blocks, *source.not_remote_ip_blocks))
    others = ("principals", "request_principals", "namespaces", "trust_domains")
    if any("" in getattr(source, f"{prefix}{name}") for name in others for prefix in ("", "not_")):
        yield f"{where} has an empty value"
    for text in (*source.trust_domains, *source.not_trust_domains):
        if "/" in text or _has_star_within(text):
            yield f"{where}: {text} isn't a trust domain{_STAR}"
    if custom and any(getattr(source, f"{prefix}{name}") for name in _NOT_FOR_CUSTOM for prefix in ("", "not_")):
        yield f"{where} has fields that aren't for CUSTOM, which knows ipBlocks and remoteIpBlocks only"


def _has_star_within(text: str) -> bool:
    return "*" in text[1:-1] or text.count("*") > 1


def _of_operation(where: str, operation: AuthorizationOperation) -> Iterator[str]:
    if operation == AuthorizationOperation():
        yield f"{where} is empty"
    yield from _of_ports(where, (*operation.ports, *operation.not_ports))
    others = ("hosts", "methods", "paths")
    if any("" in getattr(operation, f"{prefix}{name}") for name in others for prefix in ("", "not_")):
        yield f"{where} has an empty value"
    for path in (*operation.paths, *operation.not_paths):
        if problem := _of_path(path):
            yield f"{where}: the path {path} {problem}"


def _of_path(path: str) -> str:
    """Why a path isn't valid: templates stand for whole segments, and those with a template have no other pattern."""
    segments = path.strip("/").split("/")
    if any(segment not in _TEMPLATES and ("{" in segment or "}" in segment) for segment in segments):
        return "has braces, which stand for segments only as {*} and {**}"
    if "{**}" in segments and _TEMPLATES & set(segments[segments.index("{**}") + 1 :]):
        return "has another template behind {**}"
    if _TEMPLATES & set(segments) and not all(segment in _TEMPLATES or _LITERAL.fullmatch(segment) for segment in segments):
        return "has a template beside segments that aren't plain"
    return ""


def _of_accounts(where: str, values: Iterable[str]) -> Iterator[str]:
    several = tuple(values)
    for text in several:
        parts = text.split("/")
        if "*" in text:
            yield f"{where}: serviceAccounts know no star, and it says {text}"
        elif len(parts) > 2 or "" in parts:
            yield f"{where}: a ServiceAccount is NAME or NAMESPACE/NAME, and it says {text!r}"
    if len(several) > _MOST_ACCOUNTS:
        yield f"{where} has more than {_MOST_ACCOUNTS} serviceAccounts"


def _of_ports(where: str, values: Iterable[str]) -> Iterator[str]:
    """Port 0 isn't refused, although no connection has it."""
    yield from (f"{where}: {text!r} isn't a port" for text in values if parse_port(text) is None)


def _of_addresses(where: str, values: Iterable[str]) -> Iterator[str]:
    yield from (f"{where}: {text!r} isn't an address or a network" for text in values if parse_network(text) is None)
