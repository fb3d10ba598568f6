"""What the services of a journey call beyond its own calls (databases, issuers, brokers), by the ztunnels' logs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from meshtui.engine import Engine
from meshtui.journeys.hops import Hop, hop_of, read_lines
from meshtui.journeys.judge import decider
from meshtui.journeys.report import Further, StepReport, StepState
from meshtui.logs.ztunnel import AccessLine, LineEnd
from meshtui.model.constants import HBONE_PORT
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.own_probe import run_in
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod, ServicePort


def further_calls(
    engine: Engine, services: Iterable[Pod], known: Collection[Hop], lines: Iterable[AccessLine]
) -> tuple[Further, ...]:
    """The further calls of some pods, the failed ones first, else in the order of their first line.

    Lines about ``known`` hops don't count, nor do lines without the application's port.
    """
    snapshot, keys, lines = engine.snapshot, {pod.key for pod in services}, list(lines)
    ports = {(each.meta.namespace, each.meta.name): each.ports for each in snapshot.services.values()}
    hops: dict[Flow, Hop] = {}
    numbers: dict[Flow, list[int]] = {}
    # The two ends' lines about one connection needn't both name the Service: those that do define the flow
    for number, line in sorted(enumerate(lines), key=lambda each: not each[1].service):
        source = _pod(snapshot, line.source)
        if source is None or source.key not in keys or line.port in {None, HBONE_PORT} or run_in(line.destination.workload):
            continue
        if any(hop.matches(line) for hop in known):
            continue
        flow = next((flow for flow, hop in hops.items() if hop.matches(line)), None)
        if flow is None:
            target = _target(snapshot, ports, line)
            if target is None:
                continue
            flow = Flow(_workload(snapshot, source), *target)
            hops.setdefault(flow, hop_of(engine, flow))
        numbers.setdefault(flow, []).append(number)
    first = sorted(numbers, key=lambda flow: min(numbers[flow]))
    found = [_further(engine, hops[flow], [lines[number] for number in sorted(numbers[flow])]) for flow in first]
    return tuple(sorted(found, key=lambda each: not each.failed))


def _target(
    snapshot: Snapshot, ports: Mapping[tuple[str, str], Sequence[ServicePort]], line: AccessLine
) -> tuple[FlowEndpoint, int] | None:
    """The destination and its port: the Service that the line names if one of its ports is meant, else the pod's workload."""
    port, end = line.port, line.destination
    if port is None:
        return None
    name, _, rest = line.service.partition(".")
    namespace = rest.partition(".")[0]
    there = ports.get((namespace, name), ())
    meant = [each.number for each in there if port in {each.number, each.target}] or [each.number for each in there[:2]]
    if port in meant or len(meant) == 1:
        return FlowEndpoint(EndpointKind.SERVICE, namespace, name), port if port in meant else meant[0]
    pod = _pod(snapshot, end)
    if pod is not None:
        return _workload(snapshot, pod), port
    return (FlowEndpoint(EndpointKind.IP, ip=end.address), port) if end.address and not end.workload else None


def _pod(snapshot: Snapshot, end: LineEnd) -> Pod | None:
    if end.workload:
        return snapshot.pod_by_key.get(f"{end.namespace}/{end.workload}")
    return snapshot.pod_by_ip.get(end.address)


def _workload(snapshot: Snapshot, pod: Pod) -> FlowEndpoint:
    owner = snapshot.owner_of(pod)
    if owner.kind == "Pod":
        return FlowEndpoint(EndpointKind.POD, owner.namespace, owner.name)
    return FlowEndpoint(EndpointKind.WORKLOAD, owner.namespace, owner.name, owner.kind)


def _further(engine: Engine, hop: Hop, lines: Sequence[AccessLine]) -> Further:
    flow = hop.flow
    told = [line for line in lines if read_lines([line]).cause]
    bad = [line for line in lines if line in told or _carried_nothing(line)]
    seen, number, failed = read_lines(told or bad or lines), _connections(lines), _connections(bad)
    name = f"{flow.source} → {flow.destination}:{flow.port}"
    note = f"{number} connection{'s' * (number != 1)}" + (f", {failed} failed" if failed and number != failed else "")
    step = StepReport(
        name,
        title=flow.destination.name or str(flow.destination),
        kind="further",
        state=StepState.FAILED if bad else StepState.OK,
        source=str(flow.source),
        destination=f"{flow.destination}:{flow.port}",
        source_identity=seen.source_identity,
        destination_identity=seen.destination_identity,
        mtls=seen.mtls,
        evidence=tuple(line.raw for line in seen.lines[-1:]),
        cause=seen.cause or ("failed" if bad else ""),
        error=seen.error if bad else "",
        note=note,
        requests=number,
    )
    if not bad:
        return Further(step, hop, number)
    why = [f"{flow.source} → {flow.destination}:{flow.port}: {step.cause}: {seen.error}"]
    look = decider(engine, flow, why)
    return Further(step, hop, number, failed, tuple(why), look)


def _carried_nothing(line: AccessLine) -> bool:
    """Whether it ended with an error before it carried a byte, as when its client gives up first."""
    return bool(line.error) and not line.bytes_sent and not line.bytes_received


def _connections(lines: Sequence[AccessLine]) -> int:
    """The number of connections: both ends may have logged each."""
    inbound = sum(bool(line.inbound) for line in lines)
    return max(inbound, len(lines) - inbound)
