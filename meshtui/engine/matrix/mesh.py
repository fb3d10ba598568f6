"""The partition of a destination's mesh: doubts, PeerAuthentication and ztunnel's AuthorizationPolicies, towards every source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.classes.index import Bits, Index
from meshtui.engine.endpoints import Endpoint, Endpoints
from meshtui.engine.matrix.network import HBONE_PORT
from meshtui.engine.matrix.partition import Asked, Path, PeerPartition, PortMaps, Profile
from meshtui.engine.matrix.ports import (
    ALL_PORTS,
    LAST_PORT,
    NOTHING_SAID,
    SILENT,
    PortDecision,
    PortMap,
    PortPainter,
    Range,
    Ruling,
    everywhere,
    intersect,
    only,
    port_decision_of,
    subtract,
    union,
)
from meshtui.engine.path.layers import network_port
from meshtui.engine.path.waypoint import USE_WAYPOINT_NAMESPACE, Attachment, Waypoints
from meshtui.engine.policy.authorization import Compiled, compile_policy, reaches_ztunnel
from meshtui.engine.policy.peer_authentication import PeerAuthentications, Strictness
from meshtui.engine.policy.unmodelled import USE_WAYPOINT, Unmodelled
from meshtui.engine.policy.ztunnel import Match, Rule
from meshtui.model.policy import AuthorizationPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import CLOSED, CONNECTED, UNKNOWN, Decider, Layer
from meshtui.model.workload import MeshMode

THROUGH_TUNNEL, LEFT_TO_ENGINE, FLAGS = 1, 2, 2
"""Lowest bits of a mesh profile: NetworkPolicy sees the tunnel; a proxy stands between, so that TCP is unknown here whatever
the network policies of both ends say. The bits above are the number of the port map."""

Kind = tuple[MeshMode, bool]
"""What the mesh sees of a source before it reads policies: its mode, and whether it has an identity."""


@dataclass(frozen=True, slots=True)
class _Treatment:
    """What a source meets before AuthorizationPolicies: the tunnel or not, a proxy or not, doubts, what plaintext meets."""

    flags: int
    before: PortMap


class MeshPartitions:
    """Which AuthorizationPolicies and PeerAuthentications cover whom; partitions are shared between classes."""

    def __init__(self, index: Index, maps: PortMaps) -> None:
        self._index = index
        self._maps = maps
        self._compiled: dict[int, tuple[AuthorizationPolicy, Compiled]] = {}
        self._by_namespace: dict[str, list[Compiled]] = {}
        self._partitions: dict[tuple[object, ...], PeerPartition] = {}
        self._of_kind: dict[Kind, Bits] = {}
        self._one_of_kind: dict[Kind, Endpoint] = {}
        self._root = ""
        self._doubts = Unmodelled(Snapshot())
        self._waypoints = Waypoints(Snapshot(), Endpoints(Snapshot()))
        self._attachments: dict[tuple[object, ...], Attachment | None] = {}
        self._peers = PeerAuthentications(Snapshot())
        self._ports: dict[str, tuple[int, ...]] = {}

    def load(self, snapshot: Snapshot, endpoints: Endpoints, policies: Iterable[AuthorizationPolicy]) -> None:
        """Take a snapshot and its policies; those that were there before are not compiled again."""
        self._waypoints = Waypoints(snapshot, endpoints)
        self._attachments = {}
        self._root = snapshot.mesh.root_namespace
        self._doubts = Unmodelled(snapshot)
        self._peers = PeerAuthentications(snapshot)
        ports = defaultdict[str, set[int]](set)
        for authentication in snapshot.peer_authentications.values():
            ports[authentication.meta.namespace].update(authentication.port_modes)
        self._ports = {namespace: tuple(sorted(found)) for namespace, found in ports.items()}
        compiled: dict[int, tuple[AuthorizationPolicy, Compiled]] = {}
        by_namespace: dict[str, list[Compiled]] = defaultdict(list)
        for policy in policies:
            if reaches_ztunnel(policy):
                known = self._compiled.get(id(policy)) or (policy, compile_policy(policy))
                compiled[id(policy)] = known
                by_namespace[policy.meta.namespace].append(known[1])
        self._compiled, self._by_namespace = compiled, by_namespace

    def prune(self, used: Iterable[PeerPartition]) -> None:
        """Forget the partitions that no class takes any more, once they are many."""
        taken = {id(partition) for partition in used}
        if len(self._partitions) > 2 * len(taken) + 64:
            self._partitions = {key: partition for key, partition in self._partitions.items() if id(partition) in taken}

    def see(self, member: PodClass) -> bool:
        """Take in a class as a source; whether it is of a kind that wasn't there before (then partitions must be taken anew)."""
        endpoint = member.endpoint
        key = (endpoint.mode, endpoint.principal is not None)
        known = key in self._of_kind
        self._of_kind[key] = self._of_kind.get(key, 0) | 1 << member.number
        self._one_of_kind.setdefault(key, endpoint)
        return not known

    def of(self, target: PodClass) -> PeerPartition:
        """The partition of a class towards sources."""
        destination = target.endpoint
        covering = self._covering(target) if destination.in_ambient else ()
        strictness = self._strictness(destination) if destination.in_ambient else SILENT
        treatments: dict[_Treatment, list[Kind]] = {}
        for kind, source in self._one_of_kind.items():
            proxy = self._proxy(kind, source, destination)
            if proxy is not None:
                treatment = _Treatment(LEFT_TO_ENGINE, everywhere(PortDecision(doubt=Ruling(proxy, None, UNKNOWN))))
            else:
                doubt = everywhere(self._doubt(kind, source, destination))
                before = doubt if source.principal is not None else doubt.then(strictness)
                tunnel = network_port(source, destination, 1, "TCP") == HBONE_PORT
                treatment = _Treatment(THROUGH_TUNNEL if tunnel else 0, before)
            treatments.setdefault(treatment, []).append(kind)
        address = destination.address if _reads_destination(covering) else None
        key = (tuple(map(id, covering)), tuple((t, tuple(kinds)) for t, kinds in treatments.items()), address)
        known = self._partitions.get(key)
        if known is None:
            known = self._partitions[key] = self._make(destination, covering, treatments)
        return known

    def _proxy(self, kind: Kind, source: Endpoint, destination: Endpoint) -> Layer | None:
        """The proxy between two endpoints, which this matrix leaves to Engine: a sidecar or a waypoint (engine.hops)."""
        if destination.mode is MeshMode.SIDECAR or (source.mode is MeshMode.SIDECAR and destination.in_ambient):
            return Layer.SIDECAR
        attached = self._attached(kind, source, destination)
        return Layer.WAYPOINT if attached is not None and attached.gateway is not None and attached.endpoints else None

    def _doubt(self, kind: Kind, source: Endpoint, destination: Endpoint) -> PortDecision:
        """What nobody models, in the order of engine.hops."""
        port_decision = port_decision_of(self._doubts.about_destination(destination))
        attached = self._attached(kind, source, destination)
        return (
            port_decision.then(PortDecision(doubt=Ruling(Layer.WAYPOINT, None, UNKNOWN)))
            if attached is not None and attached.doubt
            else port_decision
        )

    def _attached(self, kind: Kind, source: Endpoint, destination: Endpoint) -> Attachment | None:
        """The waypoint that traffic to a pod's address meets; pods with the same labels for it are asked once."""
        labels = (destination.labels.get(USE_WAYPOINT), destination.labels.get(USE_WAYPOINT_NAMESPACE))
        key = (kind, labels, destination.namespace, destination.in_ambient)
        if key not in self._attachments:
            self._attachments[key] = self._waypoints.of(source, destination, None)
        return self._attachments[key]

    def _covering(self, target: PodClass) -> tuple[Compiled, ...]:
        """The policies that ztunnel applies to a class (engine.authorization.covers), by name."""
        bit, namespace = 1 << target.number, target.endpoint.namespace
        found = []
        for name in dict.fromkeys((namespace, self._root)):
            for compiled in self._by_namespace.get(name, ()):
                selector = compiled.policy.selector
                if selector is None or (not selector.is_empty and self._index.pods.matching(selector) & bit):
                    found.append(compiled)
        return tuple(sorted(found, key=lambda c: (c.policy.meta.name, c.policy.meta.namespace)))

    def _strictness(self, destination: Endpoint) -> PortMap:
        """What plaintext meets on each port: the ports that a PeerAuthentication of the namespace names are asked one by one."""
        if destination.pod is None:
            return SILENT
        painter = PortPainter()
        named = self._ports.get(destination.namespace, ())
        for port in named:
            painter.paint(only(port), _refusal(self._peers.effective(destination.pod, port)))
        other = next(port for port in range(LAST_PORT, 0, -1) if port not in named)
        return painter.finish(_refusal(self._peers.effective(destination.pod, other)))

    def _make(
        self, destination: Endpoint, covering: Sequence[Compiled], treatments: Mapping[_Treatment, Sequence[Kind]]
    ) -> PeerPartition:
        denying = [_Side(c, destination) for c in covering if c.denies]
        allowing = [_Side(c, destination) for c in covering if not c.denies]
        sources = list(dict.fromkeys(match for side in (*denying, *allowing) for match in side.sources()))
        asked: list[Asked] = [partial(self._any_kind, kinds) for kinds in treatments.values()]
        asked += [partial(self._index.sources, match) for match in sources]
        return PeerPartition(asked, partial(self._profile, list(treatments), sources, denying, allowing))

    def _any_kind(self, kinds: Sequence[Kind]) -> Bits:
        found = 0
        for kind in kinds:
            found |= self._of_kind[kind]
        return found

    def _profile(
        self,
        treatments: Sequence[_Treatment],
        sources: Sequence[Match],
        denying: Sequence[_Side],
        allowing: Sequence[_Side],
        path: Path,
    ) -> Profile:
        treatment = treatments[path[0]]
        if treatment.flags & LEFT_TO_ENGINE:
            return self._maps.number(treatment.before) << FLAGS | LEFT_TO_ENGINE
        fulfilled = {sources[place - len(treatments)] for place in path[1:]}
        whole = treatment.before.then(_authorized(denying, allowing, fulfilled))
        return self._maps.number(whole) << FLAGS | treatment.flags


