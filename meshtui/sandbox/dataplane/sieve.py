"""Withholds invalid resources from Envoy, since a running Envoy drops every listener because of an invalid one."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from meshtui.sandbox.dataplane.envoy import EnvoyError

Json = dict[str, Any]
Resources = dict[str, Json]
Validate = Callable[[list[Json], list[Json]], Awaitable[None]]

log = logging.getLogger(__name__)


class Sieve:
    """Validates changed resources, and keeps the last valid version of invalid ones."""

    def __init__(self, validate: Validate) -> None:
        self._validate = validate
        self._good: Resources = {}
        self._bad: Resources = {}

    async def sift(self, listeners: Resources, clusters: Resources) -> tuple[Resources, Resources]:
        """Return the listeners and clusters that may be applied."""
        if await self._passes(listeners, clusters):
            good_listeners, good_clusters = listeners, clusters
        else:
            good_listeners = await self._keep_good(listeners, lambda chosen: self._passes(chosen, {}))
            good_clusters = await self._keep_good(clusters, lambda chosen: self._passes({}, chosen))
        everything = {**listeners, **clusters}
        self._good = {**good_listeners, **good_clusters}
        self._bad = {name: each for name, each in everything.items() if self._good.get(name) != each}
        return good_listeners, good_clusters

    async def _keep_good(self, resources: Resources, passes: Callable[[Resources], Awaitable[bool]]) -> Resources:
        """Validate the listeners by group (the prefix of their names), then one by one."""
        kept: Resources = {}
        groups: dict[str, Resources] = {}
        for name, each in resources.items():
            groups.setdefault(name.partition("|")[0], {})[name] = each
        for group in groups.values():
            if await passes(group):
                kept |= group
                continue
            for name, each in group.items():
                if await passes({name: each}):
                    kept[name] = each
                elif name in self._good:
                    kept[name] = self._good[name]
        return kept

    async def _passes(self, listeners: Resources, clusters: Resources) -> bool:
        fresh_listeners, fresh_clusters = self._fresh(listeners), self._fresh(clusters)
        everything = {**fresh_listeners, **fresh_clusters}
        if not everything:
            return True
        if any(self._bad.get(name) == each for name, each in everything.items()):
            return False  # reported before
        try:
            await self._validate(list(fresh_listeners.values()), list(fresh_clusters.values()))
        except EnvoyError as error:
            if len(everything) == 1:
                name = next(iter(everything))
                log.error("the data plane keeps the old %s: %s", name, error)  # noqa: TRY400 -- Envoy's own words
            return False
        return True

    def _fresh(self, resources: Resources) -> Resources:
        return {name: each for name, each in resources.items() if self._good.get(name) != each}
