"""The ends that a Cilium rule is about: by labels, entities, CIDRs, groups of CIDRs.

Sources: cilium/cilium pkg/policy/api/entity.go (entities), pkg/policy/types/selector.go (CIDRs select nothing but addresses
outside, unless policy-cidr-match-mode is set), pkg/policy/repository.go (a pod's own node).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.addresses import Network
from meshtui.engine.policy.cilium.labels import GROUP, Requirement, Selector, sum_of
from meshtui.engine.policy.cilium.world import Sort, World, any_of, sort_of
from meshtui.engine.policy.tiers import Bits, Classes

NOBODY_HERE = frozenset({"none", "init", "health", "unmanaged", "ingress"})
"""Entities that are no pod with labels, no node and no address outside."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a selector selects. ``node`` is that of the policy's pod, if it is known.

    ``by_release``: newer releases select in the cluster only, others also what has none of the labels.
    """

    selector: Selector
    world: World = field(compare=False)
    by_release: bool = False
    node: str = ""

    @property
    def reads_node(self) -> bool:
        """Whether it depends on the node of the policy's pod."""
        return self.selector.reads_reserved("host", "remote-node")

    def match(self, end: Endpoint) -> bool | None:
        """Whether an end is one of them; None if that isn't known."""
        sort = sort_of(end)
        if sort is Sort.GONE:
            return False
        if sort is Sort.POD:
            return self.selector.match(partial(self.world.of_pod, end))
        if sort is Sort.NODE:
            found = self.selector.match(partial(self.world.of_node, end, is_on(end, self.node)))
        else:
            found = self.selector.match(partial(self.world.of_outside, end))
        return None if found and self.by_release else found

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly among them, and those of which it isn't known."""
        surely, unknown = self.selector.classes(index.all, partial(self.world.classes, index))
        surely, unknown = surely & ~index.as_nodes, unknown & ~index.as_nodes
        if index.as_nodes:
            node = self.selector.match(partial(self.world.of_node, None, None))
            if node is None or (node and self.by_release):
                unknown |= index.as_nodes
            elif node:
                surely |= index.as_nodes
        return surely, unknown


@dataclass(frozen=True, slots=True)
class Entities:
    """The ends of ANY of some entities."""

    names: frozenset[str]
    world: World = field(compare=False)
    node: str = ""

    @property
    def reads_node(self) -> bool:
        """Whether it depends on the node of the policy's pod."""
        return bool(self.names & {"host", "remote-node"})

    def match(self, end: Endpoint) -> bool | None:
        """Whether an end is one of them; None if that isn't known."""
        if "all" in self.names:
            return True
        match sort_of(end):
            case Sort.GONE:
                return None if self.names - NOBODY_HERE else False
            case Sort.POD:
                return "cluster" in self.names
            case Sort.NODE:
                return any_of(list(self._of_node(end)))
            case _:
                return any_of(list(self._of_outside(end)))

    def _of_node(self, end: Endpoint) -> Iterator[bool | None]:
        own = is_on(end, self.node)
        yield "cluster" in self.names
        if "host" in self.names:
            yield own
        if "remote-node" in self.names:
            yield None if own is None else not own
        if "kube-apiserver" in self.names:
            yield self.world.is_api_server(end)

    def _of_outside(self, end: Endpoint) -> Iterator[bool | None]:
        """The cluster has an API server outside only if that is known."""
        yield "world" in self.names
        for version in (4, 6):
            if f"world-ipv{version}" in self.names:
                yield self.world.is_of_world(end, version)
        if "kube-apiserver" in self.names or ("cluster" in self.names and self.world.api_servers is not None):
            yield self.world.is_api_server(end)

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly among them, and those of which it isn't known."""
        if self.names & {"all", "cluster"}:
            return index.all, 0
        perhaps = self.reads_node or ("kube-apiserver" in self.names and self.world.may_be_api_server is not False)
        return 0, index.as_nodes if perhaps else 0


@dataclass(frozen=True, slots=True)
class Block:
    """The addresses in ANY of some networks, and in none of ``cuts``. ``pods`` and ``nodes``: whether it may mean theirs."""

    networks: tuple[Network, ...]
    cuts: tuple[Network, ...] = ()
    pods: bool = False
    nodes: bool = False

    @property
    def reads_node(self) -> bool:
        """Whether it depends on the node of the policy's pod: never."""
        return False

    def match(self, end: Endpoint) -> bool | None:
        """Whether an end is one of them; None if that isn't known."""
        sort = sort_of(end)
        if sort is Sort.GONE or (sort is not Sort.OUTSIDE and end.in_blocks is False):
            return False
        inside, cut = (any_of([end.in_network(network) for network in several]) for several in (self.networks, self.cuts))
        if inside is False or cut is True:
            return False
        return None if inside is None or cut is None or (sort is not Sort.OUTSIDE and end.in_blocks is None) else True

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly among them, and those of which it isn't known: those in it, if it may mean them."""
        meant = (index.all & ~index.as_nodes if self.pods else 0) | (index.as_nodes if self.nodes else 0)
        if not meant:
            return 0, 0
        inside = sum_of(surely | may for surely, may in map(index.in_network, self.networks))
        return 0, inside & meant & ~sum_of(surely for surely, _ in map(index.in_network, self.cuts))


