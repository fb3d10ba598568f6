"""The layers of one flow between two endpoints, each as an result: who is asked, on which port, and what it says."""

from __future__ import annotations

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.endpoints import Endpoint, is_own_node
from meshtui.engine.policy.admin import AdminMatch, AdminPolicies
from meshtui.engine.policy.authorization import Authorization, Compiled, account_of, evaluate, rule_in_words
from meshtui.engine.policy.networkpolicy import Direction, NetworkPolicies, rules
from meshtui.engine.policy.peer_authentication import PeerAuthentications, Strictness
from meshtui.engine.policy.ztunnel import Connection
from meshtui.engine.words import names, network_rule_in_words
from meshtui.model.policy import NetworkPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import CLOSED, TIMEOUT, Decider, Layer, StepResult
from meshtui.model.workload import MeshMode

HBONE_PORT = 15008
_LAYERS = {Direction.EGRESS: Layer.EGRESS_POLICY, Direction.INGRESS: Layer.INGRESS_POLICY}
_TIERS = {"Admin": Layer.ADMIN_POLICY, "Baseline": Layer.BASELINE_POLICY}
_BLOCK_ASSUMPTION = "pod addresses are compared with ipBlocks as they are: no translation on the way"


class Layers:
    """All layers of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._network = NetworkPolicies(snapshot)
        self._admin = AdminPolicies(snapshot)
        self._authorization = Authorization(snapshot)
        self._peer_authentication = PeerAuthentications(snapshot)

    def network(
        self, direction: Direction, source: Endpoint, destination: Endpoint, port: int, protocol: str
    ) -> list[LayerResult]:
        """Network policy on one side, tier by tier: Admin, NetworkPolicy, Baseline (network-policy-api, first match)."""
        subject, peer = (source, destination) if direction is Direction.EGRESS else (destination, source)
        if not subject.selectable:
            return []
        where = f"CNI, {'egress of' if direction is Direction.EGRESS else 'ingress to'} {subject.name}"
        if direction is Direction.INGRESS and is_own_node(source, destination):
            reason = "a pod's own node always reaches it"
            return [layer_result(_LAYERS[direction], where, StepResult.PASS, reason)]
        seen = _port_in_words(port, protocol, source, destination)
        results = []
        admin = self._admin.first_match("Admin", direction, subject, peer, port, protocol, destination)
        if admin is not None:
            results.append(_tier(admin, "Admin", direction, where, seen))
            if admin.action != "Pass":
                return results
        permit = self._network.permit(direction, subject, peer, port, protocol, destination)
        if permit.selecting:
            return [*results, _permitted(direction, where, seen, permit.selecting, permit.policy, permit.rule)]
        baseline = self._admin.first_match("Baseline", direction, subject, peer, port, protocol, destination)
        if baseline is not None:
            return [*results, _tier(baseline, "Baseline", direction, where, seen)]
        if not results:
            reason = f"no NetworkPolicy selects {subject.name} for {direction.value}"
            results.append(layer_result(_LAYERS[direction], where, StepResult.SKIP, reason))
        return results

    def ztunnel(self, source: Endpoint, destination: Endpoint, port: int) -> list[LayerResult]:
        """What the destination's ztunnel says: PeerAuthentication first (it becomes a DENY), then AuthorizationPolicies."""
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
        )
        covering = self._authorization.covering(destination.pod)
        if not covering:
            reason = f"no AuthorizationPolicy covers {destination.name}"
            return [*results, layer_result(Layer.ZTUNNEL, where, StepResult.SKIP, reason)]
        allowed, compiled, index = evaluate(covering, connection)
        return [*results, _authorized(where, source, covering, compiled, index, allowed=allowed)]


def network_port(source: Endpoint, destination: Endpoint, port: int, protocol: str) -> int:
    """The port that NetworkPolicy sees: HBONE's from ambient pods and gateways to ambient pods, else the application's."""
    return HBONE_PORT if protocol == "TCP" and source.sends_hbone and destination.in_ambient else port


def _port_in_words(port: int, protocol: str, source: Endpoint, destination: Endpoint) -> str:
    if network_port(source, destination, 0, protocol) == HBONE_PORT:
        return f"{protocol} {port} (as HBONE: NetworkPolicy sees the tunnel to 15008, not the app's port)"
    return f"{protocol} {port}"