class _Side:
    """One policy as it concerns one destination: what remains to be asked are sources and ports."""

    def __init__(self, compiled: Compiled, destination: Endpoint) -> None:
        self.compiled = compiled
        self.rules = [(index, self._rule(rule, destination)) for index, rule in compiled.rules]

    def _rule(self, rule: Rule, destination: Endpoint) -> list[list[tuple[Match, list[Range]]]] | None:
        """Clauses of (source part, ports); None when the destination's address rules it out."""
        clauses = []
        for clause in rule:
            if clause:
                entries = [(_source_part(m), _ports_of(m)) for m in clause if _fits(m, destination)]
                if not entries:
                    return None
                clauses.append(entries)
        return clauses

    def sources(self) -> list[Match]:
        """The source parts that its rules ask about."""
        rules = (rule for _, rule in self.rules if rule)
        return [match for rule in rules for clause in rule for match, _ in clause if match is not _ANYBODY]

    def paint(self, painter: PortPainter, fulfilled: set[Match], layer_blocks: bool) -> None:
        """Give the ports that its rules match their port decision, first rule first."""
        for index, clauses in self.rules:
            if clauses is None:
                continue
            ranges: Sequence[Range] = ALL_PORTS
            for clause in clauses:
                reached: list[Range] = []
                for match, ports in clause:
                    if match is _ANYBODY or match in fulfilled:
                        reached = union(reached, ports)
                ranges = intersect(ranges, reached)
            decider = Decider(self.compiled.policy.meta.ref, f"rules[{index}]")
            ruling = Ruling(Layer.ZTUNNEL, decider, CLOSED if layer_blocks else CONNECTED)
            painter.paint(ranges, PortDecision(block=ruling) if layer_blocks else PortDecision(allow=ruling))


