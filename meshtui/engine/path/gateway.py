"""Gateways: requests that come in through one, from outside or from a pod, and the hop from it to the Service behind.

Source: gateway.networking.k8s.io/v1 (listeners, HTTPRoute), istio/istio pilot/pkg/model/policyattachment.go (which policies
a gateway enforces), istio/api RequestAuthentication (an invalid token is answered 401, none at all passes).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from meshtui.engine.decision.conclude import conclude
from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.endpoints import Endpoint, Endpoints, Target
from meshtui.engine.path.gateway_address import GATEWAY_NAME
from meshtui.engine.path.hops import Hops, behind
from meshtui.engine.path.question import Asked
from meshtui.engine.path.resolution import Resolved, Resolver
from meshtui.engine.path.routes import SERVED, Choice, Entry, choose, entries, sample
from meshtui.engine.path.waypoint import instances
from meshtui.engine.policy import attachment
from meshtui.engine.policy.l7 import Request
from meshtui.engine.policy.networkpolicy import Direction, rules
from meshtui.engine.policy.proxy import DEPENDS, Proxy, ask
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint, HttpRequest, Jwt
from meshtui.model.gateway import BackendRef, Gateway
from meshtui.model.policy import NetworkPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import UNKNOWN, Decider, Decision, Layer, StepResult, Verdict, http_outcome

_OUTSIDE = "a client outside the cluster reaches the gateway's pod from an address that isn't known"
_HOST = "the request carries a host that the route takes"
_REWRITTEN = "what a URLRewrite changes is not seen by the policies behind the gateway"
_ISTIO = {"istio", "istio-remote"}
Judged = tuple[Endpoint, Target, Verdict]


@dataclass(frozen=True, slots=True)
class _At:
    """A request at one pod of a gateway: where it comes from, and what it asks for."""

    gateway: Gateway
    endpoint: Endpoint
    source: Endpoint
    port: int
    http: HttpRequest
    jwt: Jwt | None


class Gateways:
    """The gateways of one snapshot (waypoints are none of them)."""

    def __init__(self, snapshot: Snapshot, endpoints: Endpoints, hops: Hops, resolver: Resolver) -> None:
        self._snapshot = snapshot
        self._endpoints = endpoints
        self._hops = hops
        self._resolver = resolver
        found = [g for g in snapshot.gateways.values() if not g.is_waypoint]
        self._gateways = sorted(found, key=lambda g: (g.meta.namespace, g.meta.name))
        self._authorizations = tuple(snapshot.authorization_policies.values())
        self._authentications = tuple(snapshot.request_authentications.values())

    # ---- from outside

    def from_outside(self, flow: Flow, resolved: Resolved) -> list[Judged]:
        """A client outside the cluster comes through a gateway: the verdicts on each way to what the flow names."""
        source, blind = resolved.sources[0], list(self._hops.doubts.about_routes())
        if blind:
            return self._all(source, resolved, blind[0])
        own = [(g, t) for t in resolved.targets if (g := self.of(t.endpoint)) is not None]
        if own:
            return [each for gateway, target in own for each in self.through(source, gateway, target, flow.http, flow.jwt)]
        if not self._gateways:
            reason = "no Gateway is known, and a client outside comes through one"
            step = layer_result(Layer.GATEWAY, "gateway", StepResult.UNKNOWN, reason)
            return self._all(source, resolved, step)
        answers = [self._through_to(source, gateway, flow, resolved) for gateway in self._gateways]
        return max(answers, key=_reach)

    def _through_to(self, source: Endpoint, gateway: Gateway, flow: Flow, resolved: Resolved) -> list[Judged]:
        """Through one gateway to the targets of a flow: with a request, by its route; without, whatever routes lead there."""
        if not self._is_istios(gateway):
            reason = f"{gateway.meta.ref} is of class {gateway.class_name}, which isn't Istio's: it isn't modelled"
            return self._all(source, resolved, layer_result(Layer.GATEWAY, str(gateway.meta.ref), StepResult.UNKNOWN, reason))
        pods = instances(self._snapshot, self._endpoints, gateway)
        if not pods:
            reason = f"{gateway.meta.ref} has no pods"
            return self._all(source, resolved, layer_result(Layer.GATEWAY, str(gateway.meta.ref), StepResult.UNKNOWN, reason))
        leading = [entry for entry in entries(self._snapshot, gateway) if self._leads(entry, resolved)]
        if flow.http is not None:
            judged = [each for pod in pods for each in self._request(source, gateway, pod, flow.http, flow.jwt, resolved)]
            strayed = all(verdict.outcome == UNKNOWN and verdict.decision is Decision.DENY for _, _, verdict in judged)
            if leading or not strayed:
                return judged
        if not leading:
            return self._all(source, resolved, _no_route(gateway, "no route leads there"))
        return self._any_request(source, gateway, pods, flow, resolved, leading)

    def _any_request(
        self, source: Endpoint, gateway: Gateway, pods: tuple[Endpoint, ...], flow: Flow, resolved: Resolved, leading: list[Entry]
    ) -> list[Judged]:
        """Of a request nothing is known: denied when every route's sample is; else it depends, and the routes are listed."""
        passing, denied = [], list[Judged]()
        for entry in leading:
            http = sample(entry)
            judged = [] if http is None else self._request(source, gateway, pods[0], http, flow.jwt, resolved)
            if judged and all(verdict.decision is Decision.DENY for _, _, verdict in judged):
                denied += judged
            else:
                passing.append(f"{entry.in_words()} ({entry.route.meta.ref} rules[{entry.index}])")
        if not passing:
            return denied
        reason = f"{DEPENDS}: what reaches it is {' or '.join(dict.fromkeys(passing))}"
        return self._all(source, resolved, layer_result(Layer.GATEWAY, str(gateway.meta.ref), StepResult.UNKNOWN, reason))

    def _request(
        self, source: Endpoint, gateway: Gateway, pod: Endpoint, http: HttpRequest, jwt: Jwt | None, resolved: Resolved
    ) -> list[Judged]:
        """One request from outside through one pod of a gateway, to those of a flow's targets that its route leads to."""
        listeners = [item.port for item in gateway.listeners if item.protocol in SERVED]
        at = _At(gateway, pod, source, listeners[0] if listeners else 80, http, jwt)
        first, choice = self._at_gateway(at, None)
        entry = choice.entry
        if entry is None:
            return [(source, target, conclude(first)) for target in resolved.targets]
        if not self._leads(entry, resolved):
            other = ", ".join(f"{b.namespace}/{b.name}" for b in entry.rule.backends) or "nobody"
            reason = f"{entry.route.meta.ref} rules[{entry.index}] sends this request to {other}"
            stray = layer_result(
                Layer.GATEWAY, _where(gateway), StepResult.BLOCK, reason, decider=_decider(entry), outcome=UNKNOWN
            )
            return [(source, target, conclude([*first, stray])) for target in resolved.targets]
        wanted = {(target.endpoint.name, target.port) for target in resolved.targets}
        judged = [
            each
            for each in self._behind(at, first, entry)
            if (each[1].endpoint.name, each[1].port) in wanted or each[1].endpoint is at.endpoint
        ]
        return judged or [(source, target, conclude(first)) for target in resolved.targets]

    def _leads(self, entry: Entry, resolved: Resolved) -> bool:
        """Whether an entry's rule sends to the Service of a flow, or to a Service in front of its pods."""
        if resolved.service is not None:
            meta, port = resolved.service.meta, resolved.service_port
            numbers = {None, port.number} if port else {None}
            return any((b.namespace, b.name) == (meta.namespace, meta.name) and b.port in numbers for b in entry.rule.backends)
        wanted = {(target.endpoint.name, target.port) for target in resolved.targets}
        return any(
            (target.endpoint.name, target.port) in wanted for backend in entry.rule.backends for target in self._targets(backend)
        )

    @staticmethod
    def _all(source: Endpoint, resolved: Resolved, step: LayerResult) -> list[Judged]:
        return [(source, target, conclude([step])) for target in resolved.targets]

    # ---- to a gateway's own pod

    def of(self, endpoint: Endpoint) -> Gateway | None:
        """The gateway that a pod belongs to."""
        name = endpoint.labels.get(GATEWAY_NAME)
        return next(
            (
                g
                for g in self._gateways
                if name == g.meta.name and endpoint.namespace == g.meta.namespace and endpoint.pod is not None
            ),
            None,
        )

    def through(
        self, source: Endpoint, gateway: Gateway, target: Target, http: HttpRequest | None, jwt: Jwt | None
    ) -> list[Judged]:
        """A request to a gateway's own pod, and on to where its route leads."""
        listener = next((item for item in gateway.listeners if item.port == target.port), None)
        if http is None or listener is None or listener.protocol not in SERVED:
            results = self._first_hop(source, target.endpoint, target.port)
            results += self._hops.doubts.about_gateway(target.endpoint)
            if listener is not None and listener.protocol not in SERVED:
                reason = f"the listener {listener.name} is for {listener.protocol}, whose routes aren't modelled"
                results.append(layer_result(Layer.GATEWAY, _where(gateway), StepResult.UNKNOWN, reason))
            return [(source, target, conclude(results))]
        at = _At(gateway, target.endpoint, source, listener.port, http, jwt)
        first, choice = self._at_gateway(at, listener.port)
        if choice.entry is None:
            return [(source, target, conclude(first))]
        return [(source, target, verdict) for _, _, verdict in self._behind(at, first, choice.entry)]

    # ---- the gateway itself

    def _at_gateway(self, at: _At, port: int | None) -> tuple[list[LayerResult], Choice]:
        """The first hop, the gateway's own policies, and the route; no entry when the gateway answers by itself."""
        results = self._first_hop(at.source, at.endpoint, at.port)
        results += self._hops.doubts.about_proxy(Layer.GATEWAY, "RequestAuthentication")
        pod, ref, root = at.endpoint.pod, at.gateway.meta.ref, self._snapshot.mesh.root_namespace
        if pod is None:
            return results, Choice()
        proxy = Proxy(
            Layer.GATEWAY,
            _where(at.gateway),
            tuple(attachment.to_gateway(self._authorizations, ref, pod, root)),
            tuple(attachment.to_gateway(self._authentications, ref, pod, root)),
            attachment.envoy_filters(self._snapshot, pod),
        )
        blind = next(self._hops.doubts.about_routes(), None)
        if blind is not None:
            choice = Choice(doubt=blind.step.reason)
        else:
            choice = choose(entries(self._snapshot, at.gateway, port), at.http)
        http = at.http
        if not http.host and choice.entry is not None and not choice.entry.host.startswith("*"):
            http = replace(http, host=choice.entry.host)
        request = Request(at.port, source=at.source.address, destination=at.endpoint.address, http=http, jwt=at.jwt)
        results += ask(proxy, request)
        return [*results, *_routed(at, choice)], choice if choice.entry and not choice.entry.rule.redirect else Choice()

    def _first_hop(self, source: Endpoint, gateway: Endpoint, port: int) -> list[LayerResult]:
        """Plaintext to the gateway's pod, on its listener's port."""
        results = self._hops.network(source, gateway, port)
        if source.name != "external":
            return results
        return [self._from_nowhere(o, port) if o.step.layer is Layer.INGRESS_POLICY else o for o in results]

    def _from_nowhere(self, said: LayerResult, port: int) -> LayerResult:
        """NetworkPolicies see a client outside by an address that isn't known: blocks of addresses may or may not hold it."""
        if said.result is not StepResult.BLOCK:
            return said
        policies = {p.meta.ref: p for p in self._snapshot.network_policies.values()}
        selecting = [policies[o.ref] for o in said.step.objects if o.ref in policies]
        found = {block for policy in selecting for block in _blocks(policy, port)}
        if not found:
            return said
        anybody = [ref for ref, index, is_all in sorted(found, key=str) if is_all]
        step = said.step
        if anybody:
            reason = f"{anybody[0]} allows every address"
            return layer_result(step.layer, step.where, StepResult.PASS, reason, objects=step.objects, assumptions=(_OUTSIDE,))
        reason = f"{_OUTSIDE}: whether an ipBlock holds it can't be told"
        return layer_result(step.layer, step.where, StepResult.UNKNOWN, reason, objects=step.objects, assumptions=(_OUTSIDE,))

    def _is_istios(self, gateway: Gateway) -> bool:
        known = next((c for c in self._snapshot.gateway_classes.values() if c.meta.name == gateway.class_name), None)
        return gateway.class_name in _ISTIO or (known is not None and known.controller.startswith("istio.io/"))

    # ---- behind it

    def _behind(self, at: _At, first: list[LayerResult], entry: Entry) -> list[Judged]:
        """The hop from a gateway to each pod of each Service that a rule sends to."""
        own = Target(at.endpoint, at.port)
        weighted = [b for b in entry.rule.backends if b.weight]
        judged: list[Judged] = []
        for backend in weighted:
            said = self._backend(at, first, entry, backend)
            judged += [(at.source, own, conclude([*first, said]))] if isinstance(said, LayerResult) else said
        if weighted:
            return judged
        reason = f"{entry.route.meta.ref} rules[{entry.index}] has no backend: the gateway answers 500"
        return [(at.source, own, conclude([*first, _answer(at.gateway, 500, reason, _decider(entry))]))]

    def _backend(self, at: _At, first: list[LayerResult], entry: Entry, backend: BackendRef) -> LayerResult | list[Judged]:
        name = f"{backend.kind} {backend.namespace}/{backend.name}"
        if backend.kind != "Service":
            return layer_result(Layer.GATEWAY, _where(at.gateway), StepResult.UNKNOWN, f"{name} as a backend isn't modelled")
        if backend.namespace != entry.route.meta.namespace:
            reason = f"{name} is in another namespace than its route: whether a ReferenceGrant allows it isn't modelled"
            return layer_result(Layer.GATEWAY, _where(at.gateway), StepResult.UNKNOWN, reason)
        resolved = self._resolved(backend)
        if resolved is None or resolved.service is None:
            reason = f"{entry.route.meta.ref} rules[{entry.index}] sends to {name}:{backend.port}, which isn't there: 500"
            return _answer(at.gateway, 500, reason, _decider(entry))
        if not resolved.targets:
            return _answer(at.gateway, 503, f"{name} has no pod behind port {backend.port}: 503", _decider(entry))
        asked = Asked("TCP", resolved.service, resolved.service_port, at.http, at.jwt)
        return [
            (at.source, target, conclude([*first, *behind(way, http=True)]))
            for target in resolved.targets
            for way in self._hops.ways(at.endpoint, target.endpoint, target.port, asked)
        ]

    def _targets(self, backend: BackendRef) -> tuple[Target, ...]:
        found = self._resolved(backend)
        return found.targets if found else ()

    def _resolved(self, backend: BackendRef) -> Resolved | None:
        end = FlowEndpoint(EndpointKind.SERVICE, backend.namespace, backend.name)
        try:
            return self._resolver.resolve(Flow(FlowEndpoint(EndpointKind.EXTERNAL), end, backend.port))
        except UsageError:
            return None


