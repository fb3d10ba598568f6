"""What follows from a verdict: what the client sees, the log line to look for, the smallest change, where to look."""

from __future__ import annotations

from dataclasses import dataclass

from meshtui.engine.endpoints import Endpoint, Target
from meshtui.engine.engine import Engine
from meshtui.engine.path.layers import HBONE_PORT, network_port
from meshtui.model.errors import UsageError
from meshtui.model.flow import Flow
from meshtui.model.verdict import CLOSED, Decision, Layer, Verdict

_NETWORK = {Layer.EGRESS_POLICY, Layer.INGRESS_POLICY, Layer.ADMIN_POLICY, Layer.BASELINE_POLICY}
_SEEN = {
    "connected": "the connection opens; what the application answers is its own business",
    "timeout": "nothing: the connection never opens, or opens and stays silent, until the client gives up",
    "closed": "the connection opens and is closed before a byte arrives (HTTP: empty reply or reset)",
    "refused": "the connection is refused",
    "http_401": "HTTP 401",
    "http_403": "HTTP 403 “RBAC: access denied”",
    "http_404": "HTTP 404 from the gateway: no route matches",
    "http_500": "HTTP 500 from the gateway: its route leads to nothing that is there",
    "http_503": "HTTP 503 from the proxy: nobody behind it takes the request",
    "unknown": "not known",
}

_ACCESS_LOG = {
    "closed": "rbac_access_denied_matched_policy",
    "http_401": "401 and jwt_authn_access_denied",
    "http_403": "403 and rbac_access_denied_matched_policy",
    "http_404": "404 NR route_not_found",
    "http_500": "500",
    "http_503": "503 UH no_healthy_upstream",
}
"""Response code, flags and details as Envoy writes them (envoyproxy.io: access logging, response code details)."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a good colleague would add to a verdict. ``changes`` are the smallest ones that would turn it around."""

    client_sees: str
    log_lines: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    next_step: str = ""


def advise(engine: Engine, flow: Flow, verdict: Verdict) -> Advice:
    """Advice on a verdict that this engine gave on this flow."""
    seen = _SEEN.get(verdict.outcome, verdict.outcome)
    commands = tuple(_command(decider) for decider in _objects(verdict))
    if verdict.decision is Decision.ALLOW:
        step = "policy lets it through: if it fails all the same, the answer is in the application (meshtui checkout, a probe)"
        return Advice(seen, commands=commands, next_step=step)
    if verdict.decision is Decision.UNKNOWN:
        by_request = flow.http is None and any(step.reason.startswith("depends on the request") for step in verdict.steps)
        step = "name the request: --method and --path" if by_request else "a probe tells what policy can't: meshtui probe"
        return Advice(seen, commands=commands, next_step=step)
    try:
        source, target = _pair(engine, flow, verdict)
    except UsageError:
        return Advice(seen, commands=commands)
    return Advice(
        seen, _log_lines(source, target, verdict), _changes(flow, source, target, verdict), commands, "meshtui probe proves it"
    )


def _pair(engine: Engine, flow: Flow, verdict: Verdict) -> tuple[Endpoint, Target]:
    """The ends that the verdict is about; of a mixed one, those of its first denial."""
    resolved = engine.resolver.resolve(flow)
    denied = next((p for p in verdict.pairs if p.verdict.decision is Decision.DENY), None)
    sources = [s for s in resolved.sources if denied is None or s.name == denied.source]
    targets = [t for t in resolved.targets if denied is None or t.endpoint.name == denied.destination]
    if not sources or not targets:
        raise UsageError(f"{flow.destination} has nobody behind it")
    return sources[0], targets[0]


def _objects(verdict: Verdict) -> list[str]:
    """The objects to look at, the deciding one first, as kubectl names them."""
    found: dict[str, None] = {}
    deciders = [verdict.decided_by] if verdict.decided_by else []
    deciders += [d for step in verdict.steps if step.layer is verdict.layer for d in step.objects]
    for decider in deciders:
        scope = f"-n {decider.ref.namespace} " if decider.ref.namespace else ""
        found[f"{scope}{decider.ref.kind.lower()} {decider.ref.name}"] = None
    return list(found)[:4]


def _command(words: str) -> str:
    *scope, kind, name = words.split()
    return " ".join(["kubectl", "get", *scope, kind, name, "-o", "yaml"])


