"""The mesh partition of a destination: unknowns, PeerAuthentication and ztunnel's AuthorizationPolicies, for every source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.classes.index import Bits, Index
from meshtui.engine.decision.ruling import NOTHING_SAID, PortDecision, Ruling, port_decision_of
from meshtui.engine.endpoints import Endpoint, Endpoints
from meshtui.engine.matching.identity import same
from meshtui.engine.matrix.left import Left, SourceKind, kind_of, left_to_engine
from meshtui.engine.matrix.partition import MatchingClasses, MeshPart, MeshProfiles, Path, PeerPartition, PortMaps, Profile
from meshtui.engine.matrix.ports import (
    ALL_PORTS,
    LAST_PORT,
    SILENT,
    PortMap,
    PortPainter,
    Range,
    everywhere,
    intersect,
    only,
    subtract,
    union,
)
from meshtui.engine.path.gateway_pods import GatewayPods
from meshtui.engine.path.layers import network_port
from meshtui.engine.path.waypoint import USE_WAYPOINT_NAMESPACE, Attachment, Waypoints
from meshtui.engine.policy.address_rules import AddressRules
from meshtui.engine.policy.authorization import Compiled, compile_policy, reaches_ztunnel
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.peer_authentication import PeerAuthentications, Strictness
from meshtui.engine.policy.switches import switches_of
from meshtui.engine.policy.tiers import OwnPolicies
from meshtui.engine.policy.unmodelled import USE_WAYPOINT, Unmodelled
from meshtui.engine.policy.ztunnel import Match, Rule, ips_hold
from meshtui.model.constants import HBONE_PORT
from meshtui.model.ids import Uid
from meshtui.model.policy import AuthorizationPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import CLOSED, CONNECTED, UNKNOWN, Decider, Layer


@dataclass(frozen=True, slots=True)
class _Treatment:
    """How a source is treated before AuthorizationPolicies: tunnel, what the engine evaluates, unknowns or plaintext's result."""

    tunnelled: bool
    left: Left | None
    before: PortMap