@dataclass(frozen=True, slots=True)
class InGroups:
    """The addresses of the CiliumCIDRGroups that a selector selects, without those of ``cuts``."""

    selector: Selector
    cuts: tuple[Network, ...]
    world: World = field(compare=False)

    @property
    def reads_node(self) -> bool:
        """Whether it depends on the node of the policy's pod: never."""
        return False

    def match(self, end: Endpoint) -> bool | None:
        """Whether an end is one of them; None if that isn't known: releases differ on what no group holds."""
        sort = sort_of(end)
        if sort is not Sort.OUTSIDE:
            return None if sort is not Sort.GONE and self._selects_without_labels else False
        found = [self._of_label(each, end) for each in self.selector.requirements]
        cut = any_of([end.in_network(network) for network in self.cuts])
        if False in found or cut is True:
            return False
        return None if None in found or cut is None else True

    @property
    def _selects_without_labels(self) -> bool:
        return all(each.negative for each in self.selector.requirements)

    def _of_label(self, wanted: Requirement, end: Endpoint) -> bool | None:
        """Whether an address has a label of a group; with several values of it, it isn't known which one counts."""
        if wanted.source != GROUP:
            return wanted.negative
        values = [
            (labels[wanted.key], inside)
            for _, labels, networks in self.world.groups
            if wanted.key in labels and (inside := any_of([end.in_network(network) for network in networks])) is not False
        ]
        found = {wanted.holds(value) for value, _ in values}
        if not any(inside for _, inside in values):
            found.add(wanted.holds(None))
        return found.pop() if len(found) == 1 else None

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly among them, and those of which it isn't known."""
        return 0, index.all if self._selects_without_labels else 0


@dataclass(frozen=True, slots=True)
class SomeOutside:
    """Addresses outside that only the CNI knows: those of domain names, or of a cloud's groups."""

    @property
    def reads_node(self) -> bool:
        """Whether it depends on the node of the policy's pod: never."""
        return False

    def match(self, end: Endpoint) -> bool | None:
        """Whether an end is one of them: for an address outside, it isn't known."""
        return None if sort_of(end) is Sort.OUTSIDE else False

    def classes(self, _: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly among them, and those of which it isn't known: none."""
        return 0, 0


@dataclass(frozen=True, slots=True)
class Perhaps:
    """What Services mean that aren't known: it may be every end."""

    @property
    def reads_node(self) -> bool:
        """Whether it depends on the node of the policy's pod: never."""
        return False

    def match(self, _: Endpoint) -> bool | None:
        """Whether an end is one of them: it isn't known."""
        return None

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly among them, and those of which it isn't known: all."""
        return 0, index.all


Part = Labelled | Entities | Block | InGroups | SomeOutside | Perhaps


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The ends of ANY of some parts."""

    parts: tuple[Part, ...]

    @property
    def is_everybody(self) -> bool:
        """Whether every end is certainly one of them."""
        return any(isinstance(part, Entities) and "all" in part.names for part in self.parts)

    @property
    def reads_node(self) -> bool:
        """Whether it depends on the node of the policy's pod."""
        return any(part.reads_node for part in self.parts)

    def at(self, node: str) -> AnyOf:
        """The same for a policy's pod on a node."""
        if not self.reads_node:
            return self
        return AnyOf(tuple(replace(p, node=node) if isinstance(p, Labelled | Entities) else p for p in self.parts))

    def match(self, end: Endpoint) -> bool | None:
        """Whether an end is one of them; None if that isn't known."""
        return any_of([part.match(end) for part in self.parts])

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly among them, and those of which it isn't known."""
        surely = may = 0
        for part in self.parts:
            found, unknown = part.classes(index)
            surely, may = surely | found, may | unknown
        return surely, may & ~surely


@dataclass(frozen=True, slots=True)
class OwnNode:
    """The node of the policy's pod, and the pods on its network."""

    node: str
    is_everybody: ClassVar[bool] = False

    def match(self, end: Endpoint) -> bool | None:
        """Whether an end is it; None if that isn't known."""
        return is_on(end, self.node) if sort_of(end) is Sort.NODE else False

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly it, and those of which it isn't known."""
        return 0, index.as_nodes


def is_on(end: Endpoint, node: str) -> bool | None:
    """Whether an end is a node, or on it; None if one of them isn't known."""
    return end.node == node if end.node and node else None
