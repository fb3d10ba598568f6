"""The layers of one flow between two endpoints, each with its result."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.endpoints import Endpoint, is_own_node
from meshtui.engine.policy.admin import UNORDERED, AdminMatch, AdminPolicies
from meshtui.engine.policy.authorization import Answer, Authorization, Compiled, account_of, evaluate
from meshtui.engine.policy.networkpolicy import Direction, NetworkPolicies, Permit, peer_matches, rules
from meshtui.engine.policy.peer_authentication import PeerAuthentications, Strictness
from meshtui.engine.policy.tiers import Action, OwnPolicies, Rule, Tier, decide
from meshtui.engine.policy.ztunnel import Connection
from meshtui.model.cni import Cni, HostPods
from meshtui.model.constants import HBONE_PORT
from meshtui.model.flow import HttpRequest
from meshtui.model.policy import NetworkPolicy
from meshtui.model.reason import Caller, Code, PortSeen, Reason, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import CLOSED, TIMEOUT, Decider, Layer, StepResult, http_outcome

_LAYERS = {Direction.EGRESS: Layer.EGRESS_POLICY, Direction.INGRESS: Layer.INGRESS_POLICY}
_TIERS = {"Admin": Layer.ADMIN_POLICY, "Baseline": Layer.BASELINE_POLICY}


class Layers:
    """All layers of one snapshot."""

    def __init__(self, snapshot: Snapshot, own: OwnPolicies | None) -> None:
        self._cni = snapshot.cni
        self._network = NetworkPolicies(snapshot)
        self._admin = AdminPolicies(snapshot)
        self._own = own
        self._authorization = Authorization(snapshot)
        self._peer_authentication = PeerAuthentications(snapshot)

    def network(
        self,
        direction: Direction,
        source: Endpoint,
        destination: Endpoint,
        port: int,
        protocol: str,
        http: HttpRequest | None = None,
    ) -> list[LayerResult]:
        """The results of network policy on one side by tier: Admin, NetworkPolicy, Baseline (network-policy-api, first match).

        ``http`` is the request, if it can be read on this port.
        """
        subject, peer = (source, destination) if direction is Direction.EGRESS else (destination, source)
        if not subject.selectable:
            return []
        where = f"CNI, {'egress of' if direction is Direction.EGRESS else 'ingress to'} {subject.name}"
        if self._cni.enforces is False:
            reason = because(Code.CNI_ENFORCES_NOTHING, cni=self._cni.title)
            selecting = _refs(self._network.selecting(subject, direction))
            return [layer_result(_LAYERS[direction], where, StepResult.SKIP, reason, objects=selecting)]
        first = self._own is None or self._own.own_node_first
        if direction is Direction.INGRESS and first and is_own_node(source, destination):
            reason = because(Code.OWN_NODE)
            return [layer_result(_LAYERS[direction], where, StepResult.PASS, reason)]
        seen = _port_seen(port, protocol, source, destination)
        if self._own is not None:
            tiers = self._own.tiers(direction, subject)
            return [self._by_tiers(tiers, direction, where, seen, (subject, peer, destination), http)]
        return self._by_kubernetes(direction, where, seen, (subject, peer, destination))

    def _by_kubernetes(
        self, direction: Direction, where: str, seen: PortSeen, ends: tuple[Endpoint, Endpoint, Endpoint]
    ) -> list[LayerResult]:
        """The results of NetworkPolicies and the admin tiers; ``ends`` as for ``_by_tiers``."""
        subject, peer, destination = ends
        port, protocol = seen.number, seen.protocol
        results = []
        admin = self._admin.first_match("Admin", direction, subject, peer, port, protocol, destination)
        if admin is not None:
            results.append(_tier(admin, "Admin", direction, where, seen, (subject, peer)))
            if admin.action != "Pass" or admin.perhaps:
                return results
        permit = self._network.permit(direction, subject, peer, port, protocol, destination)
        if permit.selecting:
            return [
                *results,
                self._or_unknown(_permitted(direction, where, seen, permit, peer, self._cni), direction, subject, peer),
            ]
        baseline = self._admin.first_match("Baseline", direction, subject, peer, port, protocol, destination)
        if baseline is not None:
            return [*results, _tier(baseline, "Baseline", direction, where, seen, (subject, peer))]
        if self._cni.leaves_open is not True:
            reason = because(Code.CNI_CLOSES_UNSELECTED, cni=self._cni.title, pod=subject.name)
            results.append(layer_result(_LAYERS[direction], where, StepResult.UNKNOWN, reason))
        if not results:
            reason = because(Code.NO_NETWORK_POLICY, pod=subject.name, direction=direction.value)
            results.append(layer_result(_LAYERS[direction], where, StepResult.SKIP, reason))
        return results

    def _by_tiers(
        self,
        tiers: Sequence[Tier],
        direction: Direction,
        where: str,
        seen: PortSeen,
        ends: tuple[Endpoint, Endpoint, Endpoint],
        http: HttpRequest | None,
    ) -> LayerResult:
        """The result of a CNI's own policies; ``ends`` are the pod that they select, its peer, and the flow's destination."""
        subject, peer, destination = ends
        target = destination.pod if destination.host_pods is HostPods.POD else None
        found = decide(tiers, peer, seen.number, seen.protocol, target, http)
        if found is None:
            objects = tuple(Decider(ref) for tier in tiers for ref in tier.policies)
            reason = because(Code.NO_NETWORK_POLICY, pod=subject.name, direction=direction.value)
            if objects:
                reason = because(Code.OWN_NOTHING_DECIDES, pod=subject.name, direction=direction.value)
            return layer_result(_LAYERS[direction], where, StepResult.SKIP, reason, objects=objects)
        tier, rule = found.tier, found.rule
        objects = tuple(Decider(ref) for ref in tier.policies)
        if rule is None and found.refusing:
            reason = because(Code.OWN_REQUEST_REFUSED, rules=_requests(found.refusing), port=seen)
            outcome = http_outcome(403)
            return layer_result(tier.layer, where, StepResult.BLOCK, reason, decider=tier.by, objects=objects, outcome=outcome)
        if rule is None:
            reason = because(Code.OWN_TIER_END, policies=tier.policies, port=seen, direction=direction.value, tier=tier.title)
            return layer_result(tier.layer, where, StepResult.BLOCK, reason, decider=tier.by, objects=objects, outcome=TIMEOUT)
        if found.perhaps:
            why = rule.doubt or because(Code.PEER_NOT_KNOWN, peer=peer.name)
            if found.passing:
                reason = because(Code.DEPENDS_ON_OWN_RULES, rules=_requests(found.passing))
                return layer_result(tier.layer, where, StepResult.UNKNOWN, reason, decider=rule.decider, objects=objects)
            if rule.is_on_request:
                why = because(Code.RULE_READS_REQUEST, field="rules.http")
            action = rule.action.value
            reason = because(Code.OWN_RULE_PERHAPS, rule=rule.decider, action=action, port=seen, tier=tier.title, why=why)
            return layer_result(tier.layer, where, StepResult.UNKNOWN, reason, decider=rule.decider, objects=objects)
        if rule.decider is None:
            return layer_result(tier.layer, where, StepResult.PASS, because(Code.OWN_NODE), objects=objects)
        result = StepResult.PASS if found.action is Action.ALLOW else StepResult.BLOCK
        reason = because(Code.OWN_RULE, rule=rule.decider, action=found.action.value, port=seen, tier=tier.title)
        return layer_result(tier.layer, where, result, reason, decider=rule.decider, objects=objects, outcome=TIMEOUT)

    def _or_unknown(self, said: LayerResult, direction: Direction, subject: Endpoint, peer: Endpoint) -> LayerResult:
        """A block by NetworkPolicies as unknown, if it depends on a reading that differs between CNIs and isn't known."""
        if said.result is not StepResult.BLOCK:
            return said
        if self._cni.enforces is None:
            reason = because(Code.CNI_MAY_ENFORCE_NOTHING, cni=self._cni.title)
        elif subject.host_pods is HostPods.UNKNOWN:
            reason = because(Code.HOST_POD_MAY_BE_NODE, pod=subject.name, selected=True)
        elif direction is Direction.INGRESS and peer.host_pods is HostPods.UNKNOWN:
            reason = because(Code.HOST_POD_MAY_BE_NODE, pod=peer.name, selected=False)
        else:
            return said
        step = said.step
        return layer_result(step.layer, step.where, StepResult.UNKNOWN, reason, objects=step.objects)

    def ztunnel(
        self, source: Endpoint, destination: Endpoint, port: int, implicit: tuple[Compiled, ...] = ()
    ) -> list[LayerResult]:
        """The results of the destination's ztunnel: PeerAuthentication first (it becomes a DENY), then AuthorizationPolicies.

        ``implicit`` are the policies that istiod adds itself.
        """
        if destination.pod is None or not destination.in_ambient:
            return []
        where = f"ztunnel on {destination.node or 'the node'} of {destination.name}"
        plaintext = source.principal is None
        results = []
        strictness = self._peer_authentication.effective(destination.pod, port)
        if plaintext:
            results.append(_plaintext(strictness, where, source, port))
        connection = Connection(
            source.address,
            destination.address,
            port,
            source.principal,
            source.namespace if source.principal else "",
            account_of(source),
            source.among,
            destination.among,
        )
        covering = (*self._authorization.covering(destination.pod), *implicit)
        if not covering:
            reason = because(Code.NO_AUTHORIZATION_POLICY, pod=destination.name)
            return [*results, layer_result(Layer.ZTUNNEL, where, StepResult.SKIP, reason)]
        return [*results, _authorized(where, source, destination, covering, evaluate(covering, connection))]


