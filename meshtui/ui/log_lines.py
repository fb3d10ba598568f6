"""A workload's lines of the ztunnels' access logs, as they are read: what failed stands out, what only measures is folded.

Pure functions: the screen reads, filters and draws.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.cells import cell_len

from meshtui.engine.path.relations import workload_endpoint
from meshtui.logs.failures import WORDS, Failure, failure_of
from meshtui.logs.ztunnel import REJECTED, AccessLine, LineEnd
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.ui.document import BAD, DIM, OK, WARN, Document, Line, Section, Word, line
from meshtui.ui.text import age

CLASSES = {
    None: ("✓ closed", OK),
    Failure.POLICY: ("✗ denied", BAD),
    Failure.HBONE_CLOSED: ("? not captured", WARN),  # as among the denials: its ztunnel may be away, too
    Failure.PROXY_CLOSED: ("? proxy away", WARN),
    Failure.HBONE_SILENT: ("✗ no answer", BAD),
    Failure.REFUSED: ("? refused", WARN),
    Failure.NOT_LISTENING: ("✗ refused", BAD),
    Failure.CERTIFICATE: ("✗ certificate", BAD),
    Failure.STATE: ("✗ not known", BAD),
    Failure.DRAINING: ("! draining", WARN),
    Failure.UNKNOWN: ("✗ failed", BAD),
}
"""By class of failure (None: the connection ended without one): glyph with word, and tone."""
_INDENT = 15
"""The cells before the class: time and age."""
_MOST_ENDS = 64
"""Both ends get at most this number of cells in the column; longer ones push what follows."""
_SCRAPERS = re.compile(r"prometheus|vmagent|grafana-agent|alloy|otel|opentelemetry|telegraf|datadog", re.IGNORECASE)
_MEASURING_PORTS = {15014, 15020, 15090}
"""Ports of Istio's own metrics (Istio: Ports used by Istio)."""
_HEALTH_PORTS = {15021}
SCRAPE, CHECK = "metrics scrape", "health check"
_HEAD = 2
"""Lines of the document before its first entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One connection, as it is shown. ``routine`` is what it does again and again, if it only measures or checks."""

    time: str
    at: datetime | None
    failure: Failure | None
    ends: str
    detail: str
    identity: str
    flow: Flow | None = None
    routine: str = ""

    @property
    def text(self) -> str:
        """What a filter looks at, in lower case."""
        return f"{self.time} {CLASSES[self.failure][0]} {self.ends} {self.detail} {self.identity}".lower()


@dataclass(frozen=True, slots=True)
class Page:
    """The lines as a document, the numbers of its lines that matter, and the numbers of entries shown, folded and left out."""

    document: Document
    matters: tuple[int, ...]
    shown: int
    folded: int
    hidden: int


def read_entries(
    found: Iterable[AccessLine], snapshot: Snapshot, own: Callable[[LineEnd], bool] = lambda _: False
) -> list[Entry]:
    """The lines with the names that the cluster has now for their ends. An end that is ``own`` isn't named beside another."""
    owners = {(ref.namespace, ref.name): ref for ref in snapshot.workloads if ref.kind != "Pod"}
    nodes = frozenset(ip for node in snapshot.nodes.values() for ip in node.ips)
    return [_read(each, snapshot, owners, nodes, own) for each in found]


_Owners = Mapping[tuple[str, str], ObjectRef]


def _read(found: AccessLine, snapshot: Snapshot, owners: _Owners, nodes: frozenset[str], own: Callable[[LineEnd], bool]) -> Entry:
    failure, port = failure_of(found), found.port
    source, target = _end(found.source, snapshot, owners), _end(found.destination, snapshot, owners)
    flow = Flow(source, target, port) if source is not None and target is not None and port is not None else None
    service = found.service.removesuffix(".svc.cluster.local") if target is None else ""
    who, to = _name(source, found.source), f"{service or _name(target, found.destination)}:{port or '?'}"
    from_own, to_own = own(found.source), own(found.destination)
    ends = f"→ {to}" if from_own and not to_own else f":{port or '?'} ← {who}" if to_own and not from_own else f"{who} → {to}"
    return Entry(
        found.time[11:19] or found.time,
        found.timestamp,
        failure,
        ends,
        _detail(found, failure),
        _identity(found.source.identity),
        flow,
        "" if failure is not None else _routine(found, nodes),
    )


def _end(end: LineEnd, snapshot: Snapshot, owners: _Owners) -> FlowEndpoint | None:
    """The workload of an end, by its pod; of a pod that is gone, the one that makes pods with such names. None: not known."""
    if not end.workload or not end.namespace:
        return None
    pod = snapshot.pod_by_key.get(f"{end.namespace}/{end.workload}")
    if pod is not None:
        owner = snapshot.owner_of(pod)
        return (
            workload_endpoint(owner) if owner in snapshot.workloads else FlowEndpoint(EndpointKind.POD, pod.namespace, pod.name)
        )
    for parts in (2, 1):  # a Deployment's pod has two parts behind its name, one of the others' pods has one
        ref = owners.get((end.namespace, end.workload.rsplit("-", parts)[0]))
        if ref is not None:
            return workload_endpoint(ref)
    return None


