"""What the services of a journey call beyond its own calls (databases, issuers, brokers), by the ztunnels' logs. Pure.

Failures are classified like all denials (``meshtui.engine.explain.denials``): what the line shows comes before a prediction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from meshtui.engine import Engine
from meshtui.engine.explain.denials import Cause, JudgedDenial, Times, judge_denial, newest_policy
from meshtui.journeys.hops import Hop, Seen, hop_of, read_lines
from meshtui.journeys.report import Further, LookAt, StepReport, StepState
from meshtui.logs.rejections import destination_of, rejection_of, service_of, silence_of
from meshtui.logs.tally import Tally, endpoint_of
from meshtui.logs.ztunnel import AccessLine, is_address
from meshtui.model.constants import HBONE_PORT
from meshtui.model.denial import Rejection
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.own_probe import run_in
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod

_OUTCOMES = {Cause.POLICY: "closed", Cause.NO_IDENTITY: "closed", Cause.NETWORK_POLICY: "timeout", Cause.NO_ANSWER: "timeout"}
"""The outcomes that causes stand for, where the lines themselves don't show one."""


def further_calls(
    engine: Engine, services: Iterable[Pod], known: Collection[Hop], lines: Iterable[AccessLine]
) -> tuple[Further, ...]:
    """The further calls of some pods, the failed ones first, else in the order of their first line.

    Lines about ``known`` hops don't count, nor do lines without the application's port.
    """
    snapshot, keys = engine.snapshot, {pod.key for pod in services}
    groups: dict[Flow, list[AccessLine]] = {}
    for line in lines:
        source = _source(snapshot, keys, line)
        if source is None or any(hop.matches(line) for hop in known):
            continue
        target = _target(engine, line)
        if target is not None and line.port is not None:
            groups.setdefault(Flow(source, target, line.port), []).append(line)
    found = [_further(engine, flow, group) for flow, group in groups.items()]
    return tuple(sorted(found, key=lambda each: not each.failed))


def _source(snapshot: Snapshot, keys: Collection[str], line: AccessLine) -> FlowEndpoint | None:
    """The workload that called, if it is one of the services, and the line is about a connection of its own."""
    end = line.source
    pod = snapshot.pod_by_key.get(f"{end.namespace}/{end.workload}") if end.workload else snapshot.pod_by_ip.get(end.address)
    from_elsewhere = line.inbound and service_of(line) is not None  # a caller of another network, whose name may be a pod's here
    if pod is None or pod.key not in keys or from_elsewhere or line.opened or run_in(line.destination.workload):
        return None
    if line.port == HBONE_PORT:
        return None
    return _workload(snapshot, pod)


def _target(engine: Engine, line: AccessLine) -> FlowEndpoint | None:
    """The destination: behind a waypoint the Service; else the pod's workload, or the Service that has the address."""
    service = service_of(line)
    if service is not None:
        return FlowEndpoint(EndpointKind.SERVICE, *service)
    if line.inner and not is_address(line.inner):
        return FlowEndpoint(EndpointKind.HOST, name=line.inner)
    end = endpoint_of(destination_of(line), engine.snapshot)
    found = engine.resolver.service_of(end) if end is not None and end.kind is EndpointKind.IP else None
    return end if found is None else FlowEndpoint(EndpointKind.SERVICE, found.meta.namespace, found.meta.name)


def _workload(snapshot: Snapshot, pod: Pod) -> FlowEndpoint:
    owner = snapshot.owner_of(pod)
    if owner.kind == "Pod":
        return FlowEndpoint(EndpointKind.POD, owner.namespace, owner.name)
    return FlowEndpoint(EndpointKind.WORKLOAD, owner.namespace, owner.name, owner.kind)


@dataclass(frozen=True, slots=True)
class _Failed:
    """What the failed connections of a group show."""

    lines: list[AccessLine]
    judged: JudgedDenial | None
    told: AccessLine
    """The line that tells most."""


