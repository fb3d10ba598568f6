"""All pairs, completed by the engine: Matrix leaves pairs with a proxy between them to it, which evaluates each port range once.

Pairs share an evaluation if both ends look the same to proxies (``views``). What network policies say is joined to the proxy's
answer; with a waypoint, it must be equal on both hops.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.decision.conclude import decided_of
from meshtui.engine.decision.ruling import NOTHING_SAID, Decided, PortDecision
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.engine import Engine, families
from meshtui.engine.matrix.cells import Cell, Open, Segment
from meshtui.engine.matrix.left import PROTOCOLS
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.ports import FIRST_PORT, LAST_PORT, PortMap
from meshtui.engine.matrix.through import Entrance, entrances
from meshtui.engine.matrix.views import Mentioned, Views
from meshtui.engine.path.waypoint import services_with_waypoint
from meshtui.engine.policy.unmodelled import ADMIN_KINDS
from meshtui.kinds.foreign import CNI_KINDS
from meshtui.model.constants import HBONE_PORT
from meshtui.model.policy import Enforcer
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision, Layer

MOST_ASKED = 40_000
"""The maximum number of engine evaluations, about 8 s; pairs beyond it stay unknown, and are counted."""

_OF_THE_NETWORK = {"Namespace", "NetworkPolicy", *ADMIN_KINDS, *CNI_KINDS}
"""The kinds without which network policies aren't certain."""
InScope = Callable[[str, str], bool]
"""Whether a pair of namespaces (source, destination) is evaluated."""
_Segments = tuple[tuple[Segment, ...], ...]
"""The segments of the protocols that the engine evaluates, in the order of PROTOCOLS."""


_AtProxy = tuple[PortMap, bool]
"""What a destination's proxy decides about TCP, and whether network policies see the tunnel's port."""


@dataclass(slots=True)
class Memo:
    """The evaluations of one matrix. They outlive its updates, until one changes something that proxies read."""

    segments: dict[Hashable, _Segments] = field(default_factory=dict)
    """Of pairs with a waypoint between them."""
    proxies: dict[tuple[int, int], _AtProxy] = field(default_factory=dict)
    """What a destination's proxy decides, by the views of caller and destination."""
    views: dict[tuple[object, ...], int] = field(default_factory=dict)
    _of: tuple[Matrix, int] | None = None

    def hold(self, matrix: Matrix) -> None:
        """Forget what isn't so in a matrix any more."""
        current = (matrix, matrix.proxies_version)
        if self._of != current:
            self.segments, self.proxies, self.views, self._of = {}, {}, {}, current


