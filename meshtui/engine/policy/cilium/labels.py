"""Labels as Cilium compares them: with a source, and only those that are part of a pod's identity.

Sources: cilium/cilium pkg/labels (sources of keys), pkg/labelsfilter/filter.go (which labels count),
pkg/policy/types/requirements.go (operators).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from meshtui.engine.policy.tiers import Bits
from meshtui.model.selectors import LabelSelector

ANY, KUBERNETES, RESERVED, GROUP = "any", "k8s", "reserved", "cidrgroup"
"""Sources of labels. A key with the source ``any``, or without one, means the label of every source."""
NAMESPACE = "io.kubernetes.pod.namespace"
ACCOUNT = "io.cilium.k8s.policy.serviceaccount"
CLUSTER = "io.cilium.k8s.policy.cluster"
OF_NAMESPACE = "io.cilium.k8s.namespace.labels."
"""Labels that Cilium adds to pods; the last is the prefix of those that a pod has from its namespace."""

Possible = tuple[str | None, ...]
"""The values that a label may have, None among them for none; empty if any is possible."""
NONE: Possible = (None,)
PERHAPS: Possible = ("", None)
"""A reserved label, whose value is empty, of which it isn't known whether it is there."""
Lookup = Callable[[str, str], Possible]
"""What is known of a label, by source and key."""
ByValue = Callable[[str, str], tuple[Mapping[str, Bits], Bits]]
"""The classes with a label by its value, and those of which it isn't known, by source and key."""

_COUNTED = tuple(
    re.compile(pattern)
    for pattern in (
        re.escape(NAMESPACE),
        re.escape(OF_NAMESPACE.removesuffix(".")),
        re.escape("app.kubernetes.io"),
        re.escape(CLUSTER),
        re.escape(ACCOUNT),
    )
)
_LEFT_OUT = tuple(
    re.compile(pattern)
    for pattern in (
        r"io\.kubernetes",
        r"kubernetes\.io",
        r"statefulset\.kubernetes\.io/pod-name",
        r"apps\.kubernetes\.io/pod-index",
        r"batch\.kubernetes\.io/job-completion-index",
        r"batch\.kubernetes\.io/controller-uid",
        r".*beta\.kubernetes\.io",
        r"k8s\.io",
        r"pod-template-generation",
        r"pod-template-hash",
        r"controller-revision-hash",
        r"controller-uid",
        r"annotation",
        r"etcd_node",
    )
)
_LEFT_OUT_LATER = "topology.kubernetes.io"
"""Keys that begin with it count in some releases only."""


@lru_cache(maxsize=16384)
def counts(key: str) -> bool:
    """Whether labels with a key are part of identities: a longer match of what counts beats a shorter one of what doesn't."""
    counted = max((len(found[0]) for pattern in _COUNTED if (found := pattern.match(key))), default=0)
    left_out = min((len(found[0]) for pattern in _LEFT_OUT if (found := pattern.match(key))), default=0)
    return not left_out or counted > left_out


def counts_in_some_releases(key: str) -> bool:
    """Whether labels with a key are part of identities in some maintained releases, and not in others."""
    return key.startswith(_LEFT_OUT_LATER)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one label must be. ``operator`` is In, NotIn, Exists or DoesNotExist."""

    source: str
    key: str
    operator: str
    values: tuple[str, ...] = ()

    @property
    def negative(self) -> bool:
        """Whether it also holds without the label."""
        return self.operator in {"NotIn", "DoesNotExist"}

    def holds(self, value: str | None) -> bool:
        """Whether it holds for a value of the label; None for no label."""
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case _:
                return value is None

    def match(self, possible: Possible) -> bool | None:
        """Whether it holds, given what is known of the label; None if that isn't known."""
        found = {self.holds(value) for value in possible}
        return found.pop() if len(found) == 1 else None

    def classes(self, everybody: Bits, values: Mapping[str, Bits], unknown: Bits) -> tuple[Bits, Bits]:
        """The classes for which it holds, and those of which it isn't known."""
        without = everybody
        surely = 0
        for value, bits in values.items():
            without &= ~bits
            if not self.holds(value):
                continue
            surely |= bits
        surely |= without if self.holds(None) else 0
        if counts_in_some_releases(self.key):
            unknown |= sum_of(bits for value, bits in values.items() if self.holds(value) is not self.holds(None))
        return surely & ~unknown, unknown


def sum_of(several: Iterable[Bits]) -> Bits:
    """The classes in ANY of some sets."""
    found = 0
    for bits in several:
        found |= bits
    return found


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that must ALL hold."""

    requirements: tuple[Requirement, ...] = ()

    def match(self, lookup: Lookup) -> bool | None:
        """Whether it selects what has some labels; None if that isn't known."""
        found = {each.match(lookup(each.source, each.key)) for each in self.requirements}
        return False if False in found else None if None in found else True

    def classes(self, everybody: Bits, by_value: ByValue) -> tuple[Bits, Bits]:
        """The classes that it selects, and those of which it isn't known."""
        surely = may = everybody
        for each in self.requirements:
            found, unknown = each.classes(everybody, *by_value(each.source, each.key))
            surely, may = surely & found, may & (found | unknown)
        return surely, may & ~surely

    def has(self, *keys: str) -> bool:
        """Whether it compares one of some keys, as Kubernetes' own or of any source."""
        return any(each.key in keys and each.source in {ANY, KUBERNETES} for each in self.requirements)

    def has_prefix(self, prefix: str) -> bool:
        """Whether it compares a key with a prefix, as Kubernetes' own or of any source."""
        return any(each.key.startswith(prefix) and each.source in {ANY, KUBERNETES} for each in self.requirements)

    def has_source(self, source: str) -> bool:
        """Whether it compares a label of a source."""
        return any(each.source == source for each in self.requirements)

    def has_reserved(self, key: str) -> bool:
        """Whether it compares a reserved label by its source."""
        return any((each.source, each.key) == (RESERVED, key) for each in self.requirements)

    def reads_reserved(self, *keys: str) -> bool:
        """Whether it compares one of some reserved labels."""
        return any(each.key in keys and each.source in {ANY, RESERVED} for each in self.requirements)

    def plus(self, *more: Requirement) -> Selector:
        """The same, and more requirements."""
        return Selector((*self.requirements, *more))


def selector_of(written: LabelSelector, source: str = ANY) -> Selector:
    """A selector as written; ``source`` is that of keys without one."""
    found = [Requirement(*source_and_key(key, source), "In", (value,)) for key, value in written.labels]
    found += [Requirement(*source_and_key(each.key, source), each.operator, each.values) for each in written.requirements]
    return Selector(tuple(found))


def source_and_key(text: str, default: str = ANY) -> tuple[str, str]:
    """The source and the rest of a label's key."""
    source, colon, key = text.partition(":")
    return (source, key) if colon and source else (default, key if colon else text)
