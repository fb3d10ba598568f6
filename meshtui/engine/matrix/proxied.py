"""All pairs where a proxy stands between: the engine's word, port range by port range (Matrix leaves these to it)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.engine import Engine
from meshtui.engine.matrix.cells import Cell, Segment
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.network import HBONE_PORT
from meshtui.engine.matrix.ports import FIRST_PORT, LAST_PORT, Decided, Ruling
from meshtui.model.policy import NetworkPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision, Layer, Verdict

MOST_ASKED = 40_000
"""Flows that the engine is asked about at most, some 5 s; what is beyond stays unknown, and is counted."""
_PROXIES = {Layer.SIDECAR, Layer.WAYPOINT}

InScope = Callable[[str, str], bool]
"""Whether a pair of namespaces (source, destination) matters."""


class Proxied:
    """The rows of a matrix with nothing left open that the engine can say: TCP through sidecars and waypoints.

    ``left`` counts the pairs of classes that stay unknown because too many would have to be asked.
    """

    def __init__(self, matrix: Matrix, in_scope: InScope = lambda *_: True, most: int = MOST_ASKED) -> None:
        self._matrix = matrix
        self._engine = Engine(matrix.snapshot)
        self._in_scope = in_scope
        self._most = most
        self._asked = 0
        self._mentioned = _Mentioned(matrix.snapshot)
        self._cells: dict[tuple[object, ...], Cell] = {}
        self.left = 0

    def rows(self) -> Iterator[tuple[PodClass, Sequence[Cell]]]:
        """As Matrix.rows."""
        classes = self._matrix.classes
        for source, row in self._matrix.rows():
            open_cells = {id(cell) for cell in set(row) if _left_open(cell)}
            if not open_cells:
                yield source, row
                continue
            places = [place for place, cell in enumerate(row) if id(cell) in open_cells and classes[place].pods]
            whole = list(row)
            for place in places:
                if self._in_scope(source.endpoint.namespace, classes[place].endpoint.namespace):
                    whole[place] = self._cell(source, classes[place], row[place])
            yield source, whole

    def whole(self, source: PodClass, destination: PodClass, known: Cell) -> Cell:
        """The cell of one pair of classes, given Matrix's; ``left`` grows where it stays unknown."""
        return self._cell(source, destination, known) if _left_open(known) else known

    def _cell(self, source: PodClass, destination: PodClass, known: Cell) -> Cell:
        """The cell with TCP as the engine sees it; UDP and SCTP meet no proxy."""
        one, other = self._ends(source, destination)
        ends = self._mentioned.ends(one, other)
        if self._asked + len(ends) > self._most:
            self.left += 1
            return known
        self._asked += len(ends)
        segments: list[Segment] = []
        first = FIRST_PORT
        for last in ends:
            decided = _decided(self._engine.between(one, other, last))
            if segments and segments[-1].decided == decided:
                segments[-1] = Segment(segments[-1].first, last, decided)
            else:
                segments.append(Segment(first, last, decided))
            first = last + 1
        tcp = tuple(segments)
        return self._cells.setdefault((tcp, known.udp, known.sctp), Cell(tcp, known.udp, known.sctp))

    def _ends(self, source: PodClass, destination: PodClass) -> tuple[Endpoint, Endpoint]:
        """One pod of each class that is there; two of the same class where there are two, for a pod always reaches itself."""
        one, other = next(iter(source.pods.values())), next(reversed(destination.pods.values()))
        return self._engine.endpoint(one), self._engine.endpoint(other)


def _left_open(cell: Cell) -> bool:
    """Whether Matrix left a cell's TCP to the engine: nobody's doubt, at a proxy, on every port."""
    decided = cell.tcp[0].decided
    ruling = decided.ruling
    return len(cell.tcp) == 1 and decided.decision is Decision.UNKNOWN and ruling.layer in _PROXIES and ruling.decider is None


def _decided(verdict: Verdict) -> Decided:
    return Decided(verdict.decision, Ruling(verdict.layer, verdict.decided_by, verdict.outcome))


class _Mentioned:
    """The ports at which a verdict may change: those that a rule or a container of either end, or of a waypoint, names."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._starts: dict[str, set[int]] = defaultdict(set)
        """The first ports of ranges, by the namespace whose pods may feel them; "" is everybody's."""
        self._network(snapshot)
        self._security(snapshot)
        self._add("", [(HBONE_PORT, HBONE_PORT)])
        waypoints = {gateway.meta.namespace for gateway in snapshot.gateways.values() if gateway.is_waypoint}
        for pod in snapshot.pods.values():
            self._add(pod.namespace, ((port.number, port.number) for port in pod.ports))
        self._common = self._starts[""].union(*(self._starts[name] for name in waypoints | {snapshot.mesh.root_namespace}))
        self._known: dict[tuple[str, str], tuple[int, ...]] = {}

    def ends(self, source: Endpoint, destination: Endpoint) -> tuple[int, ...]:
        """The last ports of the ranges within which nothing changes, in order; they cover 1 to 65535."""
        key = (source.namespace, destination.namespace)
        known = self._known.get(key)
        if known is None:
            starts = self._common | self._starts[key[0]] | self._starts[key[1]]
            inside = sorted(start - 1 for start in starts if FIRST_PORT < start <= LAST_PORT)
            known = self._known[key] = (*inside, LAST_PORT)
        return known

    def _add(self, namespace: str, ranges: Iterable[tuple[int, int]]) -> None:
        for first, last in ranges:
            self._starts[namespace] |= {first, last + 1}

    def _network(self, snapshot: Snapshot) -> None:
        for policy in snapshot.network_policies.values():
            self._add(policy.meta.namespace, _ranges(policy))
        for admin in snapshot.admin_policies.values():
            ports = (port for rule in (*admin.ingress, *admin.egress) for port in rule.ports or ())
            self._add("", ((port.start, port.end) for port in ports if not port.named))

    def _security(self, snapshot: Snapshot) -> None:
        for policy in snapshot.authorization_policies.values():
            texts: list[str] = []
            for rule in policy.rules:
                texts += [text for o in rule.operations for text in (*o.ports, *o.not_ports)]
                texts += [text for c in rule.conditions if c.key == "destination.port" for text in (*c.values, *c.not_values)]
            self._add(policy.meta.namespace, ((int(text), int(text)) for text in texts if text.isdecimal()))
        for authentication in snapshot.peer_authentications.values():
            self._add(authentication.meta.namespace, ((port, port) for port in authentication.port_modes))


def _ranges(policy: NetworkPolicy) -> Iterator[tuple[int, int]]:
    """The numbered ports of a NetworkPolicy; named ones are among the containers' own."""
    for rule in (*(policy.ingress or ()), *(policy.egress or ())):
        for port in rule.ports:
            if isinstance(port.port, int):
                yield port.port, port.end_port or port.port
