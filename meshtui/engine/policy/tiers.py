"""Policies of a CNI's own kinds in one form: tiers of ordered rules, of which the first that matches decides.

``engine.path.layers`` asks them for one flow, ``engine.matrix.network`` for all pairs. Each CNI has a package beside this module,
which makes the tiers of a pod from its policies; ``engine.policy.own`` lists them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import ClassVar, Protocol

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.addresses import Network
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.model.constants import HBONE_PORT
from meshtui.model.flow import HttpRequest
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.policy import AdminPeer, NetworkPeer
from meshtui.model.reason import Reason
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decider, Layer
from meshtui.model.workload import ContainerPort, Pod

Bits = int
"""A set of classes (``engine.classes.index``)."""
PROTOCOLS = ("TCP", "UDP", "SCTP")
FIRST_PORT, LAST_PORT = 1, 65535


class Action(Enum):
    """What a rule does with a flow that it matches."""

    ALLOW = "Allow"
    DENY = "Deny"
    PASS = "Pass"
    """The next tier decides."""
    UNKNOWN = "unknown"


class Values(Protocol):
    """The labels of all classes, as sets of classes."""

    def by_value(self, key: str) -> Mapping[str, Bits]:
        """The classes with a label, by its value."""
        ...


class Classes(Protocol):
    """What ``Peers`` may ask about all classes at once (``engine.classes.index.Index``)."""

    @property
    def all(self) -> Bits:
        """All classes."""
        ...

    @property
    def as_nodes(self) -> Bits:
        """The pods on the host network that the CNI sees, or may see, as their nodes."""
        ...

    @property
    def pods(self) -> Values:
        """Labels of pods, as far as rules read them."""
        ...

    @property
    def namespaces(self) -> Values:
        """All labels of pods' namespaces."""
        ...

    @property
    def in_namespace(self) -> Mapping[str, Bits]:
        """The classes of each namespace."""
        ...

    @property
    def accounts(self) -> Mapping[tuple[str, str], Bits]:
        """The classes by namespace and name of their ServiceAccount."""
        ...

    @property
    def unlabelled(self) -> Mapping[str, Bits]:
        """The classes of namespaces whose labels aren't known."""
        ...

    def in_network(self, network: Network) -> tuple[Bits, Bits]:
        """The classes that are in a network, and those that may be."""
        ...

    def of_family(self, version: int) -> Bits:
        """The classes with an address of a family."""
        ...

    def peer(self, entry: NetworkPeer, namespace: str) -> Bits:
        """Those that a peer of a NetworkPolicy matches."""
        ...

    def peer_may(self, entry: NetworkPeer, namespace: str) -> Bits:
        """Those that a peer of a NetworkPolicy may match."""
        ...

    def admin_peer(self, entry: AdminPeer) -> Bits:
        """Those that a peer of an admin policy matches."""
        ...

    def admin_peer_may(self, entry: AdminPeer) -> Bits:
        """Those that a peer of an admin policy may match."""
        ...


class Peers(Protocol):
    """The ends that a rule is about, on the other side of a flow."""

    @property
    def is_everybody(self) -> bool:
        """Whether every end is certainly one of them. False says nothing."""
        ...

    def match(self, end: Endpoint) -> bool | None:
        """Whether an end is one of them; None if that isn't known."""
        ...

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly among them, and those of which it isn't known."""
        ...


@dataclass(frozen=True, slots=True)
class Everybody:
    """Every end."""

    is_everybody: ClassVar[bool] = True

    def match(self, _: Endpoint) -> bool | None:
        """Whether an end is one of them: always."""
        return True

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """All classes."""
        return index.all, 0


@dataclass(frozen=True, slots=True)
class PortEntry:
    """Ports of one protocol: numbers from ``first`` to ``last``, or those that the destination's containers name so."""

    protocol: str
    first: int = FIRST_PORT
    last: int = LAST_PORT
    name: str = ""

    def contains(self, port: int, protocol: str, ports: Iterable[ContainerPort]) -> bool:
        """Whether a port is one of them; ``ports`` are the destination's own."""
        if self.protocol != protocol:
            return False
        if not self.name:
            return self.first <= port <= self.last
        return any((p.number, p.name, p.protocol) == (port, self.name, protocol) for p in ports)


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports that a rule is about: ANY of ``entries`` (None: all ports of all protocols) and none of ``excluded``."""

    entries: tuple[PortEntry, ...] | None = None
    excluded: tuple[PortEntry, ...] = ()

    def contain(self, port: int, protocol: str, target: Pod | None) -> bool:
        """Whether a port is one of them; ``target`` is the destination's pod."""
        ports = target.ports if target is not None else ()
        if self.entries is not None and not any(entry.contains(port, protocol, ports) for entry in self.entries):
            return False
        return not any(entry.contains(port, protocol, ports) for entry in self.excluded)

    @property
    def names(self) -> frozenset[str]:
        """The names that they need of containers' ports."""
        return frozenset(entry.name for entry in (*(self.entries or ()), *self.excluded) if entry.name)