class MeshPartitions:
    """The partitions of all classes by the AuthorizationPolicies and PeerAuthentications that cover them; shared if equal."""

    def __init__(self, index: Index, maps: PortMaps, profiles: MeshProfiles) -> None:
        self._index = index
        self._maps = maps
        self._profiles = profiles
        self._compiled: dict[Uid, Compiled] = {}
        self._by_namespace: dict[str, list[Compiled]] = {}
        self._partitions: dict[tuple[object, ...], PeerPartition] = {}
        self._of_kind: dict[SourceKind, Bits] = {}
        self._one_of_kind: dict[SourceKind, Endpoint] = {}
        self._root = ""
        self._doubts = Unmodelled(Snapshot())
        self._addresses: AddressRules | None = None
        self._gateway_pods = GatewayPods(Snapshot())
        self._waypoints = Waypoints(Snapshot(), Endpoints(Snapshot()))
        self._attachments: dict[tuple[object, ...], Attachment | None] = {}
        self._peers = PeerAuthentications(Snapshot())
        self._ports: dict[str, tuple[int, ...]] = {}

    def load(
        self,
        snapshot: Snapshot,
        endpoints: Endpoints,
        policies: Iterable[AuthorizationPolicy],
        own: OwnPolicies | None,
        *,
        dual_stack: bool,
    ) -> None:
        """Load a snapshot and its policies; policies that were loaded before aren't compiled again.

        ``own`` are the policies of the CNI that are evaluated. ``dual_stack``: whether pods have several addresses.
        """
        self._gateway_pods = GatewayPods(snapshot)
        self._waypoints = Waypoints(snapshot, endpoints)
        self._attachments = {}
        self._root = snapshot.mesh.root_namespace
        self._doubts = Unmodelled(snapshot, own)
        self._addresses = AddressRules(snapshot, own) if dual_stack else None
        self._peers = PeerAuthentications(snapshot)
        ports = defaultdict[str, set[int]](set)
        for authentication in snapshot.peer_authentications.values():
            ports[authentication.meta.namespace].update(authentication.port_modes)
        self._ports = {namespace: tuple(sorted(found)) for namespace, found in ports.items()}
        dry_runs = bool(switches_of(snapshot).dry_runs_enforced)
        compiled: dict[Uid, Compiled] = {}
        by_namespace: dict[str, list[Compiled]] = defaultdict(list)
        for policy in policies:
            if reaches_ztunnel(policy, dry_runs=dry_runs):
                known = self._compiled.get(policy.meta.uid)
                if known is None or known.policy is not policy:
                    known = compile_policy(policy)
                compiled[policy.meta.uid] = known
                by_namespace[policy.meta.namespace].append(known)
        self._compiled, self._by_namespace = compiled, by_namespace

    def prune(self, used: Iterable[PeerPartition]) -> None:
        """Remove the partitions that no class uses, once there are many of them."""
        taken = set(used)
        if len(self._partitions) > 2 * len(taken) + 64:
            self._partitions = {key: partition for key, partition in self._partitions.items() if partition in taken}

    def see(self, member: PodClass) -> bool:
        """Add a class as a source. Returns whether its kind is new; then partitions must be rebuilt."""
        endpoint = member.endpoint
        key = self._kind(endpoint)
        known = key in self._of_kind
        self._of_kind[key] = self._of_kind.get(key, 0) | 1 << member.number
        self._one_of_kind.setdefault(key, endpoint)
        return not known

    def _kind(self, source: Endpoint) -> SourceKind:
        by_address = self._addresses is not None and self._addresses.about(Direction.EGRESS, source)
        return kind_of(source, scoped=any(self._doubts.about_sidecar(source, outside=True)), by_address=by_address)

    def of(self, target: PodClass) -> PeerPartition:
        """The partition of the sources of a destination class."""
        destination = target.endpoint
        evaluated = destination.in_ambient and not any(self._doubts.about_mesh(destination))
        covering = self._covering(target) if evaluated else ()
        strictness = self._strictness(destination) if evaluated else SILENT
        guarded = self._gateway_pods.guards(destination)
        implicit = bool(self._waypoints.implicit_policies(destination))
        by_address = self._addresses is not None and self._addresses.about(Direction.INGRESS, destination)
        treatments: dict[_Treatment, list[SourceKind]] = {}
        for kind, source in self._one_of_kind.items():
            attached = self._attached(kind, source, destination)
            left = left_to_engine(kind, source, destination, attached, guarded=guarded, implicit=implicit, by_address=by_address)
            if left is not None:
                doubt = everywhere(PortDecision(doubt=Ruling(left.layer, None, UNKNOWN)))
                treatment = _Treatment(tunnelled=False, left=left, before=doubt)
            else:
                doubt = everywhere(self._doubt(kind, source, destination))
                before = doubt if source.principal is not None else doubt.then(strictness)
                tunnel = network_port(source, destination, 1, "TCP") == HBONE_PORT
                treatment = _Treatment(tunnelled=tunnel, left=None, before=before)
            treatments.setdefault(treatment, []).append(kind)
        end = (destination.address, destination.among) if _reads_destination(covering) else None
        key = (same(covering), tuple((t, tuple(kinds)) for t, kinds in treatments.items()), end)
        known = self._partitions.get(key)
        if known is None:
            known = self._partitions[key] = self._make(destination, covering, treatments)
        return known

    def _doubt(self, kind: SourceKind, source: Endpoint, destination: Endpoint) -> PortDecision:
        """The first unknown about what isn't modelled, in the order of path.hops."""
        port_decision = port_decision_of(self._doubts.about_destination(destination))
        attached = self._attached(kind, source, destination)
        return (
            port_decision.then(PortDecision(doubt=Ruling(Layer.WAYPOINT, None, UNKNOWN)))
            if attached is not None and attached.doubt
            else port_decision
        )

    def _attached(self, kind: SourceKind, source: Endpoint, destination: Endpoint) -> Attachment | None:
        """The waypoint for traffic to a pod's address; computed once for pods with the same waypoint labels."""
        labels = (destination.labels.get(USE_WAYPOINT), destination.labels.get(USE_WAYPOINT_NAMESPACE))
        key = (kind, labels, destination.namespace, destination.in_ambient)
        if key not in self._attachments:
            self._attachments[key] = self._waypoints.of(source, destination, None)
        return self._attachments[key]

    def _covering(self, target: PodClass) -> tuple[Compiled, ...]:
        """The policies that ztunnel applies to a class (policy.authorization.covers), sorted by name."""
        bit, namespace = 1 << target.number, target.endpoint.namespace
        found = []
        for name in dict.fromkeys((namespace, self._root)):
            for compiled in self._by_namespace.get(name, ()):
                selector = compiled.policy.selector
                if selector is None or (not selector.is_empty and self._index.pods.matching(selector) & bit):
                    found.append(compiled)
        return tuple(sorted(found, key=lambda c: (c.policy.meta.name, c.policy.meta.namespace)))

    def _strictness(self, destination: Endpoint) -> PortMap:
        """The result for plaintext on each port; ports that a PeerAuthentication of the namespace names are evaluated singly."""
        if destination.pod is None:
            return SILENT
        painter = PortPainter()
        named = self._ports.get(destination.namespace, ())
        for port in named:
            painter.paint(only(port), _refusal(self._peers.effective(destination.pod, port)))
        other = next(port for port in range(LAST_PORT, 0, -1) if port not in named)
        return painter.finish(_refusal(self._peers.effective(destination.pod, other)))

    def _make(
        self, destination: Endpoint, covering: Sequence[Compiled], treatments: Mapping[_Treatment, Sequence[SourceKind]]
    ) -> PeerPartition:
        denying = [_Side(c, destination) for c in covering if c.denies]
        allowing = [_Side(c, destination) for c in covering if not c.denies]
        sources = list(dict.fromkeys(match for side in (*denying, *allowing) for match in side.sources()))
        rules: list[MatchingClasses] = [partial(self._any_kind, kinds) for kinds in treatments.values()]
        rules += [partial(self._index.sources, match) for match in sources]
        by_address = [match for match in sources if match.source_ips or match.not_source_ips]
        rules += [partial(self._index.sources_may, match) for match in by_address]
        return PeerPartition(
            rules, partial(self._profile, list(treatments), [*sources, *by_address], len(sources), denying, allowing)
        )

    def _any_kind(self, kinds: Sequence[SourceKind]) -> Bits:
        found = 0
        for kind in kinds:
            found |= self._of_kind[kind]
        return found

    def _profile(
        self,
        treatments: Sequence[_Treatment],
        sources: Sequence[Match],
        surely: int,
        denying: Sequence[_Side],
        allowing: Sequence[_Side],
        path: Path,
    ) -> Profile:
        treatment = treatments[path[0]]
        whole = treatment.before
        if treatment.left is None:
            places = [place - len(treatments) for place in path[1:]]
            fulfilled = {sources[place]: place < surely for place in places}
            whole = whole.then(_authorized(denying, allowing, fulfilled))
        part = MeshPart(treatment.tunnelled, treatment.left, self._maps.number(whole))
        return self._profiles.number(part)