class Proxied:
    """The rows of a matrix, completed by the engine for pairs with a sidecar or waypoint between them.

    It is valid until the matrix is updated; the next one saves evaluations if it gets the same ``memo``. ``asked`` is the number
    of evaluations so far, ``left`` the number of pairs of classes that stay unknown because they would exceed ``most``.
    """

    def __init__(
        self,
        matrix: Matrix,
        in_scope: InScope = lambda *_: True,
        most: int = MOST_ASKED,
        memo: Memo | None = None,
    ) -> None:
        self._matrix = matrix
        self._in_scope = in_scope
        self._most = most
        self._memo = memo or Memo()
        self._memo.hold(matrix)
        self._singly: dict[Hashable, _Segments] = {}
        self._cells: dict[_Segments, Cell] = {}
        self._known: dict[tuple[Cell, int, int], Cell] = {}
        self._hops: dict[tuple[int, str, bool], PortDecision] = {}
        self._waypoints: dict[tuple[int, int], tuple[Endpoint, ...]] = {}
        self._entered: dict[Hashable, Decided] = {}
        self.asked = self.left = 0

    @cached_property
    def _engine(self) -> Engine:
        return Engine(self._matrix.snapshot)

    @cached_property
    def _proxies(self) -> Engine:
        return Engine(_without_network_policies(self._matrix.snapshot))

    @cached_property
    def _mentioned(self) -> Mentioned:
        return Mentioned(self._matrix.snapshot, self._matrix.own)

    @cached_property
    def _views(self) -> Views:
        return Views(self._matrix.snapshot, self._memo.views)

    def rows(
        self, wanted: Collection[int] | None = None, destinations: Collection[int] | None = None
    ) -> Iterator[tuple[PodClass, Sequence[Cell]]]:
        """The rows in the form of Matrix.rows. ``destinations``: the numbers of those to complete; all by default."""
        for source, row in self._matrix.rows(wanted):
            yield source, self._completed(source, row, destinations)

    def whole(self, source: PodClass, destination: PodClass, known: Cell) -> Cell:
        """The complete cell of one pair of classes, given Matrix's; ``left`` is increased when it stays unknown."""
        return known if known.open is None else self._cell(source, destination, known, known.open)

    def _completed(self, source: PodClass, row: Sequence[Cell], destinations: Collection[int] | None) -> Sequence[Cell]:
        if not any(cell.open is not None for cell in set(row)):
            return row
        classes, home = self._matrix.classes, source.endpoint.namespace
        whole = list(row)
        for place in range(len(row)) if destinations is None else destinations:
            known, destination = row[place], classes[place]
            if known.open is not None and destination.pods and self._in_scope(home, destination.endpoint.namespace):
                whole[place] = self._cell(source, destination, known, known.open)
        return whole

    def _cell(self, source: PodClass, destination: PodClass, known: Cell, open_: Open) -> Cell:
        """The cell with what is open evaluated by the engine; the pair of a single pod with itself is left as it is."""
        if source is destination and len(source.pods) == 1:
            return known
        if open_.left.singly:
            return self._evaluated(source, destination, known, open_, None) or known
        if open_.left.layer is Layer.WAYPOINT:
            return self._evaluated(source, destination, known, open_, self._key(source, destination)) or known
        pair = (known, self._views.caller(source, destination), self._views.destination(destination))
        cell = self._known.get(pair)
        if cell is None:
            proxy = self._at_proxy(source, destination, pair[1:])
            if proxy is None:
                return known
            cell = self._known[pair] = self._matrix.completed(open_, proxy[0], tunnelled=proxy[1])
        return cell

    def _at_proxy(self, source: PodClass, destination: PodClass, views: tuple[int, int]) -> _AtProxy | None:
        """What the destination's proxy decides; None if the maximum would be exceeded. Network policies don't count here."""
        found = self._memo.proxies.get(views)
        if found is None:
            one, other = self._ends(source, destination)
            ends = self._mentioned.at_proxy(destination)
            if not self._may_ask(len(ends)):
                return None
            pieces: list[tuple[int, PortDecision]] = []
            for last in ends:
                decision = _port_decision(decided_of(self._proxies.between(one, other, last)))
                if pieces and pieces[-1][1] == decision:
                    pieces.pop()
                pieces.append((last, decision))
            found = self._memo.proxies[views] = (PortMap(tuple(pieces)), self._engine.tunnelled(one, other))
        return found

    def _may_ask(self, number: int) -> bool:
        """Whether a number of evaluations is within the maximum; if not, the pair is counted."""
        if self.asked + number > self._most:
            self.left += 1
            return False
        self.asked += number
        return True

    def _key(self, source: PodClass, destination: PodClass) -> Hashable | None:
        """What the verdicts on a pair with a waypoint depend on: pairs with equal keys have equal verdicts. None: not known."""
        near, far = self._views.client(source), self._views.destination(destination)
        waypoints = self._passed(near, far, source.endpoint, destination.endpoint)
        if not waypoints or not all(each.sends_hbone for each in waypoints):
            return None
        into = tuple(self._hop(source, each, to_waypoint=True) for each in waypoints)
        out = tuple(self._hop(destination, each, to_waypoint=False) for each in waypoints)
        return near, far, into, out

    def _passed(self, near: int, far: int, source: Endpoint, destination: Endpoint) -> tuple[Endpoint, ...]:
        """The pods of the waypoint between two views."""
        found = self._waypoints.get((near, far))
        if found is None:
            found = self._waypoints[near, far] = self._engine.waypoint(source, destination)
        return found

    def _hop(self, end: PodClass, waypoint: Endpoint, *, to_waypoint: bool) -> PortDecision:
        """What network policies decide about the tunnel between a class and a pod of a waypoint."""
        key = (end.number, waypoint.name, to_waypoint)
        found = self._hops.get(key)
        if found is None:
            ends = (end.endpoint, waypoint) if to_waypoint else (waypoint, end.endpoint)
            found = self._hops[key] = self._engine.network(*ends, HBONE_PORT)
        return found

    def entrances(self) -> list[Entrance]:
        """The ports of Services with a waypoint, each with every pod behind it: these connections don't go to pods' addresses."""
        snapshot = self._matrix.snapshot
        return list(entrances(snapshot, self._engine)) if services_with_waypoint(snapshot) else []

    def through(self, source: PodClass, entrance: Entrance) -> Decided | None:
        """The verdict on a connection through a Service; None if there is no other pod, or the maximum would be exceeded."""
        client = next((pod for pod in source.pods.values() if pod is not entrance.backend.pod), None)
        destination = self._matrix.class_of(entrance.backend.name)
        if client is None or destination is None:
            return None
        key = self._entrance_key(source, destination, entrance)
        found = self._entered.get(key)
        if found is None and self._may_ask(1):
            service, port, backend, number = entrance
            verdict = self._engine.between(self._engine.endpoint(client), backend, number, "TCP", service, port)
            found = self._entered[key] = decided_of(verdict)
        return found

    def _entrance_key(self, source: PodClass, destination: PodClass, entrance: Entrance) -> Hashable:
        """What the verdict on a connection through a Service depends on."""
        what = (entrance.service.meta.uid, entrance.port.number, entrance.number)
        waypoints = self._engine.waypoint(source.endpoint, entrance.backend, entrance.service)
        if not waypoints or families(source.endpoint, entrance.backend, entrance.service) is not None:
            return what, source.number, destination.number
        into = tuple(self._hop(source, each, to_waypoint=True) for each in waypoints)
        return what, self._views.client(source), destination.number, into

    def _evaluated(self, source: PodClass, destination: PodClass, known: Cell, open_: Open, key: Hashable | None) -> Cell | None:
        """The complete cell, evaluated unless that was done for an equal pair; None if the maximum would be exceeded."""
        segments = self._singly if key is None else self._memo.segments
        key = (source.number, destination.number) if key is None else key
        found = segments.get(key)
        if found is None:
            one, other = self._ends(source, destination)
            ends = self._mentioned.ends(source, destination, self._engine.waypoint(one, other))
            if not self._may_ask(len(ends) * len(open_.left.protocols)):
                return None
            found = segments[key] = tuple(
                self._said(one, other, ends, protocol) for protocol in PROTOCOLS if protocol in open_.left.protocols
            )
        said = iter(found)
        tcp, udp, sctp = (next(said) if protocol in open_.left.protocols else known.of(protocol) for protocol in PROTOCOLS)
        return self._cells.setdefault((tcp, udp, sctp), Cell(tcp, udp, sctp))

    def _said(self, one: Endpoint, other: Endpoint, ends: Sequence[int], protocol: str) -> tuple[Segment, ...]:
        """The engine's verdicts on all ports, given the last ports of the ranges within which no verdict changes."""
        segments: list[Segment] = []
        first = FIRST_PORT
        for last in ends:
            decided = decided_of(self._engine.between(one, other, last, protocol))
            if segments and segments[-1].decided == decided:
                segments[-1] = Segment(segments[-1].first, last, decided)
            else:
                segments.append(Segment(first, last, decided))
            first = last + 1
        assert first > LAST_PORT  # noqa: S101  (every cell covers all ports)
        return tuple(segments)

    def _ends(self, source: PodClass, destination: PodClass) -> tuple[Endpoint, Endpoint]:
        """One pod of each class; for a pair of one class, two pods, because a pod always reaches itself."""
        one, other = next(iter(source.pods.values())), next(reversed(destination.pods.values()))
        return self._engine.endpoint(one), self._engine.endpoint(other)


def _port_decision(decided: Decided) -> PortDecision:
    """The port decision of the layers that gave a verdict."""
    match decided.decision:
        case Decision.DENY:
            return PortDecision(block=decided.ruling)
        case Decision.ALLOW:
            return PortDecision(allow=decided.ruling) if decided.ruling.decider is not None else NOTHING_SAID
        case _:
            return PortDecision(doubt=decided.ruling)


def _without_network_policies(snapshot: Snapshot) -> Snapshot:
    """The snapshot with nothing that a CNI enforces, not even what isn't known about it."""
    foreign = {uid: policy for uid, policy in snapshot.foreign.items() if policy.enforcer is not Enforcer.CNI}
    kinds = {kind: state for kind, state in snapshot.kinds.items() if kind not in _OF_THE_NETWORK}
    return replace(snapshot, network_policies={}, admin_policies={}, foreign=foreign, kinds=kinds)
