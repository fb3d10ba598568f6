"""The Services that lead to the ports of pods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod, Service, ServicePort


class ServicePorts:
    """Which TCP ports of pods the Services of one snapshot lead to."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._services: dict[str, list[Service]] = defaultdict(list)
        for service in sorted(snapshot.services.values(), key=lambda s: s.meta.name):
            self._services[service.meta.namespace].append(service)
        self._named: dict[tuple[str, str], set[str]] = defaultdict(set)
        for piece in snapshot.endpoint_slices.values():
            pods = {member.pod for member in piece.endpoints if member.pod}
            self._named[piece.meta.namespace, piece.service] |= pods

    def of(self, pod: Pod) -> Iterator[tuple[int, Service, ServicePort]]:
        """The ports of a pod that Services lead to, each with the Service and its port, sorted by the Service's name.

        A Service leads to a pod that its selector selects; without a selector, to those that its EndpointSlices name.
        """
        numbers = {p.name: p.number for p in pod.ports if p.name and p.protocol == "TCP"}
        for service in self._services.get(pod.namespace, ()):
            if not self._leads_to(service, pod):
                continue
            for port in service.ports:
                number = port.target if isinstance(port.target, int) else numbers.get(port.target)
                if port.protocol == "TCP" and number is not None:
                    yield number, service, port

    def to(self, pod: Pod, port: int) -> tuple[tuple[Service, ServicePort], ...]:
        """The Services that lead to one port of a pod, each with its port, sorted by name."""
        return tuple((service, of_service) for number, service, of_service in self.of(pod) if number == port)

    def _leads_to(self, service: Service, pod: Pod) -> bool:
        return (
            service.selects(pod.labels)
            if service.selector
            else pod.name in self._named.get((pod.namespace, service.meta.name), ())
        )