_ANYBODY = Match()


def _authorized(denying: Sequence[_Side], allowing: Sequence[_Side], fulfilled: set[Match]) -> PortMap:
    """ztunnel's decision for all ports: ANY DENY; without ALLOW policies the rest passes; ANY ALLOW; the rest is denied."""
    painter = PortPainter()
    for side in denying:
        side.paint(painter, fulfilled, layer_blocks=True)
    for side in allowing:
        side.paint(painter, fulfilled, layer_blocks=False)
    if not allowing:
        return painter.finish(NOTHING_SAID)
    return painter.finish(PortDecision(block=Ruling(Layer.ZTUNNEL, Decider(allowing[0].compiled.policy.meta.ref), CLOSED)))


def _source_part(match: Match) -> Match:
    """Only what an entry says about sources."""
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


def _fits(match: Match, destination: Endpoint) -> bool:
    """Whether an entry can match at all here: it says something, and the destination's address is as it says."""
    if match == _ANYBODY:
        return False
    address = destination.address
    if address is None:
        return not match.destination_ips
    inside = not match.destination_ips or any(address in network for network in match.destination_ips)
    return inside and not any(address in network for network in match.not_destination_ips)


def _ports_of(match: Match) -> list[Range]:
    wanted: list[Range] = list(ALL_PORTS)
    if match.ports:
        wanted = union([], [r for port in match.ports for r in only(port)])
    return subtract(wanted, [r for port in match.not_ports for r in only(port)])


def _reads_destination(covering: Sequence[Compiled]) -> bool:
    entries = (entry for c in covering for _, rule in c.rules for clause in rule for entry in clause)
    return any(entry.destination_ips or entry.not_destination_ips for entry in entries)


def _refusal(strictness: Strictness) -> PortDecision:
    """Plaintext on a port: refused, or accepted, which names nobody."""
    if not strictness.strict:
        return NOTHING_SAID
    decider = Decider(strictness.policy.meta.ref, strictness.field) if strictness.policy else None
    return PortDecision(block=Ruling(Layer.ZTUNNEL, decider, CLOSED))