def _name(end: FlowEndpoint | None, said: LineEnd) -> str:
    if end is not None:
        return f"{end.namespace}/{end.name}"
    return f"{said.namespace}/{said.workload}" if said.workload and said.namespace else said.workload or said.address or "?"


def _identity(spiffe: str) -> str:
    """``spiffe://TRUST/ns/NS/sa/NAME`` as ``NS/sa/NAME``; another one as it is."""
    found = re.fullmatch(r"spiffe://[^/]+/ns/([^/]+)/sa/([^/]+)", spiffe)
    return f"{found[1]}/sa/{found[2]}" if found else spiffe


def _detail(found: AccessLine, failure: Failure | None) -> str:
    if failure is None:
        return f"sent {_size(found.bytes_sent)}, received {_size(found.bytes_received)}"
    words = WORDS[failure]
    error = found.error.removeprefix(f"{REJECTED}: ")
    return f"{error} ({words})" if words else error


def _size(number: int | None) -> str:
    if number is None:
        return "?"
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} B"


def _routine(found: AccessLine, nodes: frozenset[str]) -> str:
    if found.port in _HEALTH_PORTS:
        return CHECK
    if found.port in _MEASURING_PORTS or _SCRAPERS.search(found.source.workload):
        return SCRAPE
    source = found.source
    unnamed = not source.workload and not source.identity
    return CHECK if unnamed and source.address in nodes else ""  # a kubelet's, from its node


def page(  # noqa: PLR0913  (what a person can choose)
    title: str,
    entries: Sequence[Entry],
    now: datetime,
    *,
    holds: Callable[[str], bool] = lambda _: True,
    unfolded: bool = False,
    unfolds: str = "o",
    width: int = 200,
    problems: Iterable[str] = (),
) -> Page:
    """The entries in their order, with runs of routine ones as one line. ``holds`` is a filter of their texts.

    ``unfolds`` is the key that unfolds, and ``problems`` are why something can't be read. With fewer than ``width`` cells for the
    whole, what stands behind the ends has its own line, as what a failure says always has.
    """
    kept = [entry for entry in entries if holds(entry.text)]
    lines: list[Line] = [line((problem, BAD)) for problem in problems]
    matters: list[int] = []
    folded: list[Entry] = []
    all_folded = 0
    seen = [entry for entry in kept if unfolded or not entry.routine]
    ends = min(_MOST_ENDS, max((cell_len(entry.ends) for entry in seen), default=0))
    word = max((len(CLASSES[entry.failure][0]) for entry in seen), default=0)
    tail = max((cell_len(f"as {entry.identity}  {entry.detail}") for entry in seen if entry.failure is None), default=0)
    apart = _INDENT + word + 2 + ends + 2 + tail > width
    for entry in kept:
        if entry.routine and not unfolded:
            folded.append(entry)
            all_folded += 1
            continue
        if folded:
            lines.append(_fold(folded, unfolds))
            folded = []
        if entry.failure is not None:
            matters.append(len(lines) + _HEAD)
        lines += _shown(entry, now, word, ends, apart=apart)
    if folded:
        lines.append(_fold(folded, unfolds))
    if not kept:
        nothing = "no line has this" if entries else "no connection of this workload is in the log yet"
        lines.append(line((nothing, DIM)))
    document = Document(title, (Section("", tuple(lines)),))
    return Page(document, tuple(matters), len(kept) - all_folded, all_folded, len(entries) - len(kept))


def _shown(entry: Entry, now: datetime, word: int, ends: int, *, apart: bool) -> list[Line]:
    """Time, age, class, both ends, identity, size; what a failure says below."""
    said, tone = CLASSES[entry.failure]
    ago = age((now - entry.at).total_seconds()) if entry.at is not None else ""
    head = (f"{entry.time} {ago:>4}  ", DIM), (f"{said:<{word}}  ", tone), Word(entry.ends, link=entry.flow)
    who = (f"as {entry.identity}", DIM) if entry.identity else ("no identity", WARN)
    gap = " " * (max(0, ends - cell_len(entry.ends)) + 2)
    below = " " * (_INDENT + word + 2)
    if entry.failure is not None:
        return [
            line(*head) if apart else line(*head, gap, who),
            line(below, (entry.detail, tone), *(("  ", who) if apart else ())),
        ]
    tail = who, (f"  {entry.detail}", DIM)
    return [line(*head), line(below, *tail)] if apart else [line(*head, gap, *tail)]


def _fold(entries: Sequence[Entry], unfolds: str) -> Line:
    """Routine entries as one line: how many of which, from when to when."""
    counts = {kind: sum(entry.routine == kind for entry in entries) for kind in (SCRAPE, CHECK)}
    words = ", ".join(f"{number} {kind}{'' if number == 1 else 's'}" for kind, number in counts.items() if number)
    first, last = entries[0].time, entries[-1].time
    until = "" if first == last else f" to {last}"
    return line((f"{first:<{_INDENT}}· {words}{until} ({unfolds} unfolds)", DIM))