def _requests(rules_: Iterable[Rule]) -> tuple[tuple[Hashable, Decider | None], ...]:
    """The requests that rules let through, each with its rule."""
    found = ((part, rule.decider) for rule in rules_ if rule.requests is not None for part in rule.requests.rules)
    return tuple(dict.fromkeys(found))


def network_port(source: Endpoint, destination: Endpoint, port: int, protocol: str) -> int:
    """The port that NetworkPolicy sees: HBONE's from ambient pods and gateways to ambient pods, else the application's port."""
    return HBONE_PORT if protocol == "TCP" and source.sends_hbone and destination.in_ambient else port


def _port_seen(port: int, protocol: str, source: Endpoint, destination: Endpoint) -> PortSeen:
    return PortSeen(protocol, port, tunnelled=network_port(source, destination, 0, protocol) == HBONE_PORT)


def _tier(
    match: AdminMatch, tier: str, direction: Direction, where: str, seen: PortSeen, ends: tuple[Endpoint, Endpoint]
) -> LayerResult:
    decider = Decider(match.policy.meta.ref, f"{direction.value}[{match.rule}]")
    reason = because(Code.ADMIN_RULE, rule=decider, name=match.name, action=match.action, port=seen)
    result = {"Deny": StepResult.BLOCK, "Allow": StepResult.PASS, "Pass": StepResult.SKIP}.get(match.action, StepResult.UNKNOWN)
    if result is StepResult.UNKNOWN:
        reason = because(Code.ADMIN_ACTION_NOT_MODELLED, rule=decider, action=match.action)
    if match.action == UNORDERED:
        reason = because(Code.ADMIN_SAME_PRIORITY, rule=decider)
    if match.by_port:
        result = StepResult.UNKNOWN
        reason = because(Code.ADMIN_RULE_BY_PORT, rule=decider, name=match.name, action=match.action, port=seen, pod=ends[1].name)
    elif match.by_namespace:
        result, why = StepResult.UNKNOWN, _unknown_namespace(*ends)
        reason = because(Code.ADMIN_RULE_BY_NAMESPACE, rule=decider, name=match.name, action=match.action, why=why)
    elif match.names:
        result = StepResult.UNKNOWN
        reason = because(Code.ADMIN_RULE_BY_NAME, rule=decider, name=match.name, action=match.action, names=tuple(match.names))
    elif match.networks:
        result = StepResult.UNKNOWN
        reason = because(
            Code.ADMIN_RULE_BY_ADDRESS,
            rule=decider,
            name=match.name,
            action=match.action,
            networks=match.networks,
            pod=ends[1].name,
        )
    return layer_result(_TIERS[tier], where, result, reason, decider=decider, outcome=TIMEOUT)


