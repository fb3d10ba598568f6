"""Advice on a verdict: what the client sees, log lines, the least changes with their effect, and the objects to look at."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from meshtui.engine.decision.ruling import depends_on_request
from meshtui.engine.endpoints import Endpoint, Target
from meshtui.engine.engine import Engine
from meshtui.engine.explain.effect import Effect, proposed
from meshtui.engine.explain.proposals import Change
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.path.layers import network_port
from meshtui.logs import ztunnel
from meshtui.model.cni import Cni
from meshtui.model.constants import HBONE_PORT, NETWORK_LAYERS
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow
from meshtui.model.reason import Code, Reason
from meshtui.model.verdict import CLOSED, Decision, Layer, Verdict

_SEEN = {
    "connected": "the connection opens; what the application answers is its own business",
    "timeout": "nothing: the connection never opens, or opens and stays silent, until the client gives up",
    "closed": "the connection opens and is closed before a byte arrives (HTTP: empty reply or reset)",
    "refused": "the connection is refused",
    "http_401": "HTTP 401",
    "http_403": "HTTP 403 “RBAC: access denied”",
    "http_404": "HTTP 404 from the gateway: no route matches",
    "http_500": "HTTP 500 from the gateway: its route leads to nothing that is there",
    "http_502": "HTTP 502 from its own sidecar: the host isn't registered",
    "http_503": "HTTP 503 from the proxy: nobody behind it takes the request",
    "unknown": "not known",
}

_ACCESS_LOG = {
    "closed": "rbac_access_denied_matched_policy",
    "unknown": "the request with another Service as its upstream cluster",
    "http_401": "401 and jwt_authn_access_denied",
    "http_403": "403 and rbac_access_denied_matched_policy",
    "http_404": "404 NR route_not_found",
    "http_500": "500",
    "http_502": "502 and direct_response",
    "http_503": "503 UH no_healthy_upstream",
}
"""Response code, flags and details as Envoy logs them (envoyproxy.io: access logging, response code details)."""
_BY_REASON = {
    Code.PLAINTEXT_REFUSED: "NR filter_chain_not_found",
    Code.REGISTRY_ONLY: "UH, and the upstream cluster BlackHoleCluster",
}
"""The same for connections that are closed without a policy on requests."""
_REDIRECTS = frozenset({Code.ROUTE_REDIRECTS, Code.SERVER_REDIRECTS_TO_TLS})


@dataclass(frozen=True, slots=True)
class Advice:
    """Advice on a verdict.

    ``changes`` are what each blocking step needs, in order; ``effect`` is what all their edits together would do, None when there
    are no edits.
    """

    client_sees: str
    log_lines: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    effect: Effect | None = None
    commands: tuple[str, ...] = ()
    next_step: str = ""


def advise(engine: Engine, flow: Flow, verdict: Verdict, known: Matrix | None = None, *, propose: bool = True) -> Advice:
    """Advice on the verdict of this engine on this flow. Changes are only looked for when something denies it.

    ``known`` is a Matrix of the engine's snapshot, if there is one: the what-if of the changes starts from it. Without
    ``propose`` no changes are looked for: those need a what-if, which takes a second or two in a cluster of 10,000 pods.
    """
    seen = _client_sees(verdict)
    commands = tuple(_command(decider) for decider in _objects(verdict))
    if verdict.decision is Decision.ALLOW:
        step = "policy lets it through: if it fails all the same, the answer is in the application (meshtui checkout, a probe)"
        return Advice(seen, commands=commands, next_step=step)
    if verdict.decision is Decision.UNKNOWN:
        by_request = flow.http is None and any(depends_on_request(step.reason) for step in verdict.steps)
        step = "name the request: --method and --path" if by_request else "a probe tells what policy can't: meshtui probe"
        missing = sorted({name for each in verdict.steps for name in _missing_namespaces(each.reason)})
        if missing:
            step = f"add the manifest of the Namespace to the others: kubectl get namespace {' '.join(missing)} -o yaml"
        elif flow.destination.kind is EndpointKind.HOST and not by_request:
            step = "name an address that the host resolves to, as 203.0.113.7:443: verdicts on addresses are exact"
        return Advice(seen, commands=commands, next_step=step)
    try:
        source, target = _pair(engine, flow, verdict)
        changes, effect = proposed(engine, flow, verdict, known) if propose else ((), None)
    except UsageError:
        return Advice(seen, commands=commands)
    lines = _log_lines(source, target, verdict, engine.snapshot.cni)
    return Advice(seen, lines, changes, effect, commands, "meshtui probe proves it")


def _client_sees(verdict: Verdict) -> str:
    code, status = verdict.reason.code if verdict.reason else None, verdict.outcome.removeprefix("http_")
    if verdict.decision is Decision.DENY and code in _REDIRECTS:
        return f"HTTP {status} from the gateway: it sends the client to another address"
    if verdict.decision is Decision.DENY and code is Code.ROUTE_ANSWERS:
        return f"HTTP {status} from the gateway: a route answers the request itself"
    if verdict.decision is Decision.DENY and code is Code.OWN_REQUEST_REFUSED:
        return f"HTTP {status} “Access denied” from the CNI's proxy"
    if verdict.decision is Decision.DENY and code is Code.ROUTED_ELSEWHERE:
        return "what another Service answers"
    return _SEEN.get(verdict.outcome, f"HTTP {status}" if status != verdict.outcome else verdict.outcome)


def _missing_namespaces(reason: Hashable) -> Iterator[str]:
    """The namespaces whose labels a reason, or one of those inside it, says aren't known."""
    if isinstance(reason, tuple):
        for each in reason:
            yield from _missing_namespaces(each)
    if isinstance(reason, Reason):
        if reason.code is Code.NAMESPACE_NOT_KNOWN:
            yield str(reason["namespace"])
        yield from _missing_namespaces(tuple(value for _, value in reason.fields))


