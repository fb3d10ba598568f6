"""What proxies and their policies see of a class of pods, and the ports at which a verdict on it may change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.addresses import parse_port
from meshtui.engine.matching.selectors import matches
from meshtui.engine.matrix.callers import Callers
from meshtui.engine.matrix.ports import FIRST_PORT, LAST_PORT, Range
from meshtui.engine.path.sidecar import TUNNEL
from meshtui.engine.path.waypoint import USE_WAYPOINT_NAMESPACE
from meshtui.engine.policy.admin import subject_selects
from meshtui.engine.policy.capture import named_ports
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.tiers import OwnPolicies, Tier
from meshtui.engine.policy.unmodelled import USE_WAYPOINT
from meshtui.model.constants import HBONE_PORT
from meshtui.model.policy import (
    AdminPolicy,
    AuthorizationPolicy,
    ForeignPolicy,
    NetworkPolicy,
    PeerAuthentication,
    RequestAuthentication,
)
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import MeshMode

_OF_WAYPOINTS = -1
_LABELS = (USE_WAYPOINT, USE_WAYPOINT_NAMESPACE, TUNNEL)
_Selecting = AuthorizationPolicy | RequestAuthentication | PeerAuthentication | ForeignPolicy
_P = TypeVar("_P", NetworkPolicy, AuthorizationPolicy, PeerAuthentication, _Selecting)


class Views:
    """Numbers for what proxies see of classes: classes with the same number are the same to every proxy of one snapshot.

    Network policies aren't part of it, because they may still distinguish the classes. ``numbers`` are those given so far.
    """

    def __init__(self, snapshot: Snapshot, numbers: dict[tuple[object, ...], int]) -> None:
        self._root = snapshot.mesh.root_namespace
        authorizations = snapshot.authorization_policies.values()
        self._of_waypoints = tuple(p for p in authorizations if p.target_refs)
        policies: list[_Selecting] = [p for p in authorizations if not p.target_refs]
        policies += (p for p in snapshot.request_authentications.values() if not p.target_refs)
        policies += snapshot.peer_authentications.values()
        policies += snapshot.foreign.values()
        self._policies = _by_namespace(policies)
        self._callers = Callers(snapshot.mesh)
        self._numbers = numbers
        self._sources: dict[tuple[int, int], int] = {}
        self._destinations: dict[int, int] = {}
        self._guards: dict[int, tuple[AuthorizationPolicy, ...]] = {}

    def caller(self, source: PodClass, destination: PodClass) -> int:
        """The number of a class as a caller of a pod with a sidecar, or of an ambient pod without a waypoint."""
        far = self.destination(destination)
        number = self._sources.get((source.number, far))
        if number is None:
            end, pod = source.endpoint, source.endpoint.pod
            if destination.endpoint.mode is MeshMode.SIDECAR:
                home = end.namespace if any(rules for _, _, rules in destination.spoken or ()) else ""
                seen = (home, *self._callers.signature(source, self._guards[far]))
            else:
                account = pod.service_account if pod is not None else ""
                seen = (end.mode, end.principal, end.namespace, account, source.place, end.address is None)
            number = self._sources[source.number, far] = self._number("caller", *seen)
        return number

    def client(self, source: PodClass) -> int:
        """The number of a class as a client of waypoints."""
        number = self._sources.get((source.number, _OF_WAYPOINTS))
        if number is None:
            seen = self._callers.signature(source, self._of_waypoints)
            number = self._sources[source.number, _OF_WAYPOINTS] = self._number("client", *seen)
        return number

    def destination(self, member: PodClass) -> int:
        """The number of a class as a destination: its policies, its waypoint, and what Services say of its ports."""
        number = self._destinations.get(member.number)
        if number is None:
            end = member.endpoint
            labels = tuple(map(end.labels.get, _LABELS))
            selecting = tuple(self._selecting(end))
            where = (end.namespace, end.mode, member.place, end.address is None)
            number = self._number("destination", *where, labels, member.spoken, tuple(policy.meta.uid for policy in selecting))
            self._destinations[member.number] = number
            self._guards[number] = tuple(policy for policy in selecting if isinstance(policy, AuthorizationPolicy))
        return number

    def _number(self, *parts: object) -> int:
        return self._numbers.setdefault(parts, len(self._numbers))

    def _selecting(self, end: Endpoint) -> Iterator[_Selecting]:
        for namespace in dict.fromkeys((end.namespace, self._root, "")):
            for policy in self._policies.get(namespace, ()):
                if _selects(policy.selector, end):
                    yield policy


class Mentioned:
    """The ports at which a verdict may change: those that a rule about either end, a waypoint, or a Service names.

    Ranges are given by their last ports, in order; they cover 1 to 65535, and no verdict changes within one.
    """

    def __init__(self, snapshot: Snapshot, own: OwnPolicies | None) -> None:
        self._root = snapshot.mesh.root_namespace
        self._own = own
        self._network = _by_namespace(snapshot.network_policies.values())
        self._admin = tuple(snapshot.admin_policies.values())
        self._authorization = _by_namespace(p for p in snapshot.authorization_policies.values() if not p.target_refs)
        targeted = (p for p in snapshot.authorization_policies.values() if p.target_refs)
        self._of_waypoints = _starts(chain.from_iterable(map(_of_authorization, targeted)))
        self._modes = _by_namespace(snapshot.peer_authentications.values())
        self._by_number: dict[int, set[int]] = {}
        self._by_name: dict[str, set[int]] = {}
        self._known: dict[frozenset[int], tuple[int, ...]] = {}

    def ends(self, source: PodClass, destination: PodClass, waypoints: Sequence[Endpoint]) -> tuple[int, ...]:
        """The ranges for a pair, whatever decides."""
        starts = self._of_class(source) | self._of_class(destination) | self._starts_at(destination)
        pods = (end.endpoint.pod for end in (source, destination) if end.endpoint.pod is not None)
        starts |= _starts((port, port) for pod in pods for port in named_ports(pod))
        if destination.endpoint.mode is MeshMode.GATEWAY or destination.endpoint.membership is not None:
            starts |= self._of_waypoints
        if waypoints:
            starts = starts.union(self._of_waypoints, *map(self._of_waypoint, waypoints))
        return self._ended(frozenset(starts))

    def at_proxy(self, destination: PodClass) -> tuple[int, ...]:
        """The ranges for what the proxy of a destination decides."""
        return self._ended(frozenset(self._starts_at(destination)))

    def _ended(self, starts: frozenset[int]) -> tuple[int, ...]:
        known = self._known.get(starts)
        if known is None:
            inside = sorted(
                start - 1 for start in starts | _starts([(HBONE_PORT, HBONE_PORT)]) if FIRST_PORT < start <= LAST_PORT
            )
            known = self._known[starts] = (*inside, LAST_PORT)
        return known

    def _starts_at(self, destination: PodClass) -> set[int]:
        """The first ports of the ranges of a destination's proxy and Services."""
        numbers = ((number, number) for number, *_ in destination.spoken or ())
        return _starts(chain(self._of_mesh(destination.endpoint), numbers))

    def _of_class(self, member: PodClass) -> set[int]:
        """The first ports of the ranges in network policies about a class, as source or destination."""
        known = self._by_number.get(member.number)
        if known is None:
            named = ((port.number, port.number) for port in member.ports)
            known = self._by_number[member.number] = _starts(chain(self._of_network(member.endpoint), named))
        return known

    def _of_waypoint(self, waypoint: Endpoint) -> set[int]:
        known = self._by_name.get(waypoint.name)
        if known is None:
            known = self._by_name[waypoint.name] = _starts(self._of_network(waypoint))
        return known

    def _of_network(self, end: Endpoint) -> Iterator[Range]:
        for policy in self._network.get(end.namespace, ()):
            if matches(policy.pod_selector, end.labels):
                yield from _of_network(policy)
        for admin in self._admin:
            if subject_selects(admin.subject, end) is not False:
                yield from _of_admin(admin)
        if self._own is not None:
            for direction in Direction:
                yield from _of_tiers(self._own.tiers(direction, end))

    def _of_mesh(self, end: Endpoint) -> Iterator[Range]:
        for namespace in dict.fromkeys((end.namespace, self._root)):
            for authorized in self._authorization.get(namespace, ()):
                if _selects(authorized.selector, end):
                    yield from _of_authorization(authorized)
            for authentication in self._modes.get(namespace, ()):
                yield from ((port, port) for port in authentication.port_modes)