ALL_PORTS = Ports()


class Requests(Hashable, Protocol):
    """What a rule asks of HTTP requests; ``rules`` are its parts as written, one of which has to match."""

    @property
    def rules(self) -> tuple[Hashable, ...]:
        """The parts."""
        ...

    def match(self, request: HttpRequest) -> bool | None:
        """Whether a request passes; None if that isn't known."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One rule of a tier. ``doubt`` is why it isn't certain that it matches what its peers and ports match.

    ``decider`` None: no policy's rule, but that a pod's own node always reaches it. ``requests``: it allows these HTTP requests
    and no others, and its action is UNKNOWN, because what is sent isn't known for all flows.
    """

    action: Action
    decider: Decider | None
    peers: Peers = field(default_factory=Everybody)
    ports: Ports = ALL_PORTS
    doubt: Reason | None = None
    requests: Requests | None = None

    @property
    def is_on_request(self) -> bool:
        """Whether a request says what this rule decides."""
        return self.requests is not None and self.doubt is None

    @property
    def is_everything(self) -> bool:
        """Whether it certainly matches every flow."""
        return self.doubt is None and self.peers.is_everybody and self.ports == ALL_PORTS


@dataclass(frozen=True, slots=True, eq=False)
class Tier:
    """Rules in order. If none matches, ``end`` holds: DENY, which ``by`` decides, or PASS to the next tier.

    ``policies`` are those of the tier that select the pod; ``title`` is the tier in words.
    """

    layer: Layer
    rules: tuple[Rule, ...]
    end: Action
    by: Decider | None = None
    policies: tuple[ObjectRef, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a pod's tiers decide about a flow: ALLOW or DENY. ``rule`` None: no rule matches, and the tier's end decides.

    ``perhaps``: it isn't known whether the rule matches, and it makes a difference. ``passing`` are the rules whose requests
    pass, if only a request is missing; ``refusing`` those that would have let other requests through than the one that is sent.
    """

    tier: Tier
    rule: Rule | None
    action: Action = Action.UNKNOWN
    perhaps: bool = False
    passing: tuple[Rule, ...] = ()
    refusing: tuple[Rule, ...] = ()


@dataclass(slots=True)
class Reads:
    """What the policies read of pods (``engine.classes.classifier.Reads``)."""

    labels: dict[str, set[str]] = field(default_factory=dict)
    """Label keys, each with the values that are compared."""
    whole: set[str] = field(default_factory=set)
    """Label keys of which every value is distinguished."""
    networks: set[Network] = field(default_factory=set)
    port_names: set[str] = field(default_factory=set)
    accounts: bool = False
    """Whether a pod's ServiceAccount counts."""
    families: bool = False
    """Whether the family of an address counts."""

    @property
    def addresses(self) -> bool:
        """Whether anything about addresses counts."""
        return self.families or bool(self.networks)


@dataclass(frozen=True, slots=True)
class Place:
    """A tier of a cluster. An infinite ``order`` comes last; ``end`` is DENY or PASS; ``admin``: whose admin policies it has."""

    order: float
    name: str
    end: Action
    admin: str = ""
    networkpolicies: float | None = None
    """The order that NetworkPolicies have in it; None: they are in another one."""

    @property
    def title(self) -> str:
        """The tier in words."""
        return self.name if self.order == inf else f"{self.name}, order {self.order:.15g}"


@dataclass(frozen=True, slots=True)
class NamedPods:
    """Pods that a rule names by labels, and by nothing that could also be an address.

    ``namespaces`` are all pods of the namespaces in which they are looked for; ``words`` is what is written.
    """

    decider: Decider
    pods: Peers
    namespaces: Peers
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class OwnPolicy:
    """One evaluated policy of a CNI's own kinds.

    ``subject`` are the pods that it selects, as an answer for pods alone. ``rules`` are those of the directions that it is about;
    ``closes`` are the directions in which what no rule allows is denied to the pods that it selects. Where the CNI has tiers,
    ``tier`` is the name of its, and ``order`` its place there (infinite: last).
    """

    ref: ObjectRef
    subject: Peers
    rules: Mapping[Direction, tuple[Rule, ...]]
    closes: frozenset[Direction]
    tier: str = ""
    order: float = inf
    named: tuple[NamedPods, ...] = ()
    """The peers that its rules name."""


class OwnPolicies(Protocol):
    """The policies of one CNI in one snapshot, with the NetworkPolicies and admin policies beside them.

    ``judged`` are the policies of the CNI's own kinds that are evaluated; the others make verdicts unknown.
    ``own_node_first``: a pod's own node reaches it whatever they say; else a rule of the tiers says so.
    """

    own_node_first: ClassVar[bool]
    judged: frozenset[Uid]

    @property
    def policies(self) -> Mapping[Uid, OwnPolicy]:
        """The evaluated policies that can have an effect: no copies in a second API group, and none that the CNI refuses."""
        ...

    @property
    def places(self) -> tuple[Place, ...]:
        """The tiers of the cluster, in the order of their evaluation; empty if the CNI has none."""
        ...

    def kept(self, snapshot: Snapshot) -> OwnPolicies | None:
        """The same rules for a newer snapshot; None if something has changed on which they depend."""
        ...

    def reads(self) -> Reads:
        """What the policies read of pods."""
        ...

    def tiers(self, direction: Direction, subject: Endpoint) -> tuple[Tier, ...]:
        """The tiers of a pod in one direction; pods with the same rules get the same object. Empty if nothing selects it."""
        ...


def same_objects(old: Mapping[Uid, object], new: Mapping[Uid, object]) -> bool:
    """Whether two mappings of Snapshots have equal objects."""
    return old is new or dict(old) == dict(new)


def decide(
    tiers: Sequence[Tier], peer: Endpoint, port: int, protocol: str, target: Pod | None, http: HttpRequest | None = None
) -> Decision | None:
    """What decides about a flow: the first rule that matches, tier by tier, or the end of a tier. None: no tier does.

    If an earlier rule with another action may match, that one is returned as uncertain. ``http`` is the request that is sent, as
    far as it can be read on this port.
    """
    for tier in tiers:
        refusing: list[Rule] = []
        matching = _matching(tier, peer, port, protocol, target, http, refusing)
        found = _decide_in(tier, matching, port, http, refusing)
        if found is not None:
            return found
    return None


@dataclass(frozen=True, slots=True)
class _Match:
    """A rule that matches a flow, or may. ``action`` is UNKNOWN if what it does depends on what isn't known."""

    rule: Rule
    action: Action
    certain: bool


def _matching(
    tier: Tier,
    peer: Endpoint,
    port: int,
    protocol: str,
    target: Pod | None,
    http: HttpRequest | None,
    refusing: list[Rule],
) -> Iterator[_Match]:
    """The rules that match, or may; those whose requests the flow's isn't one of are added to ``refusing``."""
    for rule in tier.rules:
        matching = rule.ports.contain(port, protocol, target) and rule.peers.match(peer)
        if matching is False:
            continue
        certain = matching is True and rule.doubt is None
        passes = rule.requests.match(http) if rule.requests is not None and http is not None else None
        if passes is False:
            refusing.append(rule)
        else:
            yield _Match(rule, Action.ALLOW if certain and passes else rule.action, certain)


def _decide_in(
    tier: Tier, matching: Iterable[_Match], port: int, http: HttpRequest | None, refusing: Sequence[Rule]
) -> Decision | None:
    """What a tier decides; None for nothing, or if it passes on to the next one."""
    perhaps: list[_Match] = []
    surely = None
    for match in matching:
        if match.certain and match.action is not Action.UNKNOWN:
            surely = match
            break
        perhaps.append(match)
    action = tier.end if surely is None else surely.action
    others = [each for each in perhaps if each.action is not action]
    if others:  # in a tunnel no request can be read
        asked = http is None and port != HBONE_PORT and all(each.certain and each.rule.requests is not None for each in others)
        return Decision(tier, others[0].rule, perhaps=True, passing=tuple(each.rule for each in others) if asked else ())
    if surely is not None:
        return None if action is Action.PASS else Decision(tier, surely.rule, action)
    if action is not Action.PASS:
        return Decision(tier, None, action, refusing=tuple(refusing))
    if refusing:  # a proxy refuses other requests, though no policy closes the pod
        return Decision(tier, refusing[0], perhaps=True)
    return None
