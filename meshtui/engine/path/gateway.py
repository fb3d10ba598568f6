"""Gateways: requests that enter through one, from outside or from a pod, and the hop from it to the Service.

Gateways of the Gateway API with HTTPRoutes, and Istio's own with VirtualServices (``entrances``).

Source: gateway.networking.k8s.io/v1 (listeners, HTTPRoute), istio/istio pilot/pkg/model/policyattachment.go (which policies a
gateway enforces), istio/api RequestAuthentication (an invalid token gets a 401, a request without a token passes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from meshtui.engine.decision.conclude import conclude
from meshtui.engine.decision.layer_result import LayerResult, layer_result, on_hop
from meshtui.engine.endpoints import Endpoint, Endpoints, Target
from meshtui.engine.path.entrances import Entrance, IstioEntrances, of_listeners
from meshtui.engine.path.hops import Hops, behind
from meshtui.engine.path.memberships import Judged
from meshtui.engine.path.question import Question
from meshtui.engine.path.resolution import Resolved, Resolver
from meshtui.engine.path.routes import SERVED, Choice, Entry, sample
from meshtui.engine.path.virtual_routes import rewritten
from meshtui.engine.path.waypoint import instances
from meshtui.engine.policy import attachment
from meshtui.engine.policy.l7 import Request
from meshtui.engine.policy.networkpolicy import Direction, rules
from meshtui.engine.policy.proxy import Proxy, ask
from meshtui.engine.policy.tokens import passed_on
from meshtui.model.constants import GATEWAY_NAME
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint, HttpRequest, Jwt
from meshtui.model.gateway import BackendRef, Gateway, HTTPRoute
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import NetworkPolicy
from meshtui.model.reason import Code, Reason, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import UNKNOWN, Decider, Decision, Layer, StepResult, http_outcome

_ISTIO = {"istio", "istio-remote"}
_KNOWN_BACKENDS = {"Service", "ServiceImport", "Host"}


@dataclass(frozen=True, slots=True)
class _At:
    """A request at one pod of a gateway: its source, its port, and its content."""

    entrance: Entrance
    endpoint: Endpoint
    source: Endpoint
    port: int
    http: HttpRequest
    jwt: Jwt | None


class Gateways:
    """The gateways of one snapshot, without waypoints."""

    def __init__(self, snapshot: Snapshot, endpoints: Endpoints, hops: Hops, resolver: Resolver) -> None:
        self._snapshot = snapshot
        self._endpoints = endpoints
        self._hops = hops
        self._resolver = resolver
        found = [g for g in snapshot.gateways.values() if not g.is_waypoint]
        self._gateways = sorted(found, key=lambda g: (g.meta.namespace, g.meta.name))
        by_hand = ((g, instances(snapshot, endpoints, g)) for g in self._gateways if g.service)
        self._by_hand = {endpoint.name: gateway for gateway, pods in by_hand for endpoint in pods}
        self._classic = IstioEntrances(snapshot, endpoints)
        self._others = hops.other_routes
        self._extensions = attachment.Extensions(snapshot)
        self._authorizations = tuple(snapshot.authorization_policies.values())
        self._authentications = tuple(snapshot.request_authentications.values())

    # ---- from outside

    def from_outside(self, flow: Flow, resolved: Resolved) -> list[Judged]:
        """The verdicts for a client outside the cluster: one for each path through a gateway to the flow's targets."""
        source, blind = resolved.sources[0], list(self._hops.doubts.about_routes())
        if blind:
            return self._all(source, resolved, blind[0])
        own = [t for t in resolved.targets if self.serves(t.endpoint)]
        if own:
            return [each for target in own for each in self.through(source, target, flow.http, flow.jwt)]
        answers = [self._through_to(source, gateway, flow, resolved) for gateway in self._gateways]
        answers += [self._through_classic(source, entrance, flow, resolved) for entrance in self._classic.all]
        answers += [self._all(source, resolved, step) for step in self._beside(resolved)]
        if not answers:
            reason = because(Code.NO_GATEWAY)
            step = layer_result(Layer.GATEWAY, "gateway", StepResult.UNKNOWN, reason)
            return self._all(source, resolved, step)
        return max(answers, key=_reach)

    def _through_to(self, source: Endpoint, gateway: Gateway, flow: Flow, resolved: Resolved) -> list[Judged]:
        """The verdicts through one gateway of the Gateway API."""
        if not is_istios(self._snapshot, gateway):
            reason = because(Code.GATEWAY_CLASS_NOT_MODELLED, gateway=gateway.meta.ref, gateway_class=gateway.class_name)
            return self._all(source, resolved, layer_result(Layer.GATEWAY, str(gateway.meta.ref), StepResult.UNKNOWN, reason))
        entrance = of_listeners(self._snapshot, gateway, instances(self._snapshot, self._endpoints, gateway))
        odd = self._others.of_listeners(gateway)
        if odd is not None:
            return self._all(source, resolved, layer_result(Layer.GATEWAY, entrance.where, StepResult.UNKNOWN, odd))
        if not entrance.pods:
            return self._all(source, resolved, _without_pods(entrance))
        return self._enter(source, entrance, flow, resolved)

    def _beside(self, resolved: Resolved) -> Iterator[LayerResult]:
        """Unknown results for routes that aren't evaluated and lead to the targets."""

        def leads(backends: tuple[BackendRef, ...]) -> bool:
            return self._leads_to(backends, resolved)

        for gateway in self._gateways:
            reason = self._others.leading(gateway, leads)
            if reason is not None:
                yield layer_result(
                    Layer.GATEWAY, f"gateway {gateway.meta.namespace}/{gateway.meta.name}", StepResult.UNKNOWN, reason
                )

    def _through_classic(self, source: Endpoint, entrance: Entrance, flow: Flow, resolved: Resolved) -> list[Judged]:
        """The verdicts through one entrance of Istio's own Gateways."""
        if not entrance.is_for(flow.http) or not any(self._leads(entry, resolved) for entry in entrance.entries):
            return self._all(source, resolved, _no_route(entrance, because(Code.NO_ROUTE_LEADS_THERE)))
        if entrance.doubt is not None:
            step = layer_result(Layer.GATEWAY, str(entrance.ref), StepResult.UNKNOWN, entrance.doubt)
            return self._all(source, resolved, step)
        if not entrance.pods:
            return self._all(source, resolved, _without_pods(entrance))
        return self._enter(source, entrance, flow, resolved)

    def _enter(self, source: Endpoint, entrance: Entrance, flow: Flow, resolved: Resolved) -> list[Judged]:
        """The verdicts through one entrance: a known request follows its route; else every route to the targets is considered."""
        leading = [entry for entry in entrance.entries if self._leads(entry, resolved)]
        if flow.http is not None:
            judged = [
                each for pod in entrance.pods for each in self._request(source, entrance, pod, flow.http, flow.jwt, resolved)
            ]
            strayed = all(verdict.outcome == UNKNOWN and verdict.decision is Decision.DENY for _, _, verdict in judged)
            if leading or not strayed:
                return judged
        if not leading:
            return self._all(source, resolved, _no_route(entrance, because(Code.NO_ROUTE_LEADS_THERE)))
        return self._any_request(source, entrance, flow, resolved, leading)

    def _any_request(
        self, source: Endpoint, entrance: Entrance, flow: Flow, resolved: Resolved, leading: list[Entry]
    ) -> list[Judged]:
        """The verdicts when the request isn't known: denied if a sample request for every route is denied, else unknown.

        An unknown verdict lists the routes that aren't denied.
        """
        passing, denied = [], list[Judged]()
        for entry in leading:
            http = sample(entry)
            judged = [] if http is None else self._request(source, entrance, entrance.pods[0], http, flow.jwt, resolved)
            if judged and all(verdict.decision is Decision.DENY for _, _, verdict in judged):
                denied += judged
            else:
                passing.append((entry.host, entry.match, entry.decider))
        if not passing:
            return denied
        reason = because(Code.DEPENDS_ON_ROUTE, routes=tuple(dict.fromkeys(passing)))
        return self._all(source, resolved, layer_result(Layer.GATEWAY, str(entrance.ref), StepResult.UNKNOWN, reason))

    def _request(
        self, source: Endpoint, entrance: Entrance, pod: Endpoint, http: HttpRequest, jwt: Jwt | None, resolved: Resolved
    ) -> list[Judged]:
        """The verdicts on one request from outside through one pod of a gateway, for the targets that its route leads to."""
        at = _At(entrance, pod, source, entrance.port, http, jwt)
        first, choice = self._at_gateway(at, lambda entry: self._leads(entry, resolved))
        entry = choice.entry
        if entry is None:
            return [(source, target, conclude(first)) for target in resolved.targets]
        if not self._leads(entry, resolved):
            other = tuple(f"{b.namespace}/{b.name}" for b in entry.rule.backends)
            reason = because(Code.ROUTED_ELSEWHERE, rule=entry.decider, backends=other)
            stray = layer_result(Layer.GATEWAY, entrance.where, StepResult.BLOCK, reason, decider=entry.decider, outcome=UNKNOWN)
            return [(source, target, conclude([*first, stray])) for target in resolved.targets]
        wanted = {(target.endpoint.name, target.port) for target in resolved.targets}
        judged = [
            each
            for each in self._behind(at, first, entry)
            if (each[1].endpoint.name, each[1].port) in wanted or each[1].endpoint is at.endpoint
        ]
        return judged or [(source, target, conclude(first)) for target in resolved.targets]

    def _leads(self, entry: Entry, resolved: Resolved) -> bool:
        """Whether an entry's rule sends to the Service of a flow, or to a Service whose backends are the flow's targets.

        A rule that delegates may send anywhere.
        """
        return entry.rule.delegates or self._leads_to(entry.rule.backends, resolved)

    def _leads_to(self, backends: Iterable[BackendRef], resolved: Resolved) -> bool:
        """Whether one of some backends is the Service of a flow, or has the flow's targets; kinds that aren't known may be."""
        backends = tuple(backends)
        if any(backend.kind not in _KNOWN_BACKENDS for backend in backends):
            return True
        if resolved.service is not None:
            meta, port = resolved.service.meta, resolved.service_port
            numbers = {None, port.number} if port else {None}
            return any(
                ((b.namespace, b.name) == (meta.namespace, meta.name) and b.port in numbers)
                or (b.kind == "Host" and f"{b.name}.".startswith(f"{meta.name}.{meta.namespace}."))  # maybe of another domain
                for b in backends
            )
        wanted = {(target.endpoint.name, target.port) for target in resolved.targets}
        return any(
            (target.endpoint.name, target.port) in wanted
            for backend in backends
            if backend.kind == "Service"
            for target in self._targets(backend)
        )

    @staticmethod
    def _all(source: Endpoint, resolved: Resolved, step: LayerResult) -> list[Judged]:
        return [(source, target, conclude([step])) for target in resolved.targets]

    # ---- to a gateway's own pod

    def serves(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint is a pod of a gateway whose routes are known."""
        return self._of(endpoint) is not None or bool(self._classic.of(endpoint))

    def _of(self, endpoint: Endpoint) -> Gateway | None:
        """The gateway of the Gateway API that a pod belongs to, or None."""
        if endpoint.pod is None:
            return None
        name, home = endpoint.labels.get(GATEWAY_NAME), endpoint.namespace
        by_label = next((g for g in self._gateways if (home, name) == (g.meta.namespace, g.meta.name)), None)
        return by_label or self._by_hand.get(endpoint.pod.key)

    def through(self, source: Endpoint, target: Target, http: HttpRequest | None, jwt: Jwt | None) -> list[Judged]:
        """The verdicts on a request to a gateway's own pod, including the hop to the backends of its route."""
        entrance, doubt = self._entrance_of(target, http)
        if http is None or entrance is None:
            results = self._first_hop(source, target.endpoint, target.port)
            results += self._hops.gateway_pods.results(source, target.endpoint, target.port, Question("TCP", http=http, jwt=jwt))
            return [(source, target, conclude([*results, *doubt]))]
        at = _At(entrance, target.endpoint, source, entrance.port, http, jwt)
        first, choice = self._at_gateway(at, lambda _: True)
        if choice.entry is None:
            return [(source, target, conclude(first))]
        return [(source, target, verdict) for _, _, verdict in self._behind(at, first, choice.entry)]

    def _entrance_of(self, target: Target, http: HttpRequest | None) -> tuple[Entrance | None, list[LayerResult]]:
        """The entrance at a port of a gateway's pod, or None with the reason if what it serves isn't modelled."""
        gateway = self._of(target.endpoint)
        listener = next((item for item in gateway.listeners if item.port == target.port), None) if gateway else None
        if gateway is not None and (listener is not None or not self._classic.of(target.endpoint)):
            if listener is None or listener.protocol in SERVED:
                found = of_listeners(self._snapshot, gateway, (target.endpoint,), listener) if listener else None
                odd = self._others.of_listeners(gateway) if http is not None else None
                if odd is not None:
                    return None, [layer_result(Layer.GATEWAY, str(gateway.meta.ref), StepResult.UNKNOWN, odd)]
                return found, []
            reason = because(Code.LISTENER_NOT_MODELLED, listener=listener.name, protocol=listener.protocol)
            where = f"gateway {gateway.meta.namespace}/{gateway.meta.name}"
            return None, [layer_result(Layer.GATEWAY, where, StepResult.UNKNOWN, reason)]
        here = [each for each in self._classic.of(target.endpoint) if each.port == target.port]
        doubts = [
            layer_result(Layer.GATEWAY, each.where, StepResult.UNKNOWN, each.doubt) for each in here if each.doubt is not None
        ]
        mine = [each for each in here if each.is_for(http)]
        return (mine[0] if mine and not doubts else None), doubts[:1]

    # ---- the gateway itself

    def _at_gateway(self, at: _At, leads: Callable[[Entry], bool]) -> tuple[list[LayerResult], Choice]:
        """The first hop, the gateway's own policies, and the route; no entry when the gateway answers the request itself.

        ``leads`` tells which entry to assume if the request's host isn't known.
        """
        results = [*self._reaching(at), *self._first_hop(at.source, at.endpoint, at.port)]
        results += self._hops.doubts.about_proxy(Layer.GATEWAY, "RequestAuthentication")
        proxy = self._proxy(at)
        if proxy is None:
            return results, Choice()
        blind = next(self._hops.doubts.about_routes(), None)
        if blind is not None:
            choice = Choice(doubt=blind.step.reason)
        else:
            choice = at.entrance.choose(at.http, at.endpoint, leads, self._snapshot.mesh.path_normalization)
        http = at.http
        if not http.host and choice.entry is not None and not choice.entry.host.startswith("*"):
            http = replace(http, host=choice.entry.host)
        request = Request(
            at.port,
            source=at.source.address,
            destination=at.endpoint.address,
            http=http,
            jwt=at.jwt,
            mesh=self._snapshot.mesh,
        )
        results += on_hop([*ask(proxy, request), *_routed(at, choice)], at.source, at.endpoint, at.port)
        rule = choice.entry.rule if choice.entry else None
        return results, Choice() if rule is None or rule.redirect or rule.answer or rule.delegates else choice

    def _reaching(self, at: _At) -> Iterator[LayerResult]:
        """What isn't known about the way of a client outside to a gateway whose Services are all of type ClusterIP.

        If clients outside reach other gateways, this one may be for the cluster only; else they are assumed to reach it.
        """
        if at.entrance.exposed or at.source.name != "external":
            return
        reason, where = because(Code.GATEWAY_NOT_EXPOSED, gateway=at.entrance.ref), at.entrance.where
        if self._gateways or any(each.exposed for each in self._classic.all):
            yield layer_result(Layer.GATEWAY, where, StepResult.UNKNOWN, reason)
        else:
            assumed = (because(Code.CLIENT_REACHES_GATEWAY, gateway=at.entrance.ref),)
            yield layer_result(Layer.GATEWAY, where, StepResult.SKIP, reason, assumptions=assumed)

    def _proxy(self, at: _At) -> Proxy | None:
        if at.entrance.classic:
            return self._hops.gateway_pods.proxy(at.endpoint)
        pod, ref, root = at.endpoint.pod, at.entrance.ref, self._snapshot.mesh.root_namespace
        if pod is None:
            return None
        return Proxy(
            Layer.GATEWAY,
            at.entrance.where,
            tuple(attachment.to_gateway(self._authorizations, ref, pod, root)),
            tuple(attachment.to_gateway(self._authentications, ref, pod, root)),
            self._extensions.of_gateway(ref, pod),
        )

    def _first_hop(self, source: Endpoint, gateway: Endpoint, port: int) -> list[LayerResult]:
        """The results for plaintext to the gateway's pod, on its listener's port."""
        results = self._hops.network(source, gateway, port)
        if source.name != "external":
            return results
        return [self._from_nowhere(o, port) if o.step.layer is Layer.INGRESS_POLICY else o for o in results]

    def _from_nowhere(self, said: LayerResult, port: int) -> LayerResult:
        """Correct a block of a client outside: its address isn't known, so address blocks of NetworkPolicies may contain it."""
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
            reason = because(Code.EVERY_ADDRESS_ALLOWED, policy=anybody[0])
            return layer_result(
                step.layer, step.where, StepResult.PASS, reason, objects=step.objects, assumptions=(because(Code.CLIENT_OUTSIDE),)
            )
        reason = because(Code.CLIENT_ADDRESS_NOT_KNOWN)
        return layer_result(
            step.layer, step.where, StepResult.UNKNOWN, reason, objects=step.objects, assumptions=(because(Code.CLIENT_OUTSIDE),)
        )

    # ---- behind it

    def _behind(self, at: _At, first: list[LayerResult], entry: Entry) -> list[Judged]:
        """The verdicts on the hop from a gateway to each pod of each Service that a rule sends to."""
        own = Target(at.endpoint, at.port)
        weighted = [b for b in entry.rule.backends if b.weight]
        judged: list[Judged] = []
        for backend in weighted:
            said = self._backend(at, first, entry, backend)
            judged += [(at.source, own, conclude([*first, said]))] if isinstance(said, LayerResult) else said
        if weighted:
            return judged
        if entry.rule.unmodelled:
            return [(at.source, own, conclude(first))]
        reason = because(Code.ROUTE_WITHOUT_BACKEND, rule=entry.decider)
        return [(at.source, own, conclude([*first, _answer(at.entrance, 500, reason, entry.decider)]))]

    def _backend(self, at: _At, first: list[LayerResult], entry: Entry, backend: BackendRef) -> LayerResult | list[Judged]:
        ref = ObjectRef(backend.kind, backend.namespace, backend.name)
        if backend.kind != "Service":
            reason = because(Code.BACKEND_KIND_NOT_MODELLED, backend=ref)
            return layer_result(Layer.GATEWAY, at.entrance.where, StepResult.UNKNOWN, reason)
        if isinstance(entry.route, HTTPRoute) and not self._granted(entry.route, backend):
            reason = because(Code.BACKEND_IN_OTHER_NAMESPACE, backend=ref)
            return layer_result(Layer.GATEWAY, at.entrance.where, StepResult.UNKNOWN, reason)
        resolved = self._resolved(backend)
        if resolved is None or resolved.service is None:
            status = 503 if at.entrance.classic else 500
            reason = because(Code.BACKEND_MISSING, rule=entry.decider, backend=ref, port=backend.port, status=status)
            return _answer(at.entrance, status, reason, entry.decider)
        if resolved.service.external_name:
            reason = because(Code.EXTERNAL_NAME, service=ref, host=resolved.service.external_name)
            return layer_result(Layer.GATEWAY, at.entrance.where, StepResult.UNKNOWN, reason)
        if not resolved.targets:
            reason = because(Code.BACKEND_WITHOUT_PODS, backend=ref, port=backend.port)
            return _answer(at.entrance, 503, reason, entry.decider)
        http, jwt = self._passed_on(at)
        http = None if http is None else rewritten(entry, http, self._snapshot.mesh.path_normalization)
        rewrite = entry.rule.rewrite
        jwt = None if rewrite is not None and rewrite.changes_token else jwt
        question = Question("TCP", resolved.service, resolved.service_port, http, jwt)
        first = [*first, *self._others.to_backend(resolved.service, Layer.GATEWAY, at.entrance.where)]
        return [
            (at.source, target, conclude([*first, *behind(way, http=True)]))
            for target in resolved.targets
            for way in self._hops.ways(at.endpoint, target.endpoint, target.port, question)
        ]

    def _granted(self, route: HTTPRoute, backend: BackendRef) -> bool:
        """Whether a route may name a Service: one of its own namespace, or one that a ReferenceGrant allows."""
        home, to = route.meta, backend.namespace
        grants = (grant for grant in self._snapshot.reference_grants.values() if grant.meta.namespace == to)
        return to == home.namespace or any(g.allows(home.kind, home.namespace, "Service", backend.name) for g in grants)

    def _passed_on(self, at: _At) -> tuple[HttpRequest | None, Jwt | None]:
        """The request and its token as the gateway passes them on, after its own check of the token."""
        proxy = self._proxy(at)
        authentications = proxy.authentications if proxy is not None else ()
        return passed_on(authentications, Request(at.port, http=at.http, jwt=at.jwt))

    def _targets(self, backend: BackendRef) -> tuple[Target, ...]:
        found = self._resolved(backend)
        return found.targets if found else ()

    def _resolved(self, backend: BackendRef) -> Resolved | None:
        end = FlowEndpoint(EndpointKind.SERVICE, backend.namespace, backend.name)
        try:
            return self._resolver.resolve(Flow(FlowEndpoint(EndpointKind.EXTERNAL), end, backend.port))
        except UsageError:
            return None


def is_istios(snapshot: Snapshot, gateway: Gateway) -> bool:
    """Whether Istio serves a Gateway: by the name of its class, or by the controller of the class."""
    known = next((c for c in snapshot.gateway_classes.values() if c.meta.name == gateway.class_name), None)
    return gateway.class_name in _ISTIO or (known is not None and known.controller.startswith("istio.io/"))


def _answer(entrance: Entrance, status: int, reason: Reason, decider: Decider) -> LayerResult:
    outcome = http_outcome(status)
    return layer_result(Layer.GATEWAY, entrance.where, StepResult.BLOCK, reason, decider=decider, outcome=outcome)


def _no_route(entrance: Entrance, reason: Reason) -> LayerResult:
    return _answer(entrance, 404, reason, Decider(entrance.ref))


def _without_pods(entrance: Entrance) -> LayerResult:
    reason = because(Code.GATEWAY_WITHOUT_PODS, gateway=entrance.ref)
    return layer_result(Layer.GATEWAY, str(entrance.ref), StepResult.UNKNOWN, reason)


def _routed(at: _At, choice: Choice) -> Iterator[LayerResult]:
    """The gateway's routing as a result: no route, an answer of its own, or the backends of the route."""
    entry, where, kind = choice.entry, at.entrance.where, "VirtualService" if at.entrance.classic else "HTTPRoute"
    if choice.doubt:
        yield layer_result(Layer.GATEWAY, where, StepResult.UNKNOWN, choice.doubt)
    elif choice.secured:
        yield _answer(at.entrance, 301, because(Code.SERVER_REDIRECTS_TO_TLS, server=choice.secured), choice.secured)
    elif entry is None:
        http = at.http
        question = because(Code.NO_ROUTE_TAKES_REQUEST, kind=kind, method=http.method, path=http.path, host=http.host)
        yield _no_route(at.entrance, question)
    else:
        decider, odd = entry.decider, _not_modelled(entry, at.http)
        if entry.doubt:
            yield layer_result(Layer.GATEWAY, where, StepResult.UNKNOWN, entry.doubt, objects=(Decider(at.entrance.ref),))
        if odd:
            reason = because(Code.ROUTE_FIELDS_NOT_MODELLED, rule=decider, fields=odd)
            yield layer_result(Layer.GATEWAY, where, StepResult.UNKNOWN, reason, objects=(decider,))
        if entry.rule.answer:
            reason = because(Code.ROUTE_ANSWERS, rule=decider, status=entry.rule.answer)
            yield _answer(at.entrance, entry.rule.answer, reason, decider)
            return
        if entry.rule.redirect:
            yield _answer(at.entrance, entry.rule.redirect, because(Code.ROUTE_REDIRECTS, rule=decider), decider)
            return
        assumed = [] if at.http.host or entry.host == "*" else [because(Code.HOST_AS_ROUTED)]
        assumed += [because(Code.CLIENT_HAS_CERTIFICATE, server=at.entrance.mutual)] if at.entrance.mutual else []
        sent = tuple(f"{b.namespace}/{b.name}:{b.port}" for b in entry.rule.backends)
        reason = because(Code.ROUTE_TAKES_REQUEST, rule=decider, host=entry.host, match=entry.match, backends=sent)
        yield layer_result(Layer.GATEWAY, where, StepResult.PASS, reason, decider=decider, assumptions=tuple(assumed))


def _not_modelled(entry: Entry, http: HttpRequest) -> tuple[str, ...]:
    """The fields of an entry's rule that make a request unknown: with a CORS policy, the proxy may answer OPTIONS itself."""
    return (*entry.rule.unmodelled, *(("corsPolicy",) if "CORS" in entry.rule.filters and http.method == "OPTIONS" else ()))


def _reach(judged: list[Judged]) -> tuple[int, bool, int]:
    """A sort key for how far a flow gets through a gateway: the best decision first, then the number of steps.

    A client that is redirected to TLS asks again, so that what it gets there says more.
    """
    decisions = {verdict.decision for _, _, verdict in judged}
    order = [Decision.ALLOW, Decision.MIXED, Decision.UNKNOWN, Decision.DENY]
    best = min((order.index(decision) for decision in decisions), default=len(order))
    depth = max((len(verdict.steps) for _, _, verdict in judged), default=0)
    redirected = any(s.reason.code is Code.SERVER_REDIRECTS_TO_TLS for _, _, verdict in judged for s in verdict.steps)
    return -best, not redirected, depth


def _blocks(policy: NetworkPolicy, port: int) -> Iterable[tuple[ObjectRef, int, bool]]:
    """The ingress rules of a policy that allow address blocks on a port: (policy, rule, whether the block is every address)."""
    for index, rule in enumerate(rules(policy, Direction.INGRESS)):
        if rule.ports and not any(_has(p.port, p.end_port, p.protocol, port) for p in rule.ports):
            continue
        for peer in rule.peers:
            if peer.ip_block is not None:
                yield policy.meta.ref, index, peer.ip_block.cidr in {"0.0.0.0/0", "::/0"} and not peer.ip_block.excepts


def _has(number: int | str | None, end: int | None, protocol: str, port: int) -> bool:
    """Whether a port entry may contain a port; a named port may."""
    if protocol != "TCP":
        return False
    return not isinstance(number, int) or number <= port <= (number if end is None else end)
