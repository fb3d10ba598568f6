"""Counts denials. Equal denials form one group, and the lines of both ends of one connection count once.

Memory is bounded by ``MOST_GROUPS`` and ``MOST_PAIRS``: groups are kept, lines aren't.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from meshtui.model.denial import BUCKET_S, WINDOW_S, Denial, DenialKind, Peer, Rejection
from meshtui.model.flow import EndpointKind, FlowEndpoint, HttpRequest
from meshtui.model.own_probe import run_in
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decider

MOST_GROUPS = 1000
MOST_PAIRS = 1000
"""Maximum number of address pairs whose lines are kept to be matched with those of the other end."""
_MOST_PROBES = 1000
"""Maximum number of remembered addresses of probe pods."""
MATCH_S = 15
"""Maximum time between the lines of both ends of one connection, by the nodes' clocks, in seconds."""
_SLOT_S = 5
_MOST_BUCKETS = WINDOW_S // BUCKET_S + 2


@dataclass(frozen=True, slots=True)
class _Key:
    """The fields by which denials are grouped."""

    source: FlowEndpoint | None
    destination: FlowEndpoint | None
    port: int | None
    identity: str
    kind: DenialKind
    reason: str
    proxy: str
    named: Decider | None
    method: str
    failure: str


@dataclass(slots=True)
class _Group:
    key: _Key
    first: datetime
    last: datetime
    count: int = 0
    recent: dict[int, int] = field(default_factory=dict)
    http: HttpRequest | None = None
    pods: tuple[str, str] = ("", "")
    addresses: tuple[str, str] = ("", "")
    raw: str = ""

    def add(self, seen: Rejection, pods: tuple[str, str]) -> None:
        bucket = int(seen.at.timestamp()) // BUCKET_S * BUCKET_S
        self.count += 1
        self.recent[bucket] = self.recent.get(bucket, 0) + 1
        if len(self.recent) > _MOST_BUCKETS:
            del self.recent[min(self.recent)]
        self.first = min(self.first, seen.at)
        if seen.at >= self.last:
            self.last, self.http, self.pods, self.raw = seen.at, seen.http, pods, seen.raw
            self.addresses = (seen.source.ip, seen.reached or seen.destination.ip)

    def take_back(self, at_s: int) -> None:
        """Uncount one denial, because a line with more information describes it."""
        bucket = at_s // BUCKET_S * BUCKET_S
        self.count -= 1
        if self.recent.get(bucket, 0) > 1:
            self.recent[bucket] -= 1
        else:
            self.recent.pop(bucket, None)

    def frozen(self) -> Denial:
        k = self.key
        return Denial(
            source=k.source,
            destination=k.destination,
            port=k.port,
            identity=k.identity,
            kind=k.kind,
            reason=k.reason,
            proxy=k.proxy,
            named=k.named,
            http=self.http,
            count=self.count,
            first=self.first,
            last=self.last,
            recent=tuple(sorted(self.recent.items())),
            pods=self.pods,
            addresses=self.addresses,
            raw=self.raw,
            failure=k.failure,
        )


_PairKey = tuple[str, str, int | None]