def _permitted(direction: Direction, where: str, seen: PortSeen, permit: Permit, peer: Endpoint, cni: Cni) -> LayerResult:
    selecting, policy, rule = permit.selecting, permit.policy, permit.rule
    objects = _refs(selecting)
    uses_blocks = any(peer.ip_block for p in selecting for r in rules(p, direction) for peer in r.peers)
    assumptions = (because(Code.ADDRESSES_NOT_TRANSLATED),) if uses_blocks else ()
    layer = _LAYERS[direction]
    if policy is not None:
        decider = Decider(policy.meta.ref, f"{direction.value}[{rule}]")
        if permit.perhaps:
            entries = rules(policy, direction)[rule].peers
            by_address = any(e.ip_block is not None and peer_matches(e, peer, policy.meta.namespace) is None for e in entries)
            reason = _perhaps(decider, seen, peer, by_address=by_address)
            if permit.by_port:
                reason = because(Code.NETWORK_RULE_BY_PORT, rule=decider, port=seen, cni=cni.title)
            objects = (decider, *(each for each in objects if each.ref != decider.ref))
            return layer_result(layer, where, StepResult.UNKNOWN, reason, objects=objects)
        says = rules(policy, direction)[rule]
        reason = because(Code.NETWORK_RULE_ALLOWS, rule=decider, port=seen, says=says, direction=direction.value)
        return layer_result(layer, where, StepResult.PASS, reason, decider=decider, objects=objects, assumptions=assumptions)
    policies = tuple(p.meta.ref for p in selecting)
    reason = because(Code.NO_NETWORK_RULE_ALLOWS, policies=policies, port=seen, direction=direction.value)
    return layer_result(
        layer, where, StepResult.BLOCK, reason, decider=objects[0], objects=objects, assumptions=assumptions, outcome=TIMEOUT
    )