def _further(engine: Engine, flow: Flow, lines: Sequence[AccessLine]) -> Further:
    bad = _failed(engine, flow, lines)
    number = _connections(lines)
    seen = read_lines([bad.told] if bad else lines)
    secured = {read_lines([line]).mtls for line in lines if not line.error} or {seen.mtls}
    notes = [f"{number} connection{'s' * (number != 1)}"]
    notes += [f"{_connections(bad.lines)} failed"] if bad and _connections(bad.lines) != number else []
    notes += ["some of them in plaintext"] if len(secured) > 1 and False in secured else []
    step = StepReport(
        f"{flow.source} → {address_of(flow)}",
        title=flow.destination.name or str(flow.destination),
        kind="further",
        state=StepState.FAILED if bad else StepState.OK,
        source=str(flow.source),
        destination=address_of(flow),
        source_identity=_same(line.source.identity for line in lines),
        destination_identity=_same(line.destination.identity for line in lines if not line.through_proxy),
        mtls=secured.pop() if len(secured) == 1 else None,
        evidence=((bad.told if bad else lines[-1]).raw,),
        cause=_outcome(bad, seen) if bad else "",
        error=bad.told.error if bad else "",
        note=", ".join(notes),
        requests=number,
    )
    hop = hop_of(engine, flow)
    return Further(step, hop, number, _connections(bad.lines), *_why(flow, bad)) if bad else Further(step, hop, number)


def address_of(flow: Flow) -> str:
    """The destination with the port, as a reference of the command line; an IPv6 address in brackets."""
    end = (
        f"[{flow.destination}]"
        if flow.destination.kind is EndpointKind.IP and ":" in flow.destination.ip
        else str(flow.destination)
    )
    return f"{end}:{flow.port}"


def _failed(engine: Engine, flow: Flow, lines: Sequence[AccessLine]) -> _Failed | None:
    """The connections that failed, if any: denied, or ended with an error before they carried a byte."""
    tally = Tally()
    bad: list[AccessLine] = []
    told: dict[str, AccessLine] = {}
    for line in lines:
        if not line.error or (_carried(line) and not line.denied):
            continue
        read = rejection_of(line)
        seen = read if isinstance(read, Rejection) else silence_of(line)
        if seen is not None and seen.failure != Cause.DRAINING.value:
            tally.add(seen, engine.snapshot)
            told[line.raw] = line
            bad.append(line)
        elif seen is None:
            bad.append(line)
    if not bad:
        return None
    try:
        verdict = engine.judge(flow)
    except UsageError:
        verdict = None
    times = Times(newest_policy(engine.snapshot))
    judged = [judge_denial(denial, verdict, engine.snapshot, times) for denial in tally.denials]
    judged.sort(key=lambda each: (each.cause is Cause.UNKNOWN, not each.from_log))
    best = judged[0] if judged else None
    return _Failed(bad, best, told[best.denial.raw] if best is not None else bad[-1])


def _carried(line: AccessLine) -> bool:
    """Whether it worked at first. Only policy ends such a connection for a reason that holds for the next one."""
    return bool(line.bytes_sent or line.bytes_received)


def _outcome(bad: _Failed, seen: Seen) -> str:
    cause = bad.judged.cause if bad.judged is not None else Cause.UNKNOWN
    return seen.cause or _OUTCOMES.get(cause) or "failed"


def _why(flow: Flow, bad: _Failed) -> tuple[tuple[str, ...], tuple[LookAt, ...], str]:
    """The reasons, the object to look at, and the class of the cause."""
    why = [f"{flow.source} → {address_of(flow)}: {bad.told.error}"]
    if bad.judged is None:
        return tuple(why), (), Cause.UNKNOWN.value
    if bad.judged.note:
        why.append(bad.judged.note)
    by = bad.judged.decided_by
    said = "the ztunnel's log names it" if bad.judged.from_log else "it decides on this call, by the prediction"
    return tuple(why), () if by is None else (LookAt(by.ref, said),), bad.judged.cause.value


def _same(identities: Iterable[str]) -> str:
    """The SPIFFE id that all lines have which have one; empty if they differ."""
    found = {identity for identity in identities if identity}
    return found.pop() if len(found) == 1 else ""


def _connections(lines: Sequence[AccessLine]) -> int:
    """The number of connections: both ends may have logged each."""
    inbound = sum(bool(line.inbound) for line in lines)
    return max(inbound, len(lines) - inbound)