class _Side:
    """One policy, reduced for one destination: only sources and ports remain to be matched."""

    def __init__(self, compiled: Compiled, destination: Endpoint) -> None:
        self.compiled = compiled
        self.rules = [(index, self._rule(rule, destination)) for index, rule in compiled.rules]
        self.is_sure = all(fits for _, rule in self.rules for clause in rule or () for _, _, fits in clause)
        """Whether no entry depends on an address of the destination that isn't known."""

    def _rule(self, rule: Rule, destination: Endpoint) -> list[list[_Clause]] | None:
        """Clauses of (source part, ports, certain); None when the destination's address excludes the rule."""
        clauses = []
        for clause in rule:
            if clause:
                fits = [(m, _fits(m, destination)) for m in clause]
                entries = [(_source_part(m), _ports_of(m), fit is True) for m, fit in fits if fit is not False]
                if not entries:
                    return None
                clauses.append(entries)
        return clauses

    def sources(self) -> list[Match]:
        """The source parts that the policy's rules match on."""
        rules = (rule for _, rule in self.rules if rule)
        return [match for rule in rules for clause in rule for match, _, _ in clause if match is not _ANYBODY]

    def reached(self, clauses: list[list[_Clause]], fulfilled: Mapping[Match, bool], *, surely: bool) -> Sequence[Range]:
        """The ports that a rule certainly matches, or those that it may match."""
        ranges: Sequence[Range] = ALL_PORTS
        for clause in clauses:
            reached: list[Range] = []
            for match, ports, fits in clause:
                holds = True if match is _ANYBODY else fulfilled.get(match)
                if holds is not None and (not surely or (holds and fits)):
                    reached = union(reached, ports)
            ranges = intersect(ranges, reached)
        return ranges

    def paint(self, painter: PortPainter, fulfilled: Mapping[Match, bool], layer_blocks: bool) -> None:
        """Assign the policy's port decisions to the ports that its rules certainly match, first rule first."""
        for index, clauses in self.rules:
            if clauses is None:
                continue
            decider = Decider(self.compiled.policy.meta.ref, f"rules[{index}]")
            ruling = Ruling(Layer.ZTUNNEL, decider, CLOSED if layer_blocks else CONNECTED)
            ranges = self.reached(clauses, fulfilled, surely=True)
            painter.paint(ranges, PortDecision(block=ruling) if layer_blocks else PortDecision(allow=ruling))

    def may_reach(self, fulfilled: Mapping[Match, bool]) -> Sequence[Range]:
        """The ports that at least one rule matches or may match."""
        found: Sequence[Range] = ()
        for _, clauses in self.rules:
            if clauses is not None:
                found = union(found, self.reached(clauses, fulfilled, surely=False))
        return found