def _tier(match: AdminMatch, tier: str, direction: Direction, where: str, seen: str) -> LayerResult:
    decider = Decider(match.policy.meta.ref, f"{direction.value}[{match.rule}]")
    name = f" “{match.name}”" if match.name else ""
    reason = f"{match.policy.meta.ref} {decider.rule}{name}: {match.action} {seen}"
    result = {"Deny": StepResult.BLOCK, "Allow": StepResult.PASS, "Pass": StepResult.SKIP}.get(match.action, StepResult.UNKNOWN)
    if result is StepResult.UNKNOWN:
        reason = f"{match.policy.meta.ref} {decider.rule}: action {match.action!r} isn't modelled"
    if match.names:
        result = StepResult.UNKNOWN
        meant = f"{', '.join(match.names)}; which addresses those are, only the CNI knows"
        reason = f"{match.policy.meta.ref} {decider.rule}{name}: {match.action} for {meant}"
    return layer_result(_TIERS[tier], where, result, reason, decider=decider, outcome=TIMEOUT)


def _permitted(
    direction: Direction, where: str, seen: str, selecting: tuple[NetworkPolicy, ...], policy: NetworkPolicy | None, rule: int
) -> LayerResult:
    objects = tuple(Decider(p.meta.ref) for p in selecting)
    uses_blocks = any(peer.ip_block for p in selecting for r in rules(p, direction) for peer in r.peers)
    assumptions = (_BLOCK_ASSUMPTION,) if uses_blocks else ()
    layer = _LAYERS[direction]
    if policy is not None:
        decider = Decider(policy.meta.ref, f"{direction.value}[{rule}]")
        words = network_rule_in_words(rules(policy, direction)[rule], direction.value)
        reason = f"{policy.meta.ref} {decider.rule} allows {seen}: {words}"
        return layer_result(layer, where, StepResult.PASS, reason, decider=decider, objects=objects, assumptions=assumptions)
    reason = f"no {direction.value} rule of {names([p.meta.ref for p in selecting])} allows {seen}"
    return layer_result(
        layer, where, StepResult.BLOCK, reason, decider=objects[0], objects=objects, assumptions=assumptions, outcome=TIMEOUT
    )


def _plaintext(strictness: Strictness, where: str, source: Endpoint, port: int) -> LayerResult:
    why = {
        MeshMode.WANTED: " (labelled for ambient, but not captured)",
        MeshMode.NONE: " (not in the mesh)",
    }.get(source.mode, "")
    who = f"{source.name}{why} speaks plaintext"
    assumptions = (strictness.assumption,) if strictness.assumption else ()
    decider = Decider(strictness.policy.meta.ref, strictness.field) if strictness.policy else None
    if strictness.strict:
        reason = f"{who}, and {decider.ref if decider else 'the mesh'} demands mutual TLS on port {port} (STRICT)"
        return layer_result(
            Layer.ZTUNNEL, where, StepResult.BLOCK, reason, decider=decider, assumptions=assumptions, outcome=CLOSED
        )
    reason = f"{who}, which is accepted on port {port} (PERMISSIVE)"
    objects = (decider,) if decider else ()
    return layer_result(Layer.ZTUNNEL, where, StepResult.PASS, reason, objects=objects, assumptions=assumptions)


def _authorized(
    where: str,
    source: Endpoint,
    covering: tuple[Compiled, ...],
    compiled: Compiled | None,
    index: int | None,
    *,
    allowed: bool,
) -> LayerResult:
    objects = tuple(Decider(c.policy.meta.ref) for c in covering)
    who = f"identity {source.principal}" if source.principal else f"{source.name}, without an identity,"
    if compiled is None:
        reason = f"no DENY rule of {names([c.policy.meta.ref for c in covering])} matches {who}, and no ALLOW policy applies"
        return layer_result(Layer.ZTUNNEL, where, StepResult.PASS, reason, objects=objects)
    rule = None if index is None else f"rules[{index}]"
    decider = Decider(compiled.policy.meta.ref, rule)
    if index is not None:
        words = rule_in_words(compiled.policy.rules[index])
        verb = "allows" if allowed else "denies"
        reason = f"{compiled.policy.meta.ref} {rule} {verb} {who}: {words}"
    else:
        allowing = [c for c in covering if not c.denies]
        reason = f"no rule of {names([c.policy.meta.ref for c in allowing])} allows {who}"
        l7 = dict.fromkeys(field for c in allowing for field in c.l7_fields)
        if l7:
            reason += f"; rules with {', '.join(l7)} need a waypoint: ztunnel leaves them out, and nothing remains to allow"
        objects = tuple(Decider(c.policy.meta.ref) for c in allowing)
    result = StepResult.PASS if allowed else StepResult.BLOCK
    return layer_result(Layer.ZTUNNEL, where, result, reason, decider=decider, objects=objects, outcome=CLOSED)
