"""The Services of pods that sidecars reach: they say whether a port speaks HTTP, and how clients connect to it."""

from __future__ import annotations

from meshtui.engine.matching.http import speaks_http
from meshtui.engine.path.service_ports import ServicePorts
from meshtui.engine.policy.client_rules import ClientRules
from meshtui.engine.policy.exports import Exports
from meshtui.model.ids import Uid
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod

Spoken = tuple[tuple[int, bool | None, tuple[Uid, ...]], ...]
"""The TCP ports of a pod that Services lead to, in order: whether each speaks HTTP (None when that isn't declared), and the
DestinationRules that may change how clients connect to its Services, with those Services that some namespaces don't know."""


class SpokenPorts:
    """What the Services of one snapshot declare about the ports of pods."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._ports = ServicePorts(snapshot)
        self._rules = ClientRules(snapshot)
        self._exports = Exports(snapshot)

    def of(self, pod: Pod) -> Spoken:
        """The ports of a pod. Of several Services with the same port, the first by name counts (path.sidecar)."""
        speaks: dict[int, bool | None] = {}
        rules: dict[int, tuple[Uid, ...]] = {}
        for number, service, port in self._ports.of(pod):
            speaks.setdefault(number, speaks_http(port))
            hidden = (service.meta.uid,) if self._exports.is_restricted(service) or self._rules.scoped else ()
            rules[number] = (*rules.get(number, ()), *hidden, *(rule.meta.uid for rule in self._rules.about(service)))
        return tuple((number, speaks[number], rules[number]) for number in sorted(speaks))
