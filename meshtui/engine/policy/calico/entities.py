"""The ends that one side of a Calico rule is about: by labels of pods, by network sets, by addresses.

A selector stands for the addresses of all pods and network sets that it selects (projectcalico/calico felix/calc, IP sets), so a
pod also matches by a network set that holds its address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.addresses import Network, networks_of
from meshtui.engine.policy.calico.selectors import (
    ACCOUNT,
    NAME,
    NAMESPACE,
    NOT_KNOWN,
    OF_ACCOUNT,
    OF_NAMESPACE,
    ORCHESTRATOR,
    Selector,
    Value,
)
from meshtui.engine.policy.tiers import Bits, Classes
from meshtui.model.calico import NetworkSet
from meshtui.model.cni import HostPods
from meshtui.model.meta import METADATA_NAME
from meshtui.model.snapshot import Snapshot

_LONGEST = 63
"""Names of this length, or longer, are no values of labels: Calico leaves the label out."""
_EVERYWHERE = networks_of(("0.0.0.0/0", "::/0"))


class World:
    """The labels of the pods and network sets of one snapshot, as Calico sees them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._knows_accounts = snapshot.lists_all("ServiceAccount")
        self._accounts = {(a.meta.namespace, a.meta.name): a.meta.labels for a in snapshot.service_accounts.values()}
        self._namespaces = {namespace.name: namespace for namespace in snapshot.namespaces.values()}
        self._sets = [(each, networks_of(each.nets)) for each in snapshot.network_sets.values()]

    def of_pod(self, end: Endpoint, key: str) -> Value:
        """A label of a pod: its own, one that Calico adds, or one that it has from its namespace or ServiceAccount."""
        account = end.pod.service_account if end.pod is not None else ""
        if key == NAMESPACE:
            return end.namespace
        if key == ORCHESTRATOR:
            return "k8s"
        if key == ACCOUNT:
            return account if len(account) < _LONGEST else None
        if key in end.labels:  # a pod's own labels come before those that it has from others
            return end.labels[key]
        if key.startswith(OF_NAMESPACE):
            return self._of_namespace(end.namespace, key.removeprefix(OF_NAMESPACE))
        if key.startswith(OF_ACCOUNT):
            return self._of_account((end.namespace, account), key.removeprefix(OF_ACCOUNT))
        return end.labels.get(key)

    def _of_namespace(self, name: str, key: str) -> Value:
        if key in {NAME, METADATA_NAME}:
            return name
        namespace = self._namespaces.get(name)
        if namespace is None or (not namespace.known and key not in namespace.labels):
            return NOT_KNOWN
        return namespace.labels.get(key)

    def _of_account(self, account: tuple[str, str], key: str) -> Value:
        if key == NAME:
            return account[1]
        labels = self._accounts.get(account)
        if labels is None:  # Kubernetes makes an account "default" in each namespace, without labels
            return None if account[1] == "default" and self._knows_accounts else NOT_KNOWN
        return labels.get(key)

    def _of_set(self, network_set: NetworkSet, key: str) -> Value:
        namespace = network_set.meta.namespace
        if namespace and key == NAMESPACE:
            return namespace
        if namespace and key.startswith(OF_NAMESPACE):
            return self._of_namespace(namespace, key.removeprefix(OF_NAMESPACE))
        return network_set.meta.labels.get(key)

    def sets(self, selector: Selector) -> tuple[tuple[Network, ...], tuple[Network, ...]]:
        """The addresses of the network sets that a selector selects, and of those that it may select."""
        surely: list[Network] = []
        perhaps: list[Network] = []
        for each, networks in self._sets:
            matching = selector.match(partial(self._of_set, each))
            if matching is not False:
                (surely if matching else perhaps).extend(networks)
                perhaps += _EVERYWHERE if each.domains else ()  # addresses of names, which only the CNI knows
        return tuple(dict.fromkeys(surely)), tuple(dict.fromkeys(perhaps))

    def classes(self, index: Classes, key: str) -> tuple[Mapping[str, Bits], Bits]:
        """The classes of pods with a label by its value, and those of which it isn't known."""
        if key == NAMESPACE:
            return index.in_namespace, 0
        if key == ORCHESTRATOR:
            return {"k8s": index.all}, 0
        found = {} if key == ACCOUNT else dict(index.pods.by_value(key))
        own = 0
        for bits in found.values():
            own |= bits
        if key.startswith(OF_NAMESPACE):
            values = ((self._of_namespace(name, key.removeprefix(OF_NAMESPACE)), b) for name, b in index.in_namespace.items())
        elif key == ACCOUNT or key.startswith(OF_ACCOUNT):
            named = NAME if key == ACCOUNT else key.removeprefix(OF_ACCOUNT)
            values = (
                (self._of_account(account, named), bits)
                for account, bits in index.accounts.items()
                if key != ACCOUNT or len(account[1]) < _LONGEST
            )
        else:
            return found, 0
        unknown = 0
        for value, bits in values:
            if value is NOT_KNOWN:
                unknown |= bits & ~own
            elif isinstance(value, str):
                found[value] = found.get(value, 0) | bits & ~own
        return found, unknown


