"""The rules of Calico's policies, each with the ends and ports that it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from meshtui.engine.matching.addresses import networks_of
from meshtui.engine.policy.calico.entities import Addressed, Entity, Labelled, OfFamily, Part, World
from meshtui.engine.policy.calico.selectors import (
    ACCOUNT,
    NAMESPACE,
    OF_ACCOUNT,
    OF_NAMESPACE,
    Operator,
    Selector,
    Term,
    both,
    of_pods,
    parse,
)
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.tiers import PROTOCOLS, Action, NamedPods, PortEntry, Ports, Rule
from meshtui.model.calico import CalicoRule, Side
from meshtui.model.ids import ObjectRef
from meshtui.model.meta import Meta
from meshtui.model.reason import Code, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decider

_ACTIONS = {"Allow": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}
_MOST_DIGITS = 5
_NUMBERS = {"TCP": 6, "UDP": 17, "SCTP": 132}


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A rule whose own side isn't compared yet."""

    rule: Rule
    own: Entity


class Rules:
    """Compiles the rules of one snapshot's policies."""

    def __init__(self, snapshot: Snapshot, world: World) -> None:
        self._snapshot = snapshot
        self._world = world

    def compiled(self, policy: Meta, written: Iterable[CalicoRule], direction: Direction) -> Iterator[Compiled]:
        """The rules of a policy in one direction. Raises SelectorError."""
        for number, rule in enumerate(written):
            if rule.action == "Log" or rule.icmp:
                continue
            decider = Decider(policy.ref, f"{direction.value}[{number}]")
            yield from self._rule(rule, direction, policy.namespace, decider)

    def named(self, policy: ObjectRef, written: Iterable[CalicoRule], direction: Direction) -> Iterator[NamedPods]:
        """The pods that rules name by labels alone: no network set has such labels."""
        for number, rule in enumerate(written):
            peer = rule.source if direction is Direction.INGRESS else rule.destination
            if rule.action == "Log" or rule.icmp or not _says_pods(peer):
                continue
            labels = _of_endpoints(peer, policy.namespace)
            if labels is None or any(self._world.sets(labels)):
                continue
            home = Term(Operator.IN, NAMESPACE, (policy.namespace,)) if policy.namespace else Term(Operator.HAS, NAMESPACE)
            spaces = _of_namespaces(peer.namespace_selector) if peer.namespace_selector else home
            pods, there = (Entity((Labelled(each, self._world),)) for each in (labels, spaces))
            yield NamedPods(Decider(policy, f"{direction.value}[{number}]"), pods, there, _in_words(peer))

    def _rule(self, rule: CalicoRule, direction: Direction, namespace: str, decider: Decider) -> Iterator[Compiled]:
        ingress = direction is Direction.INGRESS
        peer, own = (rule.source, rule.destination) if ingress else (rule.destination, rule.source)
        doubt = None
        if rule.destination.ports is not None and not (rule.protocol or rule.not_protocol):
            doubt = because(Code.RULE_WITHOUT_PROTOCOL)
        elif rule.http:
            doubt = because(Code.RULE_READS_HTTP)
        elif rule.source.ports is not None or rule.source.not_ports:
            doubt = because(Code.RULE_READS_SOURCE_PORT)
        action = _ACTIONS.get(rule.action, Action.UNKNOWN)
        families = [OfFamily(rule.ip_version)] if rule.ip_version in {4, 6} else []
        families += [part for side in (rule.source, rule.destination) for part in _family_of(side.not_nets)]
        for service, ports in self._through(peer, rule, by_port=not ingress):
            ends = self._entity(peer, namespace, service), self._entity(own, namespace, None)
            target = _of_endpoints(rule.destination, namespace)
            for change, these in self._by_name(target, ports):
                other, itself = (ends[0], change(ends[1])) if ingress else (change(ends[0]), ends[1])
                peers = replace(other, parts=(*other.parts, *families))
                yield Compiled(Rule(action, decider, peers, these, doubt), itself)

    def _by_name(self, target: Selector | None, ports: Ports) -> Iterator[tuple[Callable[[Entity], Entity], Ports]]:
        """A rule's ports, and how the destination changes for them.

        A name means ports of the pods that the selector selects itself (felix/calc/rule_scanner.go): where it also selects
        network sets, what is in those alone has no named ports.
        """
        if target is None or not ports.names or not any(self._world.sets(target)):
            yield (lambda entity: entity), ports
            return
        pods = Labelled(target, self._world)
        yield (lambda entity: replace(entity, parts=(*entity.parts, pods))), ports
        entries = None if ports.entries is None else tuple(entry for entry in ports.entries if not entry.name)
        numbers = Ports(entries, tuple(entry for entry in ports.excluded if not entry.name))
        yield (lambda entity: replace(entity, excluded=(*entity.excluded, pods))), numbers

    def _through(self, peer: Side, rule: CalicoRule, *, by_port: bool) -> Iterator[tuple[Addressed | bool | None, Ports]]:
        """The addresses and ports of a rule's Service, once for each of its EndpointSlices; else the rule's own ports.

        The addresses are None without a Service, and True if they aren't known.
        """
        if peer.service is None:
            yield None, _ports(rule)
            return
        namespace, name = peer.service
        slices = [s for s in self._snapshot.endpoint_slices.values() if (s.meta.namespace, s.service) == (namespace, name)]
        if not self._snapshot.lists_all("EndpointSlice") or not (slices or self._snapshot.live):
            yield True, _ports(rule)
        for each in slices:
            texts = (address for endpoint in each.endpoints for address in endpoint.addresses)
            addressed = Addressed(networks_of(texts))
            protocols = _protocols(rule)
            numbered = [(p.protocol, p.number) for p in each.ports if p.number is not None and p.protocol in protocols]
            entries = tuple(PortEntry(protocol, number, number) for protocol, number in numbered)
            yield addressed, Ports(entries) if by_port else _ports(rule)

    def _entity(self, side: Side, namespace: str, service: Addressed | bool | None) -> Entity:
        """The ends of one side of a rule, without its ports."""
        parts: list[Part] = []
        labels = _of_endpoints(side, namespace)
        if labels is not None:
            parts.append(self._labelled(labels))
        if side.nets is not None:
            parts.append(Addressed(networks_of(side.nets)))
        if isinstance(service, Addressed):
            parts.append(service)
        excluded: list[Part] = [Addressed(networks_of(side.not_nets))] if side.not_nets else []
        if side.not_selector:
            excluded.append(self._labelled(of_pods(side.not_selector)))
        return Entity(tuple(parts), tuple(excluded), perhaps=service is True or bool(side.domains))

    def _labelled(self, selector: Selector) -> Labelled:
        return Labelled(selector, self._world, *self._world.sets(selector))