def _selects(selector: LabelSelector | None, end: Endpoint) -> bool:
    return selector is None or matches(selector, end.labels)


def _by_namespace(policies: Iterable[_P]) -> dict[str, list[_P]]:
    found: dict[str, list[_P]] = defaultdict(list)
    for policy in policies:
        found[policy.meta.namespace].append(policy)
    return found


def _starts(ranges: Iterable[Range]) -> set[int]:
    """The first ports of ranges and of what follows them."""
    return {start for first, last in ranges for start in (first, last + 1)}


def _of_network(policy: NetworkPolicy) -> Iterator[Range]:
    """The numbered ports of a NetworkPolicy; named ports are among those of the containers."""
    for rule in (*(policy.ingress or ()), *(policy.egress or ())):
        for port in rule.ports:
            if isinstance(port.port, int):
                yield port.port, port.end_port or port.port


def _of_admin(policy: AdminPolicy) -> Iterator[Range]:
    for rule in (*policy.ingress, *policy.egress):
        yield from ((port.start, port.end) for port in rule.ports or () if not port.named)


def _of_tiers(tiers: Iterable[Tier]) -> Iterator[Range]:
    """The numbered ports of a CNI's own policies."""
    for ports in (rule.ports for tier in tiers for rule in tier.rules):
        yield from ((entry.first, entry.last) for entry in (*(ports.entries or ()), *ports.excluded) if not entry.name)


def _of_authorization(policy: AuthorizationPolicy) -> Iterator[Range]:
    for rule in policy.rules:
        texts = [text for o in rule.operations for text in (*o.ports, *o.not_ports)]
        texts += [text for c in rule.conditions if c.key == "destination.port" for text in (*c.values, *c.not_values)]
        yield from ((port, port) for text in texts if (port := parse_port(text)) is not None)