def _log_lines(source: Endpoint, target: Target, verdict: Verdict) -> tuple[str, ...]:
    """Who logs a denial, and with which words (istio/ztunnel src/proxy.rs; the CNI logs nothing)."""
    here = f"ztunnel on {source.node or 'the node of ' + source.name}"
    there = f"ztunnel on {target.endpoint.node or 'the node of ' + target.endpoint.name}"
    if verdict.layer in _NETWORK:
        if network_port(source, target.endpoint, target.port, "TCP") == HBONE_PORT and source.in_ambient:
            return (f"{here}: connection timed out, maybe a NetworkPolicy is blocking HBONE port {HBONE_PORT}",)
        return ("nobody logs it: the CNI drops the packets silently",)
    if verdict.layer is Layer.ZTUNNEL:
        by = verdict.decided_by
        if by is not None and by.rule is None:
            reason = "allow policies exist, but none allowed"
        elif by is not None and by.ref.kind == "AuthorizationPolicy":
            reason = f"explicitly denied by: {by.ref.namespace}/{by.ref.name}"
        else:
            reason = "explicitly denied by: …, and no src.identity"
        lines = [f"{there}: connection closed due to policy rejection: {reason}"]
        if source.in_ambient:
            lines.append(f"{here}: http status: 401 Unauthorized")
        return tuple(lines)
    return (f"the access log of the {verdict.layer.value}: {_ACCESS_LOG.get(verdict.outcome, _ACCESS_LOG[CLOSED])}",)


def _changes(flow: Flow, source: Endpoint, target: Target, verdict: Verdict) -> tuple[str, ...]:
    by = verdict.decided_by
    name = str(by.ref) if by else "the policy"
    if verdict.layer in {Layer.EGRESS_POLICY, Layer.INGRESS_POLICY}:
        port = network_port(source, target.endpoint, target.port, flow.protocol)
        if verdict.layer is Layer.EGRESS_POLICY:
            return (f"an egress rule in {name}: to {_who(target.endpoint)} on {flow.protocol} {port}",)
        return (f"an ingress rule in {name}: from {_who(source)} on {flow.protocol} {port}",)
    if verdict.layer in {Layer.ADMIN_POLICY, Layer.BASELINE_POLICY}:
        return (f"a rule of {name} before {by.rule if by else 'it'} that allows it: its rules are read in order",)
    if verdict.layer is Layer.ZTUNNEL and by is not None:
        return _ztunnel_changes(source, target, verdict, name, by.rule)
    return _proxy_changes(flow, source, verdict, name)


def _proxy_changes(flow: Flow, source: Endpoint, verdict: Verdict, name: str) -> tuple[str, ...]:
    """At a waypoint, a sidecar or a gateway: what it answers tells which of its objects to change."""
    asked = f"{flow.http.method} {flow.http.path}" if flow.http else "the request"
    by = verdict.decided_by
    if verdict.outcome == "http_401":
        return (f"send a token that {name} accepts: without one, or with another issuer's, the request ends here",)
    if verdict.outcome == "http_404":
        return (f"an HTTPRoute with a rule for {asked} and its host, attached to this gateway",)
    if verdict.outcome in {"http_500", "http_503"}:
        return ("a Service with ready pods as the route's backendRef, or pods behind the one that it names",)
    if by is None:
        return ()
    if by.rule is not None:
        return (f"take {asked} or this caller out of {name} {by.rule}",)
    who = source.principal or f"{source.name} (it has no identity: put it into the mesh first)"
    return (f"a rule in {name} that allows {asked} from {who}",)


def _ztunnel_changes(source: Endpoint, target: Target, verdict: Verdict, name: str, rule: str | None) -> tuple[str, ...]:
    if verdict.decided_by is not None and verdict.decided_by.ref.kind == "PeerAuthentication":
        return (
            f"put {source.name} into the mesh (label its namespace istio.io/dataplane-mode=ambient)",
            f"or portLevelMtls {target.port}: PERMISSIVE in a PeerAuthentication of its own: plaintext, open to whoever comes",
        )
    if rule is not None:
        return (f"take this caller out of {name} {rule}",)
    if source.principal is None:
        return (f"put {source.name} into the mesh: without an identity, only a rule without one can allow it",)
    changes = [f"principals: [{source.principal}] in a rule of {name}"]
    if source.pod is not None and source.pod.service_account == "default":
        changes.insert(0, f"give {source.name} a ServiceAccount of its own: it runs as default, which no rule names")
    return tuple(changes)


def _who(endpoint: Endpoint) -> str:
    """A endpoint as the peer of a NetworkPolicy."""
    if endpoint.pod is None:
        return f"ipBlock {endpoint.name}"
    ignored = ("pod-template-hash", "controller-revision-hash", "statefulset.kubernetes.io/", "apps.kubernetes.io/")
    labels = [f"{k}={v}" for k, v in sorted(endpoint.labels.items()) if not k.startswith(ignored)]
    return f"pods [{', '.join(labels) or 'any'}] in namespace {endpoint.namespace}"