def _says_pods(side: Side) -> bool:
    """Whether a side names pods by their own labels or ServiceAccounts, and nothing by its address."""
    by_address = side.nets is not None or side.service is not None or side.domains
    return bool(side.selector or side.service_accounts is not None) and not by_address


def _in_words(side: Side) -> str:
    accounts = side.service_accounts
    parts = [f"selector {side.selector}"] if side.selector else []
    if accounts is not None:
        parts += [f"serviceAccounts {', '.join(accounts.names) or accounts.selector}"]
    parts += [f"namespaceSelector {side.namespace_selector}"] if side.namespace_selector else []
    return ", ".join(parts)


def _of_endpoints(side: Side, namespace: str) -> Selector | None:
    """What the labels of pods and network sets must be; None if they don't count.

    Without a namespaceSelector, a namespaced policy means its own namespace as soon as any selector is written.
    """
    accounts = side.service_accounts
    of_accounts = None
    if accounts is not None:
        named = Term(Operator.IN, ACCOUNT, accounts.names) if accounts.names else None
        of_accounts = [prefixed(accounts.selector, OF_ACCOUNT), named]
    written = [*(of_accounts or ()), of_pods(side.selector) if side.selector else None]
    if side.namespace_selector:
        return both(_of_namespaces(side.namespace_selector), *written)
    if not any(part is not None for part in written) and not (side.not_selector and namespace):
        return None
    return both(Term(Operator.IN, NAMESPACE, (namespace,)) if namespace else None, *written)


def _of_namespaces(text: str) -> Selector:
    """A namespaceSelector: ``all()`` is what has a namespace, ``global()`` what has none."""
    return parse(text).prefixed(OF_NAMESPACE, every=Term(Operator.HAS, NAMESPACE))


def prefixed(text: str, prefix: str) -> Selector | None:
    """A selector of namespaces or ServiceAccounts, for the labels that pods have of them; None for no text."""
    return parse(text).prefixed(prefix) if text else None


def _ports(rule: CalicoRule) -> Ports:
    """The destination's ports of a rule, of each of its protocols."""
    protocols = _protocols(rule)
    written = rule.destination.ports
    if written is None:
        entries = None if len(protocols) == len(PROTOCOLS) else tuple(map(PortEntry, protocols))
    else:
        entries = tuple(_port(name, text) for name in protocols for text in written)
    return Ports(entries, tuple(_port(name, text) for name in protocols for text in rule.destination.not_ports))


def _protocols(rule: CalicoRule) -> list[str]:
    return [name for name in PROTOCOLS if _is_of(rule.protocol, name) and not _is_of(rule.not_protocol or "none", name)]


def _family_of(networks: Iterable[str]) -> tuple[OfFamily, ...]:
    """The family of excluded networks, if all are of one: for the other, Felix leaves the whole rule out."""
    found = {network.version for network in networks_of(networks)}
    return (OfFamily(found.pop()),) if len(found) == 1 else ()


def _is_of(written: str, protocol: str) -> bool:
    return not written or written.upper() == protocol or written == str(_NUMBERS[protocol])


def _port(protocol: str, text: str) -> PortEntry:
    """A number, a range with both its ends, or a name."""
    first, colon, last = text.partition(":")
    if _is_number(first) and (_is_number(last) or not colon):
        return PortEntry(protocol, int(first), int(last or first))
    return PortEntry(protocol, name=text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