def _refs(policies: Iterable[NetworkPolicy]) -> tuple[Decider, ...]:
    return tuple(Decider(policy.meta.ref) for policy in policies)


def _unknown_namespace(*ends: Endpoint) -> Reason:
    namespace = next((end.namespace for end in ends if not end.namespace_known), "")
    return because(Code.NAMESPACE_NOT_KNOWN, namespace=namespace)


def _perhaps(rule: Decider, seen: PortSeen, peer: Endpoint, *, by_address: bool) -> Reason:
    """Why it isn't known whether a rule's peers match: an unknown address or namespace, or a reading on which CNIs differ."""
    if not peer.namespace_known and not by_address:
        return because(Code.NETWORK_RULE_BY_NAMESPACE, rule=rule, port=seen, why=_unknown_namespace(peer))
    if peer.host_pods is HostPods.UNKNOWN:
        return because(Code.NETWORK_RULE_BY_HOST_POD, rule=rule, port=seen, pod=peer.name)
    if peer.address is not None:
        return because(Code.NETWORK_RULE_BY_CNI, rule=rule, port=seen, pod=peer.name)
    return because(Code.NETWORK_RULE_BY_ADDRESS, rule=rule, port=seen, pod=peer.name)


def _plaintext(strictness: Strictness, where: str, source: Endpoint, port: int) -> LayerResult:
    assumptions = (strictness.assumption,) if strictness.assumption else ()
    decider = Decider(strictness.policy.meta.ref, strictness.field) if strictness.policy else None
    if strictness.strict:
        by = decider.ref if decider else None
        reason = because(Code.PLAINTEXT_REFUSED, source=source.name, mesh_mode=source.mode, by=by, port=port)
        return layer_result(
            Layer.ZTUNNEL, where, StepResult.BLOCK, reason, decider=decider, assumptions=assumptions, outcome=CLOSED
        )
    reason = because(Code.PLAINTEXT_ACCEPTED, source=source.name, mesh_mode=source.mode, port=port, mode="PERMISSIVE")
    objects = (decider,) if decider else ()
    return layer_result(Layer.ZTUNNEL, where, StepResult.PASS, reason, objects=objects, assumptions=assumptions)


def _authorized(
    where: str, source: Endpoint, destination: Endpoint, covering: tuple[Compiled, ...], answer: Answer
) -> LayerResult:
    objects = tuple(Decider(c.policy.meta.ref) for c in covering)
    who, compiled = Caller(source.principal, source.name), answer.policy
    if compiled is None:
        reason = because(Code.NOTHING_DENIES, policies=tuple(c.policy.meta.ref for c in covering), caller=who)
        return layer_result(Layer.ZTUNNEL, where, StepResult.PASS, reason, objects=objects)
    decider = Decider(compiled.policy.meta.ref, None if answer.rule is None else f"rules[{answer.rule}]")
    if answer.allowed is None:
        unknown = tuple(end.name for end in (source, destination) if end.address is None)
        reason = because(Code.RULE_BY_ADDRESS, rule=decider, pods=unknown)
        return layer_result(Layer.ZTUNNEL, where, StepResult.UNKNOWN, reason, objects=objects)
    if answer.rule is not None:
        code = Code.RULE_ALLOWS if answer.allowed else Code.RULE_DENIES
        reason = because(code, rule=decider, caller=who, says=compiled.policy.rules[answer.rule])
    else:
        allowing = [c for c in covering if not c.denies]
        dropped = tuple(dict.fromkeys(field for c in allowing for field in c.l7_fields))
        policies = tuple(c.policy.meta.ref for c in allowing)
        reason = because(Code.NO_RULE_ALLOWS, policies=policies, caller=who, dropped=dropped, dropped_by=Layer.ZTUNNEL)
        objects = tuple(Decider(c.policy.meta.ref) for c in allowing)
    result = StepResult.PASS if answer.allowed else StepResult.BLOCK
    return layer_result(Layer.ZTUNNEL, where, result, reason, decider=decider, objects=objects, outcome=CLOSED)