def _where(gateway: Gateway) -> str:
    return f"gateway {gateway.meta.namespace}/{gateway.meta.name}"


def _decider(entry: Entry) -> Decider:
    return Decider(entry.route.meta.ref, f"rules[{entry.index}]")


def _answer(gateway: Gateway, status: int, reason: str, decider: Decider) -> LayerResult:
    outcome = http_outcome(status)
    return layer_result(Layer.GATEWAY, _where(gateway), StepResult.BLOCK, reason, decider=decider, outcome=outcome)


def _no_route(gateway: Gateway, why: str) -> LayerResult:
    return _answer(gateway, 404, f"{why}: the gateway answers 404", Decider(gateway.meta.ref))


def _routed(at: _At, choice: Choice) -> Iterator[LayerResult]:
    """The gateway's routing as an result: no route, a redirect, or where it sends."""
    entry, where = choice.entry, _where(at.gateway)
    if choice.doubt:
        yield layer_result(Layer.GATEWAY, where, StepResult.UNKNOWN, choice.doubt)
    elif entry is None:
        host = f" at {at.http.host}" if at.http.host else ""
        yield _no_route(at.gateway, f"no HTTPRoute takes {at.http.method} {at.http.path}{host}")
    else:
        decider = _decider(entry)
        if entry.rule.redirect:
            yield _answer(at.gateway, entry.rule.redirect, f"{decider.ref} {decider.rule} redirects the request", decider)
            return
        if "ExtensionRef" in entry.rule.filters:
            yield layer_result(
                Layer.GATEWAY, where, StepResult.UNKNOWN, f"{decider.ref} {decider.rule} has a filter that isn't modelled"
            )
        assumed = [] if at.http.host or entry.host == "*" else [_HOST]
        assumed += [_REWRITTEN] if "URLRewrite" in entry.rule.filters else []
        sent = ", ".join(f"{b.namespace}/{b.name}:{b.port}" for b in entry.rule.backends)
        reason = f"{decider.ref} {decider.rule} takes {entry.in_words()} and sends it to {sent or 'nobody'}"
        yield layer_result(Layer.GATEWAY, where, StepResult.PASS, reason, decider=decider, assumptions=tuple(assumed))