def _pair(engine: Engine, flow: Flow, verdict: Verdict) -> tuple[Endpoint, Target]:
    """The endpoints of the verdict; for a mixed verdict, those of its first denial."""
    resolved = engine.resolver.resolve(flow)
    denied = next((p for p in verdict.pairs if p.verdict.decision is Decision.DENY), None)
    sources = [s for s in resolved.sources if denied is None or s.name == denied.source]
    targets = [t for t in resolved.targets if denied is None or t.endpoint.name == denied.destination]
    if not sources or not targets:
        raise UsageError(f"{flow.destination} has nobody behind it")
    return sources[0], targets[0]


def _objects(verdict: Verdict) -> list[str]:
    """The objects to look at, the deciding one first, in kubectl's notation."""
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


def _log_lines(source: Endpoint, target: Target, verdict: Verdict, cni: Cni) -> tuple[str, ...]:
    """The proxies that log a denial, with the text to look for (istio/ztunnel src/proxy.rs; most CNIs log nothing)."""
    here = f"ztunnel on {source.node or 'the node of ' + source.name}"
    there = f"ztunnel on {target.endpoint.node or 'the node of ' + target.endpoint.name}"
    if verdict.layer in NETWORK_LAYERS:
        if network_port(source, target.endpoint, target.port, "TCP") == HBONE_PORT and source.in_ambient:
            return (f"{here}: {ztunnel.TIMED_OUT} {HBONE_PORT}",)
        if verdict.reason is not None and verdict.reason.code is Code.OWN_REQUEST_REFUSED:
            return ("Hubble: hubble observe --type l7 --verdict DROPPED",)
        if cni.name == "cilium":
            return ("no proxy logs it: Cilium drops the packets silently; Hubble: hubble observe --verdict DROPPED",)
        return ("nobody logs it: the CNI drops the packets silently",)
    if verdict.layer is Layer.ZTUNNEL:
        by = verdict.decided_by
        if by is not None and by.rule is None:
            reason = ztunnel.NONE_ALLOWED
        elif by is not None and by.ref.kind == "AuthorizationPolicy":
            reason = f"{ztunnel.EXPLICITLY_DENIED}{by.ref.namespace}/{by.ref.name}"
        else:
            reason = f"{ztunnel.EXPLICITLY_DENIED}…, and no src.identity"
        lines = [f"{there}: {ztunnel.REJECTED}: {reason}"]
        if source.in_ambient:
            lines.append(f"{here}: {ztunnel.UNAUTHORIZED}")
        return tuple(lines)
    code = verdict.reason.code if verdict.reason else None
    own = "the client's own sidecar" if code is Code.REGISTRY_ONLY else f"the {verdict.layer.value}"
    return (f"the access log of {own}: {_access_log(verdict, code)}",)


def _access_log(verdict: Verdict, code: Code | None) -> str:
    status = verdict.outcome.removeprefix("http_")
    if verdict.outcome == CLOSED and code in _BY_REASON:
        return _BY_REASON[code]
    if code in _REDIRECTS or code is Code.ROUTE_ANSWERS:
        return f"{status} and direct_response"
    return _ACCESS_LOG.get(verdict.outcome, status)
