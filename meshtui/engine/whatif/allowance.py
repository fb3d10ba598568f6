"""Opened flows that are wanted: an entry of an expectations file expects them to be allowed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.engine import Engine
from meshtui.engine.expect.expectations import Expected
from meshtui.engine.matrix.ports import Range, intersect, subtract
from meshtui.engine.whatif.shifts import Ports, Shift
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import CONNECTED

WANTED = frozenset({"allow", CONNECTED})
"""The expected results with which an entry allows a flow to be opened."""


class Allowance:
    """The ports that may be opened, by source and destination as named in shifts. ``engine`` is on the new Snapshot.

    If the destination's containers declare ports, other ports don't count, unless ``all_ports`` is set: no process listens there,
    and a policy that names identities opens all of them.
    """

    def __init__(self, engine: Engine, expected: Iterable[Expected], *, all_ports: bool = False) -> None:
        self._declared = {} if all_ports else _declared(engine)
        self._pairs: dict[tuple[str, str, str], dict[int, set[tuple[str, str]]]] = defaultdict(lambda: defaultdict(set))
        self._outside: list[Flow] = []
        self._sizes: dict[str, int] = {
            _name(ref): sum(not pod.completed for pod in workload.pods) for ref, workload in engine.snapshot.workloads.items()
        }
        for each in expected:
            if each.expected in WANTED:
                self._take(engine, each.flow)

    def _take(self, engine: Engine, flow: Flow) -> None:
        """Add each pair of pods of a flow under their workloads: entries may name single replicas."""
        try:
            resolved = engine.resolver.resolve(flow)
        except UsageError:
            return  # An end doesn't exist, so the flow can't be opened
        if flow.source.kind is EndpointKind.EXTERNAL:
            self._outside.append(flow)
            return
        ends = [(_owner(engine, target.endpoint), target.endpoint.name, target.port) for target in resolved.targets]
        if resolved.service is not None and resolved.service_port is not None:
            meta = resolved.service.meta
            ends.append((f"{meta.namespace}/Service/{meta.name}", "", resolved.service_port.number))
        for endpoint in resolved.sources:
            source = _owner(engine, endpoint)
            for destination, pod, port in ends:
                self._pairs[source, destination, flow.protocol][port].add((endpoint.name, pod))

    def _wanted(self, source: str, destination: str, protocol: str) -> list[Range]:
        """The ports that are wanted between ALL pods of two workloads; no pod is paired with itself."""
        many, more = self._sizes.get(source, 1), self._sizes.get(destination, 1)
        needed = many * (many - 1) if source == destination else many * more
        found = self._pairs.get((source, destination, protocol), {})
        return [(port, port) for port, pairs in found.items() if sum(one != other for one, other in pairs) >= needed]

    def left_of(self, shift: Shift) -> Shift | None:
        """The part of an opened shift that isn't wanted, or None when all of it is."""
        if shift.source == "external":
            return None if any(_covers(flow, shift) for flow in self._outside) else shift
        left: list[tuple[str, tuple[Range, ...]]] = []
        for protocol, ranges in shift.ports:
            rest = subtract(ranges, self._wanted(shift.source, shift.destination, protocol))
            declared = self._declared.get(shift.destination)
            rest = intersect(rest, declared.get(protocol, ())) if declared else rest
            left += [(protocol, tuple(rest))] if rest else []
        ports: Ports = tuple(left)
        return replace(shift, ports=ports) if ports else None


def _declared(engine: Engine) -> dict[str, dict[str, list[Range]]]:
    """The ports that containers declare, by workload and protocol."""
    found: dict[str, dict[str, list[Range]]] = {}
    for ref, workload in engine.snapshot.workloads.items():
        ports = {(port.protocol, port.number) for pod in workload.pods if not pod.completed for port in pod.ports}
        by_protocol: dict[str, list[Range]] = defaultdict(list)
        for protocol, number in sorted(ports):
            by_protocol[protocol].append((number, number))
        found[_name(ref)] = by_protocol
    return found


def _name(ref: ObjectRef) -> str:
    """The name of a workload in shifts."""
    return f"{ref.namespace}/{ref.kind}/{ref.name}"


def _owner(engine: Engine, endpoint: Endpoint) -> str:
    """The name of the workload of an endpoint that is a pod; for an address, the address."""
    return endpoint.name if endpoint.pod is None else _name(engine.snapshot.owner_of(endpoint.pod))


def _covers(wanted: Flow, shift: Shift) -> bool:
    """Whether an entry about a client outside covers a request along a route: it has no request, or the same one."""
    flow = shift.flow
    if flow is None or wanted.destination != flow.destination or wanted.port not in {None, flow.port}:
        return False
    return wanted.http is None or (
        flow.http is not None and (wanted.http.method, wanted.http.path) == (flow.http.method, flow.http.path)
    )