_ANYBODY = Match()
_Clause = tuple[Match, list[Range], bool]
_BY_ADDRESS = PortDecision(doubt=Ruling(Layer.ZTUNNEL, None, UNKNOWN))
"""A rule may match, depending on an unknown address."""


def _authorized(denying: Sequence[_Side], allowing: Sequence[_Side], fulfilled: Mapping[Match, bool]) -> PortMap:
    """ztunnel's decision for all ports: ANY DENY; without ALLOW policies the rest passes; ANY ALLOW; the rest is denied.

    ``fulfilled`` are the entries that match a source: certainly (True), or possibly (False).
    """
    painter = PortPainter()
    for side in denying:
        side.paint(painter, fulfilled, layer_blocks=True)
    may_allow: Sequence[Range] = ()
    if not (all(fulfilled.values()) and all(side.is_sure for side in (*denying, *allowing))):
        may_allow = () if allowing else ALL_PORTS
        for side in allowing:
            may_allow = union(may_allow, side.may_reach(fulfilled))
        for side in denying:
            painter.paint(intersect(may_allow, side.may_reach(fulfilled)), _BY_ADDRESS)
    for side in allowing:
        side.paint(painter, fulfilled, layer_blocks=False)
    if not allowing:
        return painter.finish(NOTHING_SAID)
    painter.paint(may_allow, _BY_ADDRESS)
    return painter.finish(PortDecision(block=Ruling(Layer.ZTUNNEL, Decider(allowing[0].compiled.policy.meta.ref), CLOSED)))


def _source_part(match: Match) -> Match:
    """The part of an entry that matches sources."""
    part = Match(
        match.principals,
        match.not_principals,
        match.namespaces,
        match.not_namespaces,
        match.service_accounts,
        match.not_service_accounts,
        match.source_ips,
        match.not_source_ips,
    )
    return _ANYBODY if part == _ANYBODY else part


def _fits(match: Match, destination: Endpoint) -> bool | None:
    """Whether an entry can match for a destination: it isn't empty, and the destination's address matches.

    None when the address isn't known, and may match.
    """
    if match == _ANYBODY:
        return False
    return ips_hold(match.destination_ips, match.not_destination_ips, destination.address, destination.among)


def _ports_of(match: Match) -> list[Range]:
    wanted: list[Range] = list(ALL_PORTS)
    if match.ports:
        wanted = union([], [r for port in match.ports for r in only(port)])
    return subtract(wanted, [r for port in match.not_ports for r in only(port)])


def _reads_destination(covering: Sequence[Compiled]) -> bool:
    entries = (entry for c in covering for _, rule in c.rules for clause in rule for entry in clause)
    return any(entry.destination_ips or entry.not_destination_ips for entry in entries)


def _refusal(strictness: Strictness) -> PortDecision:
    """The result for plaintext on a port: refused with a decider, or accepted without one."""
    if not strictness.strict:
        return NOTHING_SAID
    decider = Decider(strictness.policy.meta.ref, strictness.field) if strictness.policy else None
    return PortDecision(block=Ruling(Layer.ZTUNNEL, decider, CLOSED))