def _reach(judged: list[Judged]) -> tuple[int, int]:
    """How far a gateway lets a flow go: the one that lets it through counts, then the one that isn't sure."""
    decisions = {verdict.decision for _, _, verdict in judged}
    order = [Decision.ALLOW, Decision.MIXED, Decision.UNKNOWN, Decision.DENY]
    best = min((order.index(decision) for decision in decisions), default=len(order))
    depth = max((len(verdict.steps) for _, _, verdict in judged), default=0)
    return -best, depth


def _blocks(policy: NetworkPolicy, port: int) -> Iterable[tuple[object, int, bool]]:
    """The ingress rules of a policy that let blocks of addresses reach a port: (policy, rule, whether every address)."""
    for index, rule in enumerate(rules(policy, Direction.INGRESS)):
        if rule.ports and not any(_has(p.port, p.end_port, p.protocol, port) for p in rule.ports):
            continue
        for peer in rule.peers:
            if peer.ip_block is not None:
                yield policy.meta.ref, index, peer.ip_block.cidr in {"0.0.0.0/0", "::/0"} and not peer.ip_block.excepts


def _has(number: int | str | None, end: int | None, protocol: str, port: int) -> bool:
    """Whether a port entry may hold a port; a name may."""
    if protocol != "TCP":
        return False
    return not isinstance(number, int) or number <= port <= (number if end is None else end)
