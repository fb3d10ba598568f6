"""Flows that verify a change after it is made: single flows that can be probed, from what it opens and closes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meshtui.engine.engine import Engine
from meshtui.engine.matrix.ports import Range
from meshtui.engine.path.relations import service_endpoint, workload_endpoint
from meshtui.engine.whatif.shifts import Shift, What
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.workload import ContainerPort, Pod, Service

MOST_PROMISED = 20
"""The maximum number of flows that are probed for one fix."""


def promised_flows(engine: Engine, shifts: Iterable[Shift], most: int = MOST_PROMISED) -> list[Flow]:
    """A flow for each declared port of what is opened and closed; ``engine`` is on the new Snapshot.

    The flow goes through a Service if the destination has one. Opened flows come first.
    """
    found: dict[Flow, None] = {}
    for what in (What.OPENED, What.CLOSED):
        for shift in shifts:
            if shift.what is what:
                found.update(dict.fromkeys(_flows(engine, shift)))
            if len(found) >= most:
                return list(found)[:most]
    return list(found)


def _flows(engine: Engine, shift: Shift) -> Iterator[Flow]:
    if shift.flow is not None:
        yield shift.flow
        return
    workloads = engine.snapshot.workloads
    source, destination = _ref(shift.source), _ref(shift.destination)
    if source not in workloads or destination not in workloads or source == destination:
        return
    pod = next((pod for pod in workloads[destination].pods if not pod.completed), None)
    if pod is None:
        return
    ranges = dict(shift.ports).get("TCP", ())
    for port in dict.fromkeys(p for p in pod.ports if p.protocol == "TCP" and _holds(ranges, p.number)):
        service = _service(engine, pod, port)
        if service is not None:
            yield Flow(workload_endpoint(source), service_endpoint(service[0]), service[1])
        else:
            yield Flow(workload_endpoint(source), workload_endpoint(destination), port.number)


def _service(engine: Engine, pod: Pod, port: ContainerPort) -> tuple[Service, int] | None:
    """The first Service by name with this pod as a backend, and its port that leads to the pod's port."""
    snapshot = engine.snapshot
    for service in sorted(snapshot.services.values(), key=lambda s: s.meta.name):
        if service.meta.namespace != pod.namespace or service.selector is None:
            continue
        number = next((p.number for p in service.ports if p.protocol == "TCP" and p.target in {port.number, port.name}), None)
        if number is not None and any(backend.key == pod.key for backend in engine.resolver.backends(service)):
            return service, number
    return None


def _holds(ranges: Iterable[Range], port: int) -> bool:
    return any(first <= port <= last for first, last in ranges)


def _ref(name: str) -> ObjectRef:
    """The reference of the workload that a shift names."""
    namespace, _, rest = name.partition("/")
    kind, _, own = rest.partition("/")
    return ObjectRef(kind, namespace, own)
