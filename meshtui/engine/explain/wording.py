"""The text of every reason: one row for each code. No other module of the engine writes sentences, and no code parses them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from meshtui.engine.decision.ruling import depends_on_request
from meshtui.engine.explain.rules import (
    authorization_rule_in_words,
    http_rule_in_words,
    match_in_words,
    names,
    network_rule_in_words,
)
from meshtui.model.cilium import HttpRule
from meshtui.model.constants import HBONE_PORT
from meshtui.model.gateway import RouteMatch
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationRule
from meshtui.model.reading import Skipped
from meshtui.model.reason import Caller, Code, PortSeen, Reason
from meshtui.model.verdict import Decider, Layer
from meshtui.model.workload import MeshMode

_MOST_REQUESTS = 12
"""The http rules of policies that are shown at most."""
_Fields = Mapping[str, Any]
_Words = str | Callable[..., str]
"""A template, filled with the fields formatted by ``_shown``, or a function with the fields as keyword arguments."""


def in_words(reason: Reason | None) -> str:
    """A reason as a sentence without a full stop; empty for None."""
    if reason is None:
        return ""
    row = _ON_REQUEST.get(reason.code)
    if row is None:
        return _filled(_WORDS[reason.code], reason)
    said = _filled(row, reason)
    return f"depends on the request: {said}" if depends_on_request(reason) else said


def _filled(row: _Words, reason: Reason) -> str:
    fields = dict(reason.fields)
    if callable(row):
        return row(**fields)
    return row.format(**{name: _shown(value) for name, value in fields.items()})


def _shown(value: Hashable) -> str:
    match value:
        case Reason():
            return in_words(value)
        case Decider():
            return f"{value.ref} {value.rule}" if value.rule else str(value.ref)
        case Caller():
            return _caller(value)
        case PortSeen():
            return _port(value)
        case AuthorizationRule():
            return authorization_rule_in_words(value)
        case tuple() if value and all(isinstance(item, ObjectRef) for item in value):
            return names([item for item in value if isinstance(item, ObjectRef)])
        case tuple():
            return ", ".join(map(_shown, value))
    return str(value)


def _caller(caller: Caller) -> str:
    if caller.principal:
        return f"identity {caller.principal}"
    return f"{caller.name} without an identity" if caller.name else "a client without an identity"


def _port(port: PortSeen) -> str:
    tunnel = f" (as HBONE: NetworkPolicy sees the tunnel to {HBONE_PORT}, not the app's port)" if port.tunnelled else ""
    return f"{port.protocol} {port.number}{tunnel}"


def _admin_name(name: str) -> str:
    return f" “{name}”" if name else ""


def _admin_rule(rule: Decider, name: str, action: str, port: PortSeen) -> str:
    return f"{_shown(rule)}{_admin_name(name)}: {action} {_shown(port)}"


def _admin_rule_by_name(rule: Decider, name: str, action: str, names: tuple[str, ...]) -> str:
    which = f"{', '.join(names)}; which addresses those are, only the CNI knows"
    return f"{_shown(rule)}{_admin_name(name)}: {action} for {which}"


def _admin_rule_by_address(rule: Decider, name: str, action: str, networks: tuple[str, ...], pod: str) -> str:
    return f"{_shown(rule)}{_admin_name(name)}: {action} for {', '.join(networks)}; the address of {pod} isn't known"


def _admin_rule_by_namespace(rule: Decider, name: str, action: str, why: Reason) -> str:
    return f"{_shown(rule)}{_admin_name(name)}: {action} by labels of namespaces; {in_words(why)}"


def _admin_rule_by_port(rule: Decider, name: str, action: str, port: PortSeen, pod: str) -> str:
    why = f"it has a named port, and {pod} is on the host network, where CNIs don't all look names up"
    return f"{_shown(rule)}{_admin_name(name)}: {action} for {_shown(port)} perhaps; {why}"


def _network_rule_allows(rule: Decider, port: PortSeen, says: Any, direction: str) -> str:
    return f"{_shown(rule)} allows {_shown(port)}: {network_rule_in_words(says, direction)}"


_NOT_IN_THE_MESH = {
    MeshMode.WANTED: " (labelled for ambient, but not captured)",
    MeshMode.NONE: " (not in the mesh)",
}


def _plaintext_refused(source: str, mesh_mode: MeshMode, by: ObjectRef | None, port: int) -> str:
    who = f"{source}{_NOT_IN_THE_MESH.get(mesh_mode, '')} speaks plaintext"
    return f"{who}, and {by or 'the mesh'} demands mutual TLS on port {port} (STRICT)"


def _plaintext_accepted(source: str, mesh_mode: MeshMode, port: int, mode: str) -> str:
    return f"{source}{_NOT_IN_THE_MESH.get(mesh_mode, '')} speaks plaintext, which is accepted on port {port} ({mode})"


def _no_rule_allows(policies: tuple[ObjectRef, ...], caller: Caller, dropped: tuple[str, ...], dropped_by: Layer) -> str:
    said = f"no rule of {names(policies)} allows {_shown(caller)}"
    if not dropped:
        return said
    if dropped_by is Layer.ZTUNNEL:
        why = "need a waypoint: ztunnel leaves them out, and nothing remains to allow"
    else:
        why = "need HTTP, and the proxy sees plain TCP here"
    return f"{said}; rules with {', '.join(dropped)} {why}"


def _token_for_others(issuer: str, audiences: tuple[str, ...]) -> str:
    return f"the token of {issuer} isn't meant for this audience ({', '.join(audiences) or 'it names none'}): 401"


def _token_issuer_unknown(issuer: str, issuers: tuple[str, ...]) -> str:
    return f"the token's issuer {issuer or '(none)'} isn't one of {', '.join(issuers)}: 401"


def _host_pod_may_be_node(pod: str, selected: bool) -> str:
    differs = "which some CNIs see as a pod and others as its node"
    if selected:
        return f"{pod} is on the host network, {differs}: no policy may select it (--cni)"
    return f"{pod} is on the host network, {differs}: a node always reaches its own pods (--cni)"


def _network_rule_by_port(rule: Decider, port: PortSeen, cni: str) -> str:
    read = f"{cni} may read otherwise than the API says" if cni else "CNIs read differently (--cni)"
    return f"{_shown(rule)} may allow {_shown(port)}: it has a named port, a range or SCTP, which {read}"


def _own_rule(rule: Decider, action: str, port: PortSeen, tier: str) -> str:
    does = {"Allow": "allows", "Deny": "denies"}[action]
    return f"{_shown(rule)}{_in_tier(tier)} {does} {_shown(port)}; nothing after it is asked"


def _own_rule_perhaps(rule: Decider, action: str, port: PortSeen, tier: str, why: Reason) -> str:
    does = {"Allow": "allow", "Deny": "deny"}.get(action, "decide about")
    return f"{_shown(rule)}{_in_tier(tier)} may {does} {_shown(port)}: {in_words(why)}"


def _own_tier_end(policies: tuple[ObjectRef, ...], port: PortSeen, direction: str, tier: str) -> str:
    return f"no {direction} rule of {names(policies)} matches {_shown(port)}, and the end{_in_tier(tier, 'of')} denies"


def _own_request_refused(rules: tuple[tuple[HttpRule, Decider], ...], port: PortSeen) -> str:
    return f"no http rule for {_shown(port)} lets the request through: 403; {_passing(rules)}"


def _passing(rules: tuple[tuple[HttpRule, Decider], ...]) -> str:
    shown, more = rules[:_MOST_REQUESTS], len(rules) - _MOST_REQUESTS
    said = " or ".join(f"{http_rule_in_words(rule)} ({_shown(by)})" for rule, by in shown)
    return f"what passes is {said}" + (f" or what {more} more rules say" if more > 0 else "")


def _in_tier(tier: str, word: str = "in") -> str:
    return f" {word} tier {tier}" if tier else ""


def _custom_authorizer(rule: Decider, provider: str) -> str:
    named = f" {provider!r}" if provider else ""
    return f"{_shown(rule)} asks an external authorizer{named}, whose answer isn't known"


def _condition_not_known(rule: Decider, keys: tuple[str, ...]) -> str:
    known = f"{', '.join(keys)}, which isn't modelled" if keys else "what can't be known here (an address, or the server name)"
    return f"{_shown(rule)} reads {known}"


def _several(reasons: tuple[Reason, ...]) -> str:
    return "; ".join(map(in_words, reasons))


def _depends_on_request(
    allows: tuple[tuple[AuthorizationRule, Decider], ...], denies: tuple[tuple[AuthorizationRule, Decider], ...]
) -> str:
    said = (("what passes is", allows), ("what is denied is", denies))
    parts = (f"{start} {' or '.join(f'{_shown(rule)} ({_shown(by)})' for rule, by in found)}" for start, found in said if found)
    return "; ".join(parts)


def _depends_on_protocol(as_http: Reason, as_tcp: Reason) -> str:
    return f"the port's protocol isn't declared. as HTTP: {_on_what(as_http)}; as TCP: {_on_what(as_tcp)}"


def _depends_on_route(routes: tuple[tuple[str, RouteMatch, Decider], ...]) -> str:
    found = (f"{match_in_words(match, host)} ({_shown(rule)})" for host, match, rule in routes)
    return f"what reaches it is {' or '.join(dict.fromkeys(found))}"


_ON_REQUEST: Mapping[Code, _Words] = {
    Code.DEPENDS_ON_REQUEST: _depends_on_request,
    Code.DEPENDS_ON_OWN_RULES: _passing,
    Code.DEPENDS_ON_PROTOCOL: _depends_on_protocol,
    Code.DEPENDS_ON_GATEWAY_POLICIES: "policies that a gateway enforces itself",
    Code.DEPENDS_ON_ROUTE: _depends_on_route,
}
"""The reasons that a known request would settle, or may settle, with the text of what they depend on."""


def _on_what(reason: Reason) -> str:
    row = _ON_REQUEST.get(reason.code)
    return in_words(reason) if row is None else _filled(row, reason)


_AS = {
    MeshMode.NONE: "outside the mesh",
    MeshMode.AMBIENT: "in ambient mode",
    MeshMode.SIDECAR: "with a sidecar",
}


def _membership_not_known(pods: tuple[str, ...], why: tuple[Reason, ...], ways: tuple[tuple[Any, ...], ...]) -> str:
    said = [f"{' and '.join(_AS.get(mode, mode.value) for mode in modes)}: {decision}" for modes, decision in ways]
    whys = "; ".join(map(in_words, dict.fromkeys(why)))
    told = f"how {' and '.join(pods)} {'takes' if len(pods) == 1 else 'take'} part in the mesh isn't known ({whys})"
    return f"{told}; {', '.join(said)}" if ways else told


def _membership_makes_no_difference(pods: tuple[str, ...], why: tuple[Reason, ...]) -> str:
    whys = "; ".join(map(in_words, dict.fromkeys(why)))
    return f"how {' and '.join(pods)} {'takes' if len(pods) == 1 else 'take'} part in the mesh makes no difference here ({whys})"


def _transport_not_known(why: Reason, plaintext: Reason | None, identified: Reason | None) -> str:
    plain, other = (in_words(each) or "it passes" for each in (plaintext, identified))
    return f"{in_words(why)}: in plaintext {plain}; with the caller's identity {other}"


def _transport_makes_no_difference(why: Reason, by: tuple[ObjectRef | None, ...]) -> str:
    deciding = " or ".join(str(ref) if ref else "nothing" for ref in by)
    return f"{in_words(why)}; either way it is the same, decided by {deciding}"


def _no_route_takes_request(kind: str, method: str, path: str, host: str) -> str:
    return f"no {kind} takes {method} {path}{f' at {host}' if host else ''}: the gateway answers 404"


def _route_takes_request(rule: Decider, host: str, match: RouteMatch, backends: tuple[str, ...]) -> str:
    return f"{_shown(rule)} takes {match_in_words(match, host)} and sends it to {', '.join(backends) or 'nobody'}"


def _routed_elsewhere(rule: Decider, backends: tuple[str, ...]) -> str:
    return f"{_shown(rule)} sends this request to {', '.join(backends) or 'nobody'}"


def _files_skipped(files: int, first: Skipped, more: int) -> str:
    count = "1 file" if files == 1 else f"{files} files"
    return f"what was skipped of the manifests decides nothing: {count} ({first}{f'; and {more} more' if more else ''})"


_WORDS: Mapping[Code, _Words] = {
    Code.OWN_NODE: "a pod's own node always reaches it",
    Code.NO_NETWORK_POLICY: "no NetworkPolicy selects {pod} for {direction}",
    Code.ADMIN_RULE: _admin_rule,
    Code.ADMIN_SAME_PRIORITY: "{rule}: policies of one priority have different actions for the pod: their order is undefined",
    Code.ADMIN_ACTION_NOT_MODELLED: "{rule}: action {action!r} isn't modelled",
    Code.ADMIN_RULE_BY_NAME: _admin_rule_by_name,
    Code.ADMIN_RULE_BY_ADDRESS: _admin_rule_by_address,
    Code.ADMIN_RULE_BY_NAMESPACE: _admin_rule_by_namespace,
    Code.ADMIN_RULE_BY_PORT: _admin_rule_by_port,
    Code.NETWORK_RULE_ALLOWS: _network_rule_allows,
    Code.NETWORK_RULE_BY_ADDRESS: "{rule} may allow {port} by an ipBlock: the address of {pod} isn't known",
    Code.NETWORK_RULE_BY_CNI: "{rule} may allow {port} by an ipBlock with the address of {pod}: some CNIs compare blocks with"
    " pods' addresses (Calico), others never do (Cilium), and which one runs isn't known (--cni)",
    Code.NETWORK_RULE_BY_NAMESPACE: "{rule} may allow {port} by a namespaceSelector: {why}",
    Code.NETWORK_RULE_BY_PORT: _network_rule_by_port,
    Code.NETWORK_RULE_BY_HOST_POD: "{rule} may allow {port}: {pod} is on the host network, which some CNIs see as a pod and"
    " others as its node (--cni)",
    Code.HOST_POD_MAY_BE_NODE: _host_pod_may_be_node,
    Code.CNI_ENFORCES_NOTHING: "{cni}: NetworkPolicies aren't enforced",
    Code.OWN_RULE: _own_rule,
    Code.OWN_RULE_PERHAPS: _own_rule_perhaps,
    Code.OWN_TIER_END: _own_tier_end,
    Code.OWN_REQUEST_REFUSED: _own_request_refused,
    Code.OWN_NOTHING_DECIDES: "no rule decides for {pod}, {direction}: it is left open",
    Code.POLICY_MAY_SELECT: "whether {policy} selects the pod depends on labels that aren't known",
    Code.RULE_READS_HTTP: "its http part is enforced by proxies that aren't looked at",
    Code.RULE_WITHOUT_PROTOCOL: "it has ports without a protocol, which the API server refuses",
    Code.POLICY_READ_OTHERWISE: "{cni} reads {policy} otherwise than the API says: {fields}",
    Code.POLICY_NOT_READ: "{policy} has a selector, a field or a tier that can't be evaluated",
    Code.RULE_READS_SOURCE_PORT: "it names ports of the source, which a client chooses anew for each connection",
    Code.RULE_READ_BY_CNI: "it has a named port, a range or SCTP, which {cni} may read otherwise than the API says",
    Code.RULE_READS_REQUEST: "its {field} depends on what is sent, which isn't looked at",
    Code.POLICY_MAY_BE_IGNORED: "{cni} enforces policies of this kind in some releases only",
    Code.PEER_NOT_KNOWN: "whether it means {peer} depends on an address, a name or labels that aren't known",
    Code.CNI_CLOSES_UNSELECTED: "{cni} is set to close pods that no policy selects, and no NetworkPolicy selects {pod}: whether"
    " another policy opens it isn't evaluated",
    Code.CNI_MAY_ENFORCE_NOTHING: "{cni}: whether anything enforces NetworkPolicies isn't known (--cni)",
    Code.NO_NETWORK_RULE_ALLOWS: "no {direction} rule of {policies} allows {port}",
    Code.NOT_MODELLED_MIGHT_ALLOW: "{reason}; what isn't modelled might",
    Code.EVERY_ADDRESS_ALLOWED: "{policy} allows every address",
    Code.CLIENT_ADDRESS_NOT_KNOWN: "a client outside the cluster reaches the gateway's pod from an address that isn't known:"
    " whether an ipBlock holds it can't be told",
    Code.PLAINTEXT_REFUSED: _plaintext_refused,
    Code.PLAINTEXT_ACCEPTED: _plaintext_accepted,
    Code.NO_AUTHORIZATION_POLICY: "no AuthorizationPolicy covers {pod}",
    Code.NO_POLICY_ATTACHED: "no AuthorizationPolicy is attached to {proxy}",
    Code.NOTHING_DENIES: "no DENY rule of {policies} matches {caller}, and no ALLOW policy applies",
    Code.RULE_ALLOWS: "{rule} allows {caller}: {says}",
    Code.RULE_DENIES: "{rule} denies {caller}: {says}",
    Code.RULE_BY_ADDRESS: "{rule} decides by address, and that of {pods} isn't known",
    Code.NO_RULE_ALLOWS: _no_rule_allows,
    Code.NO_TOKEN: "a request without a token passes",
    Code.TOKEN_NOT_KNOWN: "a request with an invalid token is answered 401",
    Code.TOKEN_MALFORMED: "what stands where a token is looked for is no JSON Web Token",
    Code.TOKEN_NOT_VERIFIED: "whether the token in the request is valid isn't known: an invalid one is answered 401",
    Code.TOKEN_ELSEWHERE: "{rule} looks for the token in another place, and whether it is there isn't known",
    Code.TOKEN_ACCEPTED: "the token of {issuer} is accepted by {rule}, if its signature holds",
    Code.TOKEN_FOR_OTHERS: _token_for_others,
    Code.TOKEN_ISSUER_UNKNOWN: _token_issuer_unknown,
    Code.FIELDS_NOT_MODELLED: "{policy} has fields that aren't modelled: {fields}",
    Code.KIND_NOT_MODELLED: "{policy} ({api_version}) may restrict or redirect traffic, and its kind isn't modelled",
    Code.KIND_NOT_READABLE: "{kind} objects can't be seen ({why})",
    Code.DRY_RUN_MAY_BE_ENFORCED: "{policy} is a dry run, which istiod sends to ztunnel: a ztunnel before 1.29 enforces it,"
    " and its version isn't known",
    Code.PROXY_CHANGED: "{by} changes this proxy in ways that aren't modelled",
    Code.CUSTOM_AUTHORIZER: _custom_authorizer,
    Code.DEPENDS_ON_AUTHORIZER: "depends on what the external authorizer lets through, and on the headers that it sets",
    Code.CONDITION_NOT_KNOWN: _condition_not_known,
    Code.SEVERAL: _several,
    Code.MEMBERSHIP_NOT_KNOWN: _membership_not_known,
    Code.NAMESPACE_NOT_KNOWN: "the labels of namespace {namespace} aren't known: add its Namespace to the manifests",
    Code.MESH_CONFIG_NOT_KNOWN: "the mesh's configuration isn't known: {why}",
    Code.NAMESPACE_NOT_DISCOVERED: "istiod may not know namespace {namespace} (discoverySelectors of the mesh's configuration)",
    Code.MEMBERSHIP_CONFIGURED: "{by} changes which pods are in the mesh, which isn't modelled",
    Code.REVISION_NOT_KNOWN: "no control plane of revision {revision} is among the manifests, which have {known}",
    Code.CAPTURE_LOST: "the mesh believes that {pod} is captured, and its data plane isn't: {seen}",
    Code.CAPTURE_PENDING: "{pod} is captured in part: it neither sends nor receives until a ztunnel has accepted it",
    Code.PORT_NOT_CAPTURED: "{pod} excludes port {port} from its sidecar ({annotation})",
    Code.SIDECAR_HBONE_NOT_KNOWN: "whether sidecars use HBONE can't be told from the mesh's configuration"
    " (ISTIO_META_ENABLE_HBONE)",
    Code.TRANSPORT_NOT_KNOWN: _transport_not_known,
    Code.WAYPOINT_NOT_FOR_GATEWAYS: "gateways go past waypoints without the label {label}",
    Code.WAYPOINT_NOT_FOR_PLAINTEXT: "{source} isn't in the mesh: its traffic goes past the waypoint {waypoint}",
    Code.WAYPOINT_NOT_FOR_TRAFFIC: "the waypoint {waypoint} is for {handles} traffic, this is {traffic} traffic",
    Code.WAYPOINT_NOT_FOR_NAMESPACE: "the waypoint {waypoint} doesn't let namespace {namespace} attach (allowedRoutes)",
    Code.WAYPOINT_NOT_READY: "the waypoint {waypoint} isn't ready (no address in its status): Istio goes past it",
    Code.WAYPOINT_WITH_SIDECAR: "how sidecars use the waypoint {waypoint} isn't modelled",
    Code.WAYPOINT_WITH_HEADLESS: "whether a headless Service's pods are reached through {waypoint} isn't modelled",
    Code.WAYPOINT_MISSING: "traffic goes through the waypoint {waypoint}, which isn't there: no Gateway {waypoint}",
    Code.WAYPOINT_CLASS_NOT_MODELLED: "Gateway {waypoint} is of class {gateway_class}: as a waypoint that isn't modelled",
    Code.WAYPOINT_WITHOUT_PODS: "traffic goes through the waypoint {waypoint}, which has no pods",
    Code.ROUTED_IN_MESH: "{route} may send this Service's requests elsewhere at {proxy}, which isn't modelled",
    Code.ROUTED_AT_WAYPOINT: "{route} routes this Service's requests at the waypoint, which isn't modelled",
    Code.BACKEND_TLS_NOT_MODELLED: "{policy} says how proxies connect to {service}, which isn't modelled",
    Code.HOST_NOT_REGISTERED: "no ServiceEntry names {host}: the mesh only sees an address",
    Code.HOST_PORT_NOT_REGISTERED: "{entry} names {host}, but not port {port}: there the mesh only sees an address",
    Code.HOST_PAST_PROXIES: "no proxy of the mesh carries this traffic of {source}: it goes to the address that {host} resolves"
    " to, whatever {entry} says",
    Code.HOST_NOT_RECOGNISED: "{entry} gives ztunnel no address by which it recognises {host} (a wildcard, resolution NONE, or no"
    " automatic address): the traffic goes past the entry and its waypoint, to the address that the client resolves",
    Code.HOST_NOT_EXPORTED: "{entry} isn't exported to {namespace}: ztunnel doesn't read exportTo, a waypoint may",
    Code.ENTRIES_MAY_BE_HIDDEN: "the mesh's serviceEntryVisibility may hide {entry}, which isn't modelled",
    Code.HOST_NAMED_TWICE: "{entries} name {host}: which of them applies isn't modelled",
    Code.REGISTRY_ONLY: "no ServiceEntry that {source} sees names {host} on this port, and its sidecar blocks what isn't"
    " registered (outboundTrafficPolicy REGISTRY_ONLY)",
    Code.ADDRESS_MAY_BE_REGISTERED: "the sidecar blocks what isn't registered (outboundTrafficPolicy REGISTRY_ONLY), and a"
    " ServiceEntry with port {port} may stand for {address}",
    Code.OUTBOUND_MAY_BYPASS: "{annotation} lets traffic of {source} go past its sidecar, depending on its address and port",
    Code.DYNAMIC_DNS_WITHOUT_WAYPOINT: "{host} has resolution DYNAMIC_DNS, which only a waypoint resolves, and none is attached",
    Code.NO_ENDPOINT_BEHIND_HOST: "{entry} has no endpoint for {host}: nobody to judge",
    Code.ENDPOINT_IS_SOCKET: "{endpoint} is a Unix socket: its traffic isn't modelled",
    Code.ENDPOINT_IN_OTHER_NETWORK: "{endpoint} is in the network {network}: the way through its gateway isn't modelled",
    Code.ENDPOINT_TUNNELS: "{endpoint} takes HBONE (networking.istio.io/tunnel): its proxy isn't modelled",
    Code.ENDPOINT_HAS_PROXY: "{endpoint} is a workload of the mesh outside the cluster, whose proxy may enforce {policies}",
    Code.NO_GATEWAY: "no Gateway is known, and a client outside comes through one",
    Code.GATEWAY_CLASS_NOT_MODELLED: "{gateway} is of class {gateway_class}, which isn't Istio's: it isn't modelled",
    Code.GATEWAY_WITHOUT_PODS: "{gateway} has no pods",
    Code.LISTENER_NOT_MODELLED: "the listener {listener} is for {protocol}, whose routes aren't modelled",
    Code.LISTENER_FIELDS_NOT_MODELLED: "the listener {listener} of {gateway} has fields that aren't modelled: {fields}",
    Code.LISTENERS_NOT_MODELLED: "{set} adds listeners to {gateway}, which aren't modelled",
    Code.CERTIFICATE_NEEDED: "the listener {listener} of {gateway} demands a certificate, and whether the client has one isn't"
    " known",
    Code.LISTENER_FOR_HOST: "another listener of this port is for {host}: whether {rule} takes the request isn't known",
    Code.GATEWAY_NOT_EXPOSED: "only Services of type ClusterIP lead to the pods of {gateway}",
    Code.SERVER_NOT_MODELLED: "{server} isn't modelled: {what}",
    Code.SERVER_REDIRECTS_TO_TLS: "{server} redirects requests without TLS",
    Code.NO_ROUTE_LEADS_THERE: "no route leads there: the gateway answers 404",
    Code.NO_ROUTE_TAKES_REQUEST: _no_route_takes_request,
    Code.ROUTE_TAKES_REQUEST: _route_takes_request,
    Code.ROUTED_ELSEWHERE: _routed_elsewhere,
    Code.ROUTE_REDIRECTS: "{rule} redirects the request",
    Code.ROUTE_ANSWERS: "{rule} answers the request itself with {status}",
    Code.ROUTE_ORDER_NOT_KNOWN: "more than one of {rules} takes the request, and the order between {between} isn't defined",
    Code.ROUTE_FIELDS_NOT_MODELLED: "{rule} has fields that aren't modelled: {fields}",
    Code.ROUTE_WITHOUT_BACKEND: "{rule} has no backend: the gateway answers 500",
    Code.ROUTE_EXPRESSION_UNREADABLE: "{rule} has an expression that can't be read",
    Code.ROUTE_KIND_NOT_MODELLED: "{route} leads there from {gateway}, and routes of its kind aren't modelled",
    Code.BACKEND_KIND_NOT_MODELLED: "{backend} as a backend isn't modelled",
    Code.BACKEND_IN_OTHER_NAMESPACE: "{backend} is in another namespace than its route: whether a ReferenceGrant allows it"
    " isn't modelled",
    Code.BACKEND_MISSING: "{rule} sends to {backend}:{port}, which isn't there: {status}",
    Code.BACKEND_WITHOUT_PODS: "{backend} has no pod behind port {port}: 503",
    Code.ITSELF: "a pod always reaches itself",
    Code.NOTHING_SELECTS: "allowed, nothing selects this pod: no policy selects either end",
    Code.WORKLOAD_ENTRY_BEHIND_SERVICE: "{entry} is an endpoint of {service} too, for proxies: it isn't judged",
    Code.SLICE_NOT_READ_BY_ZTUNNEL: "an EndpointSlice leads {service} to {pod}: whether ztunnel does the same isn't known",
    Code.SLICE_PORT_DIFFERS: "an EndpointSlice leads {service} to port {port} of {pod}, and its targetPort is {target}: which one"
    " ztunnel uses isn't known",
    Code.NO_ENDPOINT_ON_NODE: "{service} has no endpoint on {node} (internalTrafficPolicy Local)",
    Code.ADDRESS_OF_SERVICE: "port {port} of {address}, an external address, leads to {service}: name the Service as TO",
    Code.NODE_PORT_OF_SERVICE: "port {port} of the node at {address} leads to {service}: name the Service as TO",
    Code.HOST_PORT_OF_POD: "port {port} of the node at {address} leads to {pod}: name the pod as TO",
    Code.NO_FAMILY_IN_COMMON: "{source} and {destination} have no address family in common, or the Service has another one",
    Code.FAMILY_DECIDES: "the pods have IPv4 and IPv6 addresses, and it matters which: {ipv4} with IPv4, {ipv6} with IPv6;"
    " name an address as TO",
    Code.NO_POD_BEHIND_SERVICE: "{service} has no pod behind port {port}: nobody to judge",
    Code.EXTERNAL_NAME: "{service} is an ExternalName for {host}: outside this cluster",
    Code.NOT_FOUND: "{error}",
    Code.END_GONE: "{source} or {destination} isn't there any more",
    Code.CHANGE_NEW_POLICY: "a new {policy}",
    Code.CHANGE_MORE_RULES: "one more rule in {policy}",
    Code.CHANGE_NARROWER_RULE: "a narrower {rule}, and a second rule: {caller} is still denied on every port but {port}",
    Code.CHANGE_OWN_ACCOUNT: "give {pod} a ServiceAccount of its own, and ask again: it runs as default, and a rule for that"
    " identity would be for every pod of {namespace} that names none",
    Code.CHANGE_NO_LABELS: "no label tells {pod} from other pods of its namespace, so any rule for it would be for others too:"
    " give it a label of its own first",
    Code.CHANGE_PATH_PATTERN: "a policy would read the path {path} as a pattern, so a rule for this request would be for others"
    " too",
    Code.CHANGE_ROOT_NAMESPACE: "{pod} is in the root namespace {namespace}, where policies may apply to the whole mesh: no rule"
    " is proposed there",
    Code.CHANGE_CLUSTER_POLICY: "{rule} is for the whole cluster and can't be overridden by a policy of the namespace: only its"
    " owner can put a rule before it",
    Code.CHANGE_SHARED_POLICY: "{policies} decides for others too, so no rule is proposed there: its owner has to make the"
    " exception",
    Code.CHANGE_JOIN_MESH: "put {source} into the mesh (label istio.io/dataplane-mode=ambient on the pod or its namespace): it"
    " has no identity that a rule could name",
    Code.CHANGE_TOKEN: "send a token that {policies} accepts: with another issuer's, or for others, the request ends here",
    Code.CHANGE_ROUTE: "{route} with a rule for {request} and its host, attached to this gateway",
    Code.CHANGE_ROUTING: "{policies} sends this request elsewhere: a rule of its own would have to take it",
    Code.CHANGE_BACKEND: "a Service with ready pods as the route's backendRef, or pods behind the one that it names",
    Code.CHANGE_REGISTER: "a ServiceEntry with this host or address and port, exported to the client's namespace",
    Code.CHANGE_HOST_ADDRESS: "an egress rule for the addresses of {host} (ipBlock): which those are isn't known, so none is"
    " proposed",
    Code.ADDRESSES_NOT_TRANSLATED: "pod addresses are compared with ipBlocks as they are: no translation on the way",
    Code.ON_HOST_NETWORK: "{pod} is on the host network: judged as if the CNI told its traffic from its node's",
    Code.AS_ITS_NODE: "{pod} is on the host network: {cni} sees it as its node, which no policy selects",
    Code.FILES_SKIPPED: _files_skipped,
    Code.MESH_CONFIG_NOT_READ: "trust domain {trust_domain} and root namespace {root_namespace}: the mesh's own configuration"
    " can't be read ({why})",
    Code.CNI_CONFIG_NOT_READ: "{cni} with its default settings: its ConfigMap can't be read ({why})",
    Code.DISABLE_PORT_IGNORED: "ambient ignores a DISABLE port under an inherited STRICT mode: the port stays strict",
    Code.STRICT_PORTS_DROPPED: "ambient drops the STRICT ports of a lenient workload under a STRICT mesh: plaintext passes"
    " even there",
    Code.STRICT_MODE_LOST: "ambient loses an inherited STRICT mode when namespace and workload are UNSET with a lenient port:"
    " plaintext passes",
    Code.TUNNEL_NOT_KNOWN: "whether {pod} takes HBONE can't be told",
    Code.ADDRESS_PAST_SERVICE: "the sidecar of {source} speaks mutual TLS to {service}, and plaintext to a pod's address",
    Code.SERVICE_NOT_KNOWN_TO_SIDECAR: "a Sidecar object hides {service} from the sidecar of {source}",
    Code.SERVICE_NOT_EXPORTED: "{service} isn't exported to {namespace}: its sidecars don't know it",
    Code.THROUGH_A_SERVICE: "{source} connects through {service}:{port}: to a pod's address its sidecar sends plaintext",
    Code.MEMBERSHIP_MAKES_NO_DIFFERENCE: _membership_makes_no_difference,
    Code.TRANSPORT_MAKES_NO_DIFFERENCE: _transport_makes_no_difference,
    Code.WAYPOINT_AS_DEPLOYED: "the waypoint {waypoint} runs as Istio deploys it, as ServiceAccount {account}",
    Code.CLIENT_OUTSIDE: "a client outside the cluster reaches the gateway's pod from an address that isn't known",
    Code.CLIENT_REACHES_GATEWAY: "clients outside reach {gateway}: something forwards to its Services of type ClusterIP",
    Code.CLIENT_HAS_CERTIFICATE: "the client has a certificate that {server} accepts (TLS mode MUTUAL)",
    Code.HOST_BY_DNS_CAPTURE: "ztunnel answers the client's DNS question for {host} with the address of {entry} (DNS capture, and"
    " automatic addresses where it has none: Istio's default since 1.25)",
    Code.OUTBOUND_ANY_ASSUMED: "sidecars may reach what isn't registered (outboundTrafficPolicy ALLOW_ANY, Istio's default): no"
    " ConfigMap of the mesh is known",
    Code.HOST_AS_ROUTED: "the request carries a host that the route takes",
}


_EFFECT: Mapping[str, str] = {
    "also_opens": "this would also let in {count} that you didn't ask for:",
    "also_closes": "this would also close {count}:",
    "more": "and {count} more",
    "fill_in": "{blank} is for you to fill in: the client's addresses as this policy sees them aren't known here, and what else"
    " they let in isn't counted",
    "enough": "checked with a what-if: all of this together makes the verdict allow",
    "enough_and_exact": "checked with a what-if: all of this together makes the verdict allow, and opens nothing else",
    "not_enough": "not enough: with all of this the verdict is still {decision}",
    "not_enough_alone": "not enough: with these edits alone the verdict is still {decision}; the steps without one need their"
    " change too",
    "left_out": "not compared: {what}",
}


def effect_words(word: str, **fields: object) -> str:
    """A sentence on the effect of changes. ``count`` is a number of pairs of workloads."""
    shown = {name: _pairs(value) if name == "count" and word != "more" else value for name, value in fields.items()}
    return _EFFECT[word].format(**shown)


def _pairs(count: object) -> str:
    return f"{count} {'pair' if count == 1 else 'pairs'} of workloads"