class _Waiting:
    """The lines whose counterpart hasn't been seen, counted by time slot and group."""

    def __init__(self, slots: int) -> None:
        self._most = slots
        self._slots: dict[int, dict[_Key, int]] = {}

    def put(self, slot: int, key: _Key) -> None:
        """Add a line."""
        here = self._slots.setdefault(slot, {})
        here[key] = here.get(key, 0) + 1
        if len(self._slots) > self._most:
            del self._slots[min(self._slots)]

    def take(self, slot: int) -> tuple[int, _Key] | None:
        """Remove and return the line that is nearest in time, or None if none is near enough."""
        for distance in range(MATCH_S // _SLOT_S + 1):
            for near in (slot - distance, slot + distance):
                here = self._slots.get(near)
                if here:
                    key = next(iter(here))
                    here[key] -= 1
                    if not here[key]:
                        del here[key]
                    if not here:
                        del self._slots[near]
                    return near, key
        return None


@dataclass(slots=True)
class _Pair:
    """The unmatched lines between two addresses, by end."""

    inbound: _Waiting
    outbound: _Waiting


class Tally:
    """Counts rejections as denials. ``span_s`` is how far back the lines reach that are read first, in seconds."""

    def __init__(self, span_s: int = WINDOW_S) -> None:
        self._slots = span_s // _SLOT_S + 2 * MATCH_S
        self._groups: OrderedDict[_Key, _Group] = OrderedDict()
        self._pairs: OrderedDict[_PairKey, _Pair] = OrderedDict()
        self._denials: tuple[Denial, ...] | None = ()
        self._probe_ips: OrderedDict[str, None] = OrderedDict()
        self.forgotten = 0
        """How many groups were dropped because there were too many."""
        self.own = 0
        """How many lines were about meshtui's own probes. They don't count as denials."""

    @property
    def denials(self) -> tuple[Denial, ...]:
        """All groups, the newest first."""
        if self._denials is None:
            frozen = [group.frozen() for group in self._groups.values()]
            self._denials = tuple(sorted(frozen, key=lambda denial: denial.last, reverse=True))
        return self._denials

    def note_probes(self, snapshot: Snapshot) -> None:
        """Remember the addresses of probe pods: lines that name no pod may arrive after the pods are deleted."""
        for pod in snapshot.own_probes.values():
            for ip in pod.ips:
                self._probe_ips[ip] = None
                self._probe_ips.move_to_end(ip)
        while len(self._probe_ips) > _MOST_PROBES:
            self._probe_ips.popitem(last=False)

    def _is_own(self, peer: Peer, snapshot: Snapshot) -> bool:
        """Whether a peer is a probe of meshtui: by its pod's name, else by an address that no other pod has now."""
        if peer.pod:
            return bool(run_in(peer.pod))
        return peer.ip in self._probe_ips and peer.ip not in snapshot.pod_by_ip

    def add(self, seen: Rejection, snapshot: Snapshot) -> None:
        """Count a rejection, unless its connection was counted from the other end's line, or belongs to a probe of meshtui."""
        if self._is_own(seen.source, snapshot) or self._is_own(seen.destination, snapshot):
            self.own += 1
            return
        self._denials = None
        key = _key(seen, snapshot)
        if seen.kind not in {DenialKind.REJECTED, DenialKind.REFUSED} or seen.proxy != "ztunnel" or _has_one_line(seen):
            self._count(key, seen, snapshot)
            return
        ends = (seen.source.ip, seen.destination.ip) if seen.service is None else (seen.identity, "/".join(seen.service))
        pair = self._pair((*ends, seen.port))
        slot = int(seen.at.timestamp()) // _SLOT_S
        if seen.kind is DenialKind.REFUSED:
            if pair.inbound.take(slot) is None:
                pair.outbound.put(slot, key)
                self._count(key, seen, snapshot)
            return
        other = pair.outbound.take(slot)
        if other is None:
            pair.inbound.put(slot, key)
        else:
            self._take_back(*other)
        self._count(key, seen, snapshot)

    def _pair(self, ends: _PairKey) -> _Pair:
        pair = self._pairs.pop(ends, None) or _Pair(_Waiting(self._slots), _Waiting(self._slots))
        self._pairs[ends] = pair  # as the newest
        if len(self._pairs) > MOST_PAIRS:
            self._pairs.popitem(last=False)
        return pair

    def _count(self, key: _Key, seen: Rejection, snapshot: Snapshot) -> None:
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(key, seen.at, seen.at)
            if len(self._groups) > MOST_GROUPS:
                self._groups.popitem(last=False)
                self.forgotten += 1
        else:
            self._groups.move_to_end(key)
        group.add(seen, (_pod_name(seen.source, snapshot), _pod_name(seen.destination, snapshot)))

    def _take_back(self, slot: int, key: _Key) -> None:
        group = self._groups.get(key)
        if group is not None:
            group.take_back(slot * _SLOT_S)
            if group.count <= 0:
                del self._groups[key]


def _key(seen: Rejection, snapshot: Snapshot) -> _Key:
    source = endpoint_of(seen.source, snapshot)
    if source is not None and source.kind is EndpointKind.IP and _at_the_door(seen, snapshot):
        source = FlowEndpoint(EndpointKind.EXTERNAL)
    if seen.service is not None:
        destination: FlowEndpoint | None = FlowEndpoint(EndpointKind.SERVICE, *seen.service)
    else:
        destination = endpoint_of(seen.destination, snapshot)
    return _Key(
        source,
        destination,
        seen.port,
        seen.identity,
        seen.kind,
        seen.reason,
        seen.proxy,
        seen.named,
        seen.http.method if seen.http else "",
        seen.failure,
    )


def _has_one_line(seen: Rejection) -> bool:
    """Whether only the destination's ztunnel logs the denial: a plaintext source has no tunnel that could get a 401."""
    return seen.kind is DenialKind.REJECTED and not seen.identity


def _at_the_door(seen: Rejection, snapshot: Snapshot) -> bool:
    """Whether the destination is a gateway and the source's address isn't of a pod or node: a client outside the cluster."""
    nodes = {ip for node in snapshot.nodes.values() for ip in node.ips}
    return seen.proxy == "gateway" and seen.source.ip not in nodes


def endpoint_of(peer: Peer, snapshot: Snapshot) -> FlowEndpoint | None:
    """The workload of a peer if its pod is known; else the pod that the log names, else the address."""
    pod = snapshot.pod_by_key.get(f"{peer.namespace}/{peer.pod}") or snapshot.pod_by_ip.get(peer.ip)
    if pod is not None and (not peer.pod or pod.name == peer.pod):
        owner = snapshot.owner_of(pod)
        kind = EndpointKind.POD if owner.kind == "Pod" else EndpointKind.WORKLOAD
        return FlowEndpoint(kind, owner.namespace, owner.name, "" if owner.kind == "Pod" else owner.kind)
    if peer.pod and peer.namespace:
        return FlowEndpoint(EndpointKind.POD, peer.namespace, peer.pod)
    return FlowEndpoint(EndpointKind.IP, ip=peer.ip) if peer.ip else None


def _pod_name(peer: Peer, snapshot: Snapshot) -> str:
    if peer.pod:
        return f"{peer.namespace}/{peer.pod}"
    pod = snapshot.pod_by_ip.get(peer.ip)
    return pod.key if pod else peer.ip
