"""How a gateway enforces RequestAuthentications and AuthorizationPolicies: HTTP, tokens, claims.

The rules are those of istio/istio ``pilot/pkg/security/authz`` for a workload that isn't a waypoint.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from meshtui.sandbox.dataplane.authz import is_dry_run, networks
from meshtui.sandbox.dataplane.rbac import cidr
from meshtui.sandbox.dataplane.selectors import equals_all
from meshtui.sandbox.dataplane.world import Pod, World
from meshtui.sandbox.ports import Obj

Json = dict[str, Any]

_HTTP = "type.googleapis.com/envoy.extensions.filters.http"
_JWT = "envoy.filters.http.jwt_authn"
_ANY: Json = {"any": True}
_NEVER_ID: Json = {"not_id": _ANY}
_CLAIM = re.compile(r"request\.auth\.claims((?:\[[^]]+\])+)")
_HEADER = re.compile(r"request\.headers\[([^]]+)\]")


def applies(world: World, policy: Obj, pod: Pod, gateway: Obj) -> bool:
    """Whether a policy applies to this gateway: by targetRefs, by selector, or to its whole namespace."""
    if is_dry_run(policy):
        return False
    spec, namespace = policy.get("spec") or {}, policy["metadata"]["namespace"]
    refs = spec.get("targetRefs") or ([spec["targetRef"]] if spec.get("targetRef") else [])
    if refs:
        return namespace == pod.namespace and any(
            ref.get("kind") == "Gateway" and ref.get("name") == gateway["metadata"]["name"] for ref in refs
        )
    if namespace not in {pod.namespace, world.root_namespace}:
        return False
    selector = spec.get("selector")
    return selector is None or equals_all(selector.get("matchLabels") or {}, pod.labels)


def jwt_filters(policies: Iterable[Obj], fetch_cluster: Callable[[str], str]) -> list[Json]:
    """Return the filter that verifies tokens: an invalid one is answered 401, a missing one is accepted."""
    providers: Json = {}
    for policy in policies:
        for index, rule in enumerate((policy.get("spec") or {}).get("jwtRules") or []):
            name = f"{policy['metadata']['namespace']}/{policy['metadata']['name']}/{index}"
            providers[name] = _provider(rule, fetch_cluster)
    if not providers:
        return []
    anyone = {"requirements": [*({"provider_name": name} for name in providers), {"allow_missing": {}}]}
    config = {
        "@type": f"{_HTTP}.jwt_authn.v3.JwtAuthentication",
        "providers": providers,
        "rules": [{"match": {"prefix": "/"}, "requires": {"requires_any": anyone}}],
    }
    return [{"name": _JWT, "typed_config": config}]


def _provider(rule: Obj, fetch_cluster: Callable[[str], str]) -> Json:
    made: Json = {
        "issuer": rule.get("issuer", ""),
        "forward": bool(rule.get("forwardOriginalToken")),
        "payload_in_metadata": "payload",
    }
    if rule.get("audiences"):
        made["audiences"] = rule["audiences"]
    if rule.get("fromHeaders"):
        made["from_headers"] = [{"name": each["name"], "value_prefix": each.get("prefix", "")} for each in rule["fromHeaders"]]
    if rule.get("fromParams"):
        made["from_params"] = rule["fromParams"]
    if rule.get("outputPayloadToHeader"):
        made["forward_payload_header"] = rule["outputPayloadToHeader"]
    if rule.get("jwksUri") and not rule.get("jwks"):
        uri = rule["jwksUri"]
        made["remote_jwks"] = {
            "http_uri": {"uri": uri, "cluster": fetch_cluster(uri), "timeout": "5s"},
            "cache_duration": "20s",
        }
    else:
        made["local_jwks"] = {"inline_string": rule.get("jwks") or '{"keys":[]}'}
    return made


def rbac_filters(policies: Iterable[Obj]) -> list[Json]:
    """Return the filters that answer 403: first DENY, then ALLOW if any ALLOW policy applies."""
    filters = []
    chosen = list(policies)
    for action in ("DENY", "ALLOW"):
        mine = [each for each in chosen if (each.get("spec") or {}).get("action", "ALLOW") == action]
        if not mine:
            continue
        rules = {
            f"ns[{each['metadata']['namespace']}]-policy[{each['metadata']['name']}]-rule[{index}]": _rule(rule or {})
            for each in mine
            for index, rule in enumerate((each.get("spec") or {}).get("rules") or [])
        }
        config = {"@type": f"{_HTTP}.rbac.v3.RBAC", "rules": {"action": action, "policies": rules}}
        filters.append({"name": action.lower(), "typed_config": config})
    return filters


def _rule(rule: Obj) -> Json:
    ids, rules = [], []
    if rule.get("from"):
        ids.append(_or_ids([_source((each or {}).get("source") or {}) for each in rule["from"]]))
    if rule.get("to"):
        rules.append(_or_rules([_operation((each or {}).get("operation") or {}) for each in rule["to"]]))
    for condition in rule.get("when") or []:
        key = condition.get("key", "")
        if key in {"destination.port", "destination.ip", "connection.sni"}:
            rules.append(_both(condition, partial(_permission_for, key), _or_rules, "not_rule"))
        else:
            ids.append(_both(condition, partial(_principal_for, key), _or_ids, "not_id"))
    return {
        "principals": [{"and_ids": {"ids": ids}} if ids else _ANY],
        "permissions": [{"and_rules": {"rules": rules}} if rules else _ANY],
    }


def _both(condition: Obj, render: Callable[[str], Json], any_of: Callable[[list[Json]], Json], negation: str) -> Json:
    every: list[Json] = []
    if condition.get("values"):
        every.append(any_of([render(value) for value in condition["values"]]))
    if condition.get("notValues"):
        every.append({negation: any_of([render(value) for value in condition["notValues"]])})
    key, many = ("and_ids", "ids") if negation == "not_id" else ("and_rules", "rules")
    return {key: {many: every or [_ANY]}}


_SOURCE_FIELDS = {
    "principals": "source.principal",
    "requestPrincipals": "request.auth.principal",
    "namespaces": "source.namespace",
    "ipBlocks": "source.ip",
    "remoteIpBlocks": "remote.ip",
    "serviceAccounts": "source.serviceAccount",
}
_OPERATION_FIELDS = ("hosts", "ports", "methods", "paths")


def _negated(field: str) -> str:
    return "not" + field[0].upper() + field[1:]


def _source(source: Obj) -> Json:
    every: list[Json] = []
    for field, key in _SOURCE_FIELDS.items():
        if source.get(field):
            every.append(_or_ids([_principal_for(key, value) for value in source[field]]))
        if source.get(_negated(field)):
            every.append({"not_id": _or_ids([_principal_for(key, value) for value in source[_negated(field)]])})
    return {"and_ids": {"ids": every or [_ANY]}}


def _operation(operation: Obj) -> Json:
    every: list[Json] = []
    for field in _OPERATION_FIELDS:
        if operation.get(field):
            every.append(_or_rules([_permission_for(field, value) for value in operation[field]]))
        if operation.get(_negated(field)):
            every.append({"not_rule": _or_rules([_permission_for(field, value) for value in operation[_negated(field)]])})
    return {"and_rules": {"rules": every or [_ANY]}}


def _principal_for(key: str, value: str) -> Json:
    if key in {"source.ip", "remote.ip"}:
        found = networks([value])
        # There is no proxy in front of the gateway: the peer is the original client.
        return {"remote_ip": cidr(found[0])} if found else _NEVER_ID
    if key == "request.auth.principal":
        return _request_principal(value)
    if key in {"request.auth.audiences", "request.auth.presenter"}:
        return _claim([{"request.auth.audiences": "aud", "request.auth.presenter": "azp"}[key]], _text(value))
    if claim := _CLAIM.fullmatch(key):
        return _claim(re.findall(r"\[([^]]+)\]", claim[1]), _text(value))
    if header := _HEADER.fullmatch(key):
        return {"header": {"name": header[1], "string_match": _text(value)}}
    # A gateway's clients have no certificate: identities of the mesh never match.
    return _NEVER_ID


def _request_principal(value: str) -> Json:
    """Compare ``ISSUER/SUBJECT``. A token counts as present if it has both."""
    if value == "*":
        issuer, subject = "*", "*"
    elif value.startswith("*/") or "/" not in value:
        issuer, subject = "*", value.removeprefix("*/")
    else:
        issuer, _, subject = value.rpartition("/")
    return {"and_ids": {"ids": [_claim(["iss"], _text(issuer)), _claim(["sub"], _text(subject))]}}


def _claim(path: list[str], text: Json) -> Json:
    def metadata(value: Json) -> Json:
        keys = [{"key": key} for key in ("payload", *path)]
        return {"metadata": {"filter": _JWT, "path": keys, "value": value}}

    # A claim is a string or a list of strings.
    listed = {"list_match": {"one_of": {"string_match": text}}}
    return _or_ids([metadata({"string_match": text}), metadata(listed)])


def _permission_for(key: str, value: str) -> Json:
    match key:
        case "hosts":
            return {"header": {"name": ":authority", "string_match": {**_text(value), "ignore_case": True}}}
        case "methods":
            return {"header": {"name": ":method", "string_match": _text(value)}}
        case "paths":
            return {"url_path": {"path": _path(value)}}
        case "ports" | "destination.port":
            return {"destination_port": int(value)} if str(value).isdigit() else {"not_rule": _ANY}
        case "destination.ip":
            found = networks([value])
            return {"destination_ip": cidr(found[0])} if found else {"not_rule": _ANY}
        case _:
            return {"requested_server_name": _text(value)}


def _path(value: str) -> Json:
    if "{*}" not in value and "{**}" not in value:
        return _text(value)
    parts = re.split(r"(\{\*\*\}|\{\*\})", value)
    wild = {"{*}": "[^/]+", "{**}": ".*"}
    return {"safe_regex": {"regex": "".join(wild.get(part, re.escape(part)) for part in parts)}}


def _text(value: str) -> Json:
    if value == "*":
        return {"safe_regex": {"regex": ".+"}}
    if value.startswith("*"):
        return {"suffix": value[1:]}
    if value.endswith("*"):
        return {"prefix": value[:-1]}
    return {"exact": value}


def _or_ids(ids: list[Json]) -> Json:
    return ids[0] if len(ids) == 1 else {"or_ids": {"ids": ids}}


def _or_rules(rules: list[Json]) -> Json:
    return rules[0] if len(rules) == 1 else {"or_rules": {"rules": rules}}
