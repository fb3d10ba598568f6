"""Expected flows: entries of an expectations file, expanded to single flows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from meshtui.engine.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.engine.path.relations import service_endpoint, workload_endpoint
from meshtui.engine.path.resolution import kind_named
from meshtui.model.errors import ClusterError, UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint, HttpRequest, Jwt
from meshtui.model.snapshot import KindStatus, Snapshot

WORKLOAD_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "ReplicationController", "Pod")
HIDDEN = frozenset({KindStatus.FORBIDDEN, KindStatus.UNREACHABLE, KindStatus.EXPIRED, KindStatus.LOADING})
"""The statuses of a kind for which its objects aren't known."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the file: every source with every destination. ``expected`` is allow, deny or an outcome.

    Sources and destinations are references, or patterns of references with ``*`` and ``?``; ``where`` is ``FILE:LINE``.
    """

    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    expected: str
    name: str = ""
    id: str = ""
    protocol: str = "TCP"
    http: HttpRequest | None = None
    jwt: Jwt | None = None
    where: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """One flow and its expected result. ``flow.id`` is the id of the expectation, unique in its file."""

    flow: Flow
    name: str
    expected: str


def expand(engine: Engine, entries: Iterable[Entry]) -> list[Expected]:
    """The single flows of all entries, in the file's order.

    Raises UsageError when a reference is invalid, a pattern matches nothing or an id occurs twice, and ClusterError when a
    pattern can't be expanded because its kind can't be listed.
    """
    found: list[Expected] = []
    seen: dict[str, str] = {}
    for number, entry in enumerate(entries, 1):
        own = entry.id or str(number)
        try:
            flows = _flows(engine, entry)
        except UsageError as error:
            raise UsageError(f"{entry.where}: {error.message}", error.hint) from error
        single = len(flows) == 1
        for index, flow in enumerate(flows, 1):
            words = f"{flow.source} → {flow_in_words(flow)}"
            name = entry.name if entry.name and single else f"{entry.name}: {words}" if entry.name else words
            flow_id = own if single else f"{own}.{index}"
            if flow_id in seen:
                raise UsageError(f"{entry.where}: id {flow_id!r} stands at {seen[flow_id]} already")
            seen[flow_id] = entry.where
            found.append(Expected(replace(flow, id=flow_id), name, entry.expected))
    return found


def flow_in_words(flow: Flow) -> str:
    """Format a flow's destination with its port and request."""
    port = f":{flow.port}" if flow.port is not None else ""
    request = f" {flow.http.method} {flow.http.path}" if flow.http else ""
    return f"{flow.destination}{port}{request}"


def _flows(engine: Engine, entry: Entry) -> list[Flow]:
    sources = dict.fromkeys(r for text in entry.sources for r in _matching(engine.snapshot, text, source=True))
    destinations = dict.fromkeys(r for text in entry.destinations for r in _matching(engine.snapshot, text, source=False))
    flows = [
        replace(parse_flow(source, destination, protocol=entry.protocol, http=entry.http), jwt=entry.jwt)
        for source in sources
        for destination in destinations
    ]
    if len(flows) == 1:
        return flows
    kept = [flow for flow in flows if not _is_to_itself(engine, flow)]
    if not kept:
        raise UsageError("nothing is left of it: every source is behind its only destination")
    return kept


def _is_to_itself(engine: Engine, flow: Flow) -> bool:
    """Whether a pair of an entry's sources and destinations is a workload with itself, or with the Service in front of it."""
    try:
        resolved = engine.resolver.resolve(flow)
    except UsageError:
        return False  # The flow is kept, and its result reports what is missing
    targets = {target.endpoint.name for target in resolved.targets}
    return any(endpoint.name in targets for endpoint in resolved.sources)


def is_pattern(text: str) -> bool:
    """Whether a reference is a pattern."""
    return "*" in text or "?" in text


def _matching(snapshot: Snapshot, text: str, *, source: bool) -> list[str]:
    """The references that match a pattern, sorted by namespace and name; any other reference is returned unchanged."""
    if not is_pattern(text):
        return [text]
    body, colon, port = text.partition(":")
    if is_pattern(port):
        raise UsageError(f"{text!r}: a port is a number or a name")
    parts = body.split("/")
    if len(parts) == 2:
        kinds: tuple[str, ...] = ("Pod",)
        ends: Iterator[FlowEndpoint] = _pods(snapshot, parts[0], parts[1])
    elif len(parts) == 3 and kind_named(parts[1]) == "Service":
        if source:
            raise UsageError(f"{text!r} can't be a source", "name pods or workloads")
        kinds, ends = ("Service",), _services(snapshot, parts[0], parts[2])
    elif len(parts) == 3:
        kinds = _kinds(parts[1], text)
        ends = _workloads(snapshot, parts[0], kinds, parts[2])
    else:
        raise UsageError(
            f"{text!r} names nothing", "write NS/POD or NS/KIND/NAME; * and ? match within a part; a host is written in full"
        )
    found = sorted({f"{end}{colon}{port}" for end in ends})
    if found:
        return found
    unlisted = cant_be_listed(snapshot, kinds)
    if unlisted:
        raise ClusterError(f"what {text!r} matches can't be told: {unlisted}")
    raise UsageError(f"{text!r} matches nothing")


def cant_be_listed(snapshot: Snapshot, kinds: Sequence[str]) -> str:
    """The reason why some of these kinds aren't known, or an empty string."""
    states = [(kind, snapshot.kind_state(kind)) for kind in kinds]
    return "; ".join(f"{kind}: {state.message or state.status.value}" for kind, state in states if state.status in HIDDEN)


def _kinds(word: str, text: str) -> tuple[str, ...]:
    if word == "*":
        return WORKLOAD_KINDS
    kind = kind_named(word)
    if kind is None:
        raise UsageError(f"{text!r}: no kind {word!r}", "deploy, sts, ds, rs, job, cronjob, pod, svc, or * for any workload")
    return (kind,)


def _pods(snapshot: Snapshot, namespace: str, name: str) -> Iterator[FlowEndpoint]:
    for pod in snapshot.pods.values():
        if not pod.completed and fnmatchcase(pod.namespace, namespace) and fnmatchcase(pod.name, name):
            yield FlowEndpoint(EndpointKind.POD, pod.namespace, pod.name)


def _services(snapshot: Snapshot, namespace: str, name: str) -> Iterator[FlowEndpoint]:
    for service in snapshot.services.values():
        if fnmatchcase(service.meta.namespace, namespace) and fnmatchcase(service.meta.name, name):
            yield service_endpoint(service)


def _workloads(snapshot: Snapshot, namespace: str, kinds: Sequence[str], name: str) -> Iterator[FlowEndpoint]:
    """The topmost owners with a running pod whose names match."""
    for ref, workload in snapshot.workloads.items():
        named = ref.kind in kinds and fnmatchcase(ref.namespace, namespace) and fnmatchcase(ref.name, name)
        if named and any(not pod.completed for pod in workload.pods):
            yield workload_endpoint(ref)
