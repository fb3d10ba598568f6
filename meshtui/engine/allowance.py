"""Which opened flows somebody wants: entries of an expectations file that expect them to be allowed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from meshtui.engine.expectations import Expected
from meshtui.engine.marks import Range, intersect, subtract
from meshtui.engine.resolve import Resolved
from meshtui.engine.shifts import Ports, Shift
from meshtui.engine.verdict import Engine
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import CONNECTED

WANTED = frozenset({"allow", CONNECTED})
"""What an entry expects of a flow that may be opened."""


class Allowance:
    """The ports that may be opened, by source and destination as shifts name them. ``engine`` is on the new Snapshot.

    Ports that no container of the destination declares don't count where it declares any (nobody listens there, and a
    policy that names identities opens them all), unless ``all_ports``.
    """

    def __init__(self, engine: Engine, expected: Iterable[Expected], *, all_ports: bool = False) -> None:
        self._declared = {} if all_ports else _declared(engine)
        self._ports: dict[tuple[str, str, str], list[Range]] = defaultdict(list)
        self._outside: list[Flow] = []
        self._sizes: dict[ObjectRef, int] = {
            ref: sum(not pod.completed for pod in workload.pods) for ref, workload in engine.snapshot.workloads.items()
        }
        for each in expected:
            if each.expected in WANTED:
                self._take(engine, each.flow)

    def _take(self, engine: Engine, flow: Flow) -> None:
        try:
            resolved = engine.resolver.resolve(flow)
        except UsageError:
            return  # it isn't there, and so can't be opened
        if flow.source.kind is EndpointKind.EXTERNAL:
            self._outside.append(flow)
            return
        sources = self._whole(engine, [party.name for party in resolved.sources])
        for destination, port in self._destinations(engine, resolved):
            for source in sources:
                self._ports[source, destination, flow.protocol].append((port, port))
        if resolved.service is not None and resolved.service_port is not None:
            meta, port = resolved.service.meta, resolved.service_port.number
            for source in sources:
                self._ports[source, f"{meta.namespace}/Service/{meta.name}", flow.protocol].append((port, port))

    def _whole(self, engine: Engine, keys: Iterable[str]) -> list[str]:
        """The workloads all of whose pods are among some, as shifts name them."""
        snapshot = engine.snapshot
        counts: dict[ObjectRef, int] = defaultdict(int)
        for key in dict.fromkeys(keys):
            pod = snapshot.pod_by_key.get(key)
            if pod is not None:
                counts[snapshot.owner_of(pod)] += 1
        return [f"{ref.namespace}/{ref.kind}/{ref.name}" for ref, count in counts.items() if count >= self._sizes.get(ref, 0)]

    def _destinations(self, engine: Engine, resolved: Resolved) -> list[tuple[str, int]]:
        by_port: dict[int, list[str]] = defaultdict(list)
        for target in resolved.targets:
            by_port[target.port].append(target.party.name)
        return [(name, port) for port, keys in by_port.items() for name in self._whole(engine, keys)]

    def left_of(self, shift: Shift) -> Shift | None:
        """What of an opened shift nobody wants, or None where all of it is wanted."""
        if shift.source == "external":
            return None if any(_covers(flow, shift) for flow in self._outside) else shift
        left: list[tuple[str, tuple[Range, ...]]] = []
        for protocol, ranges in shift.ports:
            rest = subtract(ranges, self._ports.get((shift.source, shift.destination, protocol), ()))
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
        found[f"{ref.namespace}/{ref.kind}/{ref.name}"] = by_protocol
    return found


def _covers(wanted: Flow, shift: Shift) -> bool:
    """Whether an entry about a client outside covers a request along a route: any request, or that one."""
    flow = shift.flow
    if flow is None or wanted.destination != flow.destination or wanted.port not in {None, flow.port}:
        return False
    return wanted.http is None or (
        flow.http is not None and (wanted.http.method, wanted.http.path) == (flow.http.method, flow.http.path)
    )
