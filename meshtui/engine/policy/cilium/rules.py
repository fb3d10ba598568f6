"""Rules of Cilium's policies in the form of ``engine.policy.tiers``.

Sources: cilium/cilium pkg/k8s/apis/cilium.io/utils/utils.go (namespaces and clusters of selectors), pkg/policy/utils (peers),
pkg/policy/rule.go and l4.go (ports; a rule without peers), pkg/policy/k8s/service.go (toServices).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from meshtui.engine.matching.addresses import networks_of
from meshtui.engine.matching.selectors import describe
from meshtui.engine.policy.cilium.checks import number_of
from meshtui.engine.policy.cilium.labels import (
    CLUSTER,
    GROUP,
    KUBERNETES,
    NAMESPACE,
    OF_NAMESPACE,
    RESERVED,
    Requirement,
    Selector,
    selector_of,
)
from meshtui.engine.policy.cilium.peers import AnyOf, Block, Entities, InGroups, Labelled, Part, Perhaps, SomeOutside
from meshtui.engine.policy.cilium.requests import HttpRules
from meshtui.engine.policy.cilium.world import World
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.tiers import (
    ALL_PORTS,
    FIRST_PORT,
    LAST_PORT,
    PROTOCOLS,
    Action,
    Everybody,
    NamedPods,
    PortEntry,
    Ports,
    Rule,
)
from meshtui.model.cilium import CiliumCidr, CiliumPort, CiliumPorts, CiliumRule, CiliumService
from meshtui.model.cni import Cni
from meshtui.model.reason import Code, because
from meshtui.model.selectors import LabelSelector
from meshtui.model.verdict import Decider


def subject_of(written: LabelSelector, namespace: str) -> Selector:
    """The pods that a policy selects: those of its namespace, if it has one, which takes the place of one in matchLabels."""
    if not namespace:
        return selector_of(written)
    kept = replace(written, labels=tuple(pair for pair in written.labels if pair[0] != f"{KUBERNETES}:{NAMESPACE}"))
    return selector_of(kept).plus(Requirement(KUBERNETES, NAMESPACE, "In", (namespace,)))


@dataclass(frozen=True, slots=True)
class Compiler:
    """Makes the rules of one spec. ``namespace`` is empty for a policy of the whole cluster.

    ``for_init``: the policy selects pods that have no labels yet, so that its peers needn't have a namespace.
    """

    world: World
    cni: Cni
    namespace: str
    for_init: bool = False

    def rules(self, written: CiliumRule, direction: Direction, action: Action, decider: Decider) -> Iterator[Rule]:
        """The rules for one entry of a policy; those of which a request decides have the action UNKNOWN."""
        peers = self._peers(written, denies=action is Action.DENY)
        if peers is None:
            return
        if written.authentication not in {"", "disabled"}:
            doubt = because(Code.RULE_READS_REQUEST, field="authentication")
            yield Rule(Action.UNKNOWN, decider, peers, self._all_ports(written.ports), doubt)
            return
        if not written.ports and not written.icmps:
            yield Rule(action, decider, peers)
            return
        plain = [entry for each in written.ports if not requests(each) for entry in entries(each.ports)]
        if plain:
            yield from self.by_port(Rule(action, decider, peers, Ports(tuple(dict.fromkeys(plain)))), direction)
        for each in written.ports:
            if not (fields := requests(each)) or not each.ports:
                continue
            if each.http and fields == ("rules.http",):
                rule = Rule(Action.UNKNOWN, decider, peers, Ports(tuple(entries(each.ports))), requests=HttpRules(each.http))
                yield from self.by_port(rule, direction)
            else:
                doubt = because(Code.RULE_READS_REQUEST, field=", ".join(fields))
                yield Rule(Action.UNKNOWN, decider, peers, self._all_ports((each,)), doubt)

    def _all_ports(self, written: Sequence[CiliumPorts]) -> Ports:
        """Ports of which a request decides: a name may mean any, because it makes no difference if it is wrong."""
        if not written:
            return ALL_PORTS
        found = (entry for each in written for entry in entries(each.ports))
        return Ports(tuple(PortEntry(entry.protocol) if entry.name else entry for entry in found))

    def by_port(self, rule: Rule, direction: Direction) -> Iterator[Rule]:
        """A rule, in parts where it isn't certain what its ports mean: names on egress, and SCTP if it isn't on.

        On egress a name means each peer's own number in newer releases, and the only number that it has in the cluster in others.
        """
        if rule.ports.entries is None:
            yield rule
            return
        doubt = because(Code.RULE_READ_BY_CNI, cni=self.cni.title)
        certain: list[PortEntry] = []
        doubtful: list[PortEntry] = []
        for entry in rule.ports.entries:
            sure = entry.protocol != "SCTP" or bool(self.cni.sctp)
            if entry.name and direction is Direction.EGRESS:
                numbers = self.world.named_ports.get((entry.name, entry.protocol), frozenset())
                if not self.world.knows_named_ports:  # pods that aren't known may give the name any number
                    doubtful.append(PortEntry(entry.protocol))
                    continue
                sure = sure and len(numbers) == 1
                doubtful += [PortEntry(entry.protocol, number, number) for number in numbers if sure]
            (certain if sure else doubtful).append(entry)
        if certain:
            yield replace(rule, ports=Ports(tuple(certain)))
        if doubtful:
            yield replace(rule, ports=Ports(tuple(doubtful)), doubt=rule.doubt or doubt)

    # ---- peers

    def _peers(self, rule: CiliumRule, *, denies: bool) -> AnyOf | Everybody | None:
        """The ends that a rule is about; None for nobody. Services of rules that deny aren't resolved."""
        services = () if denies else rule.services
        generated = [part for each in services for part in self._of_services(each)]
        lists = (rule.endpoints, rule.cidrs, rule.cidr_sets, rule.entities, rule.nodes)
        if any(each is not None and not each for each in lists) and not generated:
            return None
        parts: list[Part] = [*map(self._labelled, rule.endpoints or ()), *generated]
        if services and not self.world.knows_services(decisive=bool(rule.ports) and not generated):
            parts.append(Perhaps())
        if rule.entities:
            parts.append(Entities(frozenset(rule.entities), self.world))
        if rule.cidrs:
            parts.append(self._block(rule.cidrs))
        parts += (self._of_set(entry, denies=denies) for entry in rule.cidr_sets or ())
        if rule.names or rule.groups:
            parts.append(SomeOutside())
        if parts:
            return AnyOf(tuple(parts))
        return Everybody() if rule.ports or rule.icmps else None

    def named(self, written: CiliumRule, decider: Decider) -> Iterator[NamedPods]:
        """The pods that an entry names by labels."""
        for each in written.endpoints or ():
            found = self._labelled(each)
            about = [r for r in found.selector.requirements if r.key == NAMESPACE or r.key.startswith(OF_NAMESPACE)]
            if found.selector.has_source(RESERVED) or len(about) == len(found.selector.requirements):
                continue  # entities, and whole namespaces
            spaces = Labelled(Selector(tuple(about)), self.world)
            yield NamedPods(decider, AnyOf((found,)), AnyOf((spaces,)), describe(each))

    def _labelled(self, written: LabelSelector) -> Labelled:
        """A selector of peers: in the policy's namespace and in the cluster, unless it says something about them itself."""
        found = selector_of(written)
        if found.has_source(RESERVED):
            return Labelled(found, self.world)
        if not found.has(NAMESPACE):
            if not self.namespace:
                found = found if self.for_init else found.plus(Requirement(KUBERNETES, NAMESPACE, "Exists"))
            elif not found.has_prefix(OF_NAMESPACE):
                found = found.plus(Requirement(KUBERNETES, NAMESPACE, "In", (self.namespace,)))
        return Labelled(found, self.world, by_release=not found.has(CLUSTER))

    def _block(self, texts: Iterable[str], excepts: Iterable[str] = ()) -> Block:
        pods, nodes = self.cni.blocks_match_pods is not False, self.cni.blocks_match_nodes is not False
        return Block(networks_of(texts), networks_of(excepts), pods, nodes)

    def _of_set(self, entry: CiliumCidr, *, denies: bool) -> Part:
        """The addresses of an entry. A group that isn't there is nobody; one that denies may be missing in files alone."""
        if entry.groups is not None:
            return InGroups(selector_of(entry.groups, GROUP), networks_of(entry.excepts), self.world)
        if entry.cidr:
            return self._block((entry.cidr,), entry.excepts)
        block = self._block((), entry.excepts)
        named = [found for name, _, found in self.world.groups if name == entry.group]
        if denies and not named and not self.world.knows_groups:
            return Perhaps() if block.pods or block.nodes else SomeOutside()
        networks = tuple(network for found in named for network in found)
        return replace(block, networks=networks)

    def _of_services(self, wanted: CiliumService) -> Iterator[Part]:
        """What Services mean: pods by a Service's selector, else its addresses, which select no pod."""
        for service in self.world.services(wanted):
            if service.selector:
                labels = [Requirement(KUBERNETES, key, "In", (value,)) for key, value in service.selector]
                labels = [each for each in labels if each.key != NAMESPACE]
                in_namespace = Requirement(KUBERNETES, NAMESPACE, "In", (service.meta.namespace,))
                yield Labelled(Selector((*labels, in_namespace)), self.world)
                continue
            addresses = self.world.addresses(service)
            if addresses is None:
                yield SomeOutside()
            elif addresses:
                yield replace(self._block(()), networks=addresses)


def requests(entry: CiliumPorts) -> tuple[str, ...]:
    """The fields of an entry of toPorts that make a proxy look at requests."""
    found = {
        "rules.http": entry.http,
        "rules.dns": entry.dns,
        **{f"rules.{name}": True for name in entry.other_rules},
        "serverNames": entry.server_names,
        "terminatingTLS": entry.terminating_tls,
        "originatingTLS": entry.originating_tls,
        "listener": entry.listener,
    }
    return tuple(name for name, written in found.items() if written)


def entries(ports: Iterable[CiliumPort]) -> Iterator[PortEntry]:
    """Ports of each protocol: number 0 is all of them, and a range that ends before it starts its first one."""
    for port in ports:
        number = number_of(port.port)
        written = port.protocol.upper()
        for protocol in PROTOCOLS if written in {"", "ANY"} else (written,):
            if number is None:
                yield PortEntry(protocol, name=port.port.lower())
            elif number == 0:
                yield PortEntry(protocol, FIRST_PORT, LAST_PORT)
            else:
                yield PortEntry(protocol, number, max(port.end, number))
