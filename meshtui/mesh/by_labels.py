"""Finding what selects a pod: many pods have the same labels, as far as any selector reads them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")
Pairs = tuple[tuple[str, str], ...]


class ByLabels(Generic[T]):
    """Things of namespaces, each with labels that a pod of the namespace must have; without labels it selects every pod."""

    def __init__(self, things: Iterable[tuple[str, Pairs, T]]) -> None:
        self._things: dict[str, list[tuple[Pairs, T]]] = defaultdict(list)
        for namespace, pairs, thing in things:
            self._things[namespace].append((pairs, thing))
        self._keys = {
            namespace: tuple(sorted({key for pairs, _ in found for key, _ in pairs})) for namespace, found in self._things.items()
        }
        self._known: dict[tuple[str, tuple[str | None, ...]], tuple[T, ...]] = {}

    def selecting(self, namespace: str, labels: Mapping[str, str]) -> tuple[T, ...]:
        """The things of a namespace that select a pod with some labels, in the order in which they were given."""
        keys = self._keys.get(namespace)
        if keys is None:
            return ()
        values = tuple(map(labels.get, keys))
        found = self._known.get((namespace, values))
        if found is None:
            found = tuple(
                thing for pairs, thing in self._things[namespace] if all(labels.get(key) == value for key, value in pairs)
            )
            self._known[namespace, values] = found
        return found