@dataclass(frozen=True, slots=True)
class Labelled:
    """The pods and network sets that a selector selects. ``sets`` are certain, ``perhaps`` depend on labels that aren't known."""

    selector: Selector
    world: World
    sets: tuple[Network, ...] = ()
    perhaps: tuple[Network, ...] = ()

    def match(self, end: Endpoint) -> bool | None:
        """Whether an end is one of them, or has an address of one."""
        found = [end.in_network(network) for network in self.sets]
        if is_workload(end):
            found.append(self.selector.match(lambda key: self.world.of_pod(end, key)))
        if True in found:
            return True
        doubt = None in found or any(end.in_network(network) is not False for network in self.perhaps)
        return None if doubt else False

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly among them, and those of which it isn't known."""
        surely, unknown = self.selector.classes(index.all, lambda key: self.world.classes(index, key))
        surely, unknown = surely & ~index.as_nodes, unknown & ~index.as_nodes
        inside, may = _in_any(index, self.sets)
        perhaps, may_too = _in_any(index, self.perhaps)
        surely |= inside
        return surely, (unknown | may | perhaps | may_too) & ~surely


@dataclass(frozen=True, slots=True)
class Addressed:
    """The ends with an address in ANY of some networks."""

    networks: tuple[Network, ...]

    def match(self, end: Endpoint) -> bool | None:
        """Whether an end is one of them."""
        found = {end.in_network(network) for network in self.networks}
        return True if True in found else None if None in found else False

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly among them, and those of which it isn't known."""
        return _in_any(index, self.networks)


@dataclass(frozen=True, slots=True)
class OfFamily:
    """The ends with an address of a family, 4 or 6."""

    version: int

    def match(self, end: Endpoint) -> bool | None:
        """Whether an end is one of them."""
        return None if end.address is None else end.address.version == self.version

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly among them, and those of which it isn't known."""
        found = index.of_family(self.version)
        return found, index.all & ~found & ~index.of_family(10 - self.version)


Part = Labelled | Addressed | OfFamily


@dataclass(frozen=True, slots=True)
class Entity:
    """One side of a rule: the ends of which ALL ``parts`` hold, and none of ``excluded``. ``perhaps``: then only perhaps."""

    parts: tuple[Part, ...] = ()
    excluded: tuple[Part, ...] = ()
    perhaps: bool = False

    def match(self, end: Endpoint) -> bool | None:
        """Whether an end is one of them; None if that isn't known."""
        found = {part.match(end) for part in self.parts}
        excluded = {part.match(end) for part in self.excluded}
        if False in found or True in excluded:
            return False
        return None if self.perhaps or None in found or None in excluded else True

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly among them, and those of which it isn't known."""
        surely = may = index.all
        for part in self.parts:
            found, unknown = part.classes(index)
            surely, may = surely & found, may & (found | unknown)
        for part in self.excluded:
            found, unknown = part.classes(index)
            surely, may = surely & ~found & ~unknown, may & ~found
        return (0, may) if self.perhaps else (surely, may & ~surely)

    @property
    def is_everybody(self) -> bool:
        """Whether every end is one of them."""
        return not (self.parts or self.excluded or self.perhaps)

    def networks(self) -> Iterable[Network]:
        """The networks with which it compares addresses."""
        for part in (*self.parts, *self.excluded):
            if isinstance(part, Addressed):
                yield from part.networks
            elif isinstance(part, Labelled):
                yield from (*part.sets, *part.perhaps)

    def selectors(self) -> Iterable[Selector]:
        """The selectors with which it compares labels."""
        return (part.selector for part in (*self.parts, *self.excluded) if isinstance(part, Labelled))


def is_workload(end: Endpoint) -> bool:
    """Whether an end is a pod with labels for Calico; one on the host network is its node."""
    return end.pod is not None and end.selectable and end.host_pods is HostPods.POD


def _in_any(index: Classes, networks: Iterable[Network]) -> tuple[Bits, Bits]:
    surely = may = 0
    for network in networks:
        inside, perhaps = index.in_network(network)
        surely, may = surely | inside, may | perhaps
    return surely, may & ~surely
