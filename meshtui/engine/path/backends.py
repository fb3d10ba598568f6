"""The endpoints behind Services: pods, and addresses that are no pod's.

Sources: EndpointSlice v1 reference; istio/istio pilot/pkg/serviceregistry/ambient/workloads.go (ztunnel's endpoints are the pods
that a selector selects, at the Service's targetPort; of EndpointSlices, those that have no pod as targetRef),
pilot/pkg/serviceregistry/serviceentry (a WorkloadEntry with the labels of a Service's selector is one of its endpoints).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

from meshtui.engine.endpoints import Endpoint, Endpoints, Target
from meshtui.model.constants import MESHED
from meshtui.model.reason import Code, Reason, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import EndpointSlice, MeshMode, Pod, Service, ServicePort, SliceEndpoint


class Backends:
    """The endpoints behind the Services of one snapshot."""

    def __init__(self, snapshot: Snapshot, endpoints: Endpoints) -> None:
        self._snapshot = snapshot
        self._endpoints = endpoints

    def pods(self, service: Service) -> list[Pod]:
        """The pods behind a Service: those in its EndpointSlices if these name any, else those that its selector selects."""
        found = [pod for piece in self._of(service) for member in piece.endpoints for pod in self._pods(piece, member)]
        if found:
            return [pod for pod in {pod.key: pod for pod in found}.values() if not pod.completed]
        return self._selected(service)

    def targets(self, service: Service, port: ServicePort) -> list[Target]:
        """The endpoints behind a Service's port, each with its own port number."""
        found: dict[tuple[str, int], Target] = {}
        for piece in self._of(service):
            for number in _numbers(piece, port):
                for member in piece.endpoints:
                    ends = [self._endpoints.pod(pod) for pod in self._pods(piece, member) if not pod.completed]
                    if not ends and member.serving and not member.pod:
                        ends = [self._endpoints.ip(address) for address in member.addresses]
                    found.update({(end.name, number): Target(end, number) for end in ends})
        if not any(target.endpoint.pod for target in found.values()):
            pods = self._selected(service)
            found.update({(pod.key, n): Target(self._endpoints.pod(pod), n) for pod in pods for n in _declared(pod, port)})
        return list(found.values())

    def doubts(self, source: Endpoint, service: Service, port: ServicePort) -> Iterator[Reason]:
        """Why it isn't known which endpoints a source reaches through a Service's port."""
        ref = service.meta.ref
        if source.mode in MESHED:
            for entry in sorted(self._snapshot.workload_entries.values(), key=lambda each: str(each.meta.ref)):
                if entry.meta.namespace == service.meta.namespace and service.selects(entry.endpoint.labels):
                    yield because(Code.WORKLOAD_ENTRY_BEHIND_SERVICE, service=ref, entry=entry.meta.ref)
        if source.mode is MeshMode.AMBIENT:
            for target in self.targets(service, port):
                pod, number = target.endpoint.pod, target.port
                if pod is not None and not service.selector:
                    yield because(Code.SLICE_NOT_READ_BY_ZTUNNEL, service=ref, pod=pod.key)
                elif pod is not None and number not in _declared(pod, port):
                    yield because(Code.SLICE_PORT_DIFFERS, service=ref, pod=pod.key, port=number, target=port.target)
        if service.local_only and source.node:
            nodes = {target.endpoint.node for target in self.targets(service, port)}
            if nodes and "" not in nodes and source.node not in nodes:
                yield because(Code.NO_ENDPOINT_ON_NODE, service=ref, node=source.node)

    def leads_inside(self, address: str, port: int | str | None, protocol: str) -> Reason | None:
        """Why a connection to an address may end at pods: a Service's external address, a node port, or a host port."""
        for service in self._from_outside.get(address, ()):
            if any(p.protocol == protocol and port in {p.number, p.name, None} for p in service.ports):
                return because(Code.ADDRESS_OF_SERVICE, address=address, service=service.meta.ref, port=port)
        node = self._endpoints.node_at(address)
        if not node or not isinstance(port, int):
            return None
        for service in sorted(self._snapshot.services.values(), key=lambda s: str(s.meta.ref)):
            if any(p.protocol == protocol and p.node_port == port for p in service.ports):
                return because(Code.NODE_PORT_OF_SERVICE, address=address, service=service.meta.ref, port=port)
        for pod in self._snapshot.pods.values():
            if pod.node == node and any(p.host_port == port and p.protocol == protocol for p in pod.ports):
                return because(Code.HOST_PORT_OF_POD, address=address, pod=pod.key, port=port)
        return None

    @cached_property
    def _from_outside(self) -> dict[str, list[Service]]:
        found: dict[str, list[Service]] = defaultdict(list)
        for service in sorted(self._snapshot.services.values(), key=lambda s: str(s.meta.ref)):
            for address in service.outside_ips:
                found[address].append(service)
        return found

    @cached_property
    def _slices(self) -> dict[tuple[str, str], list[EndpointSlice]]:
        found: dict[tuple[str, str], list[EndpointSlice]] = defaultdict(list)
        for piece in self._snapshot.endpoint_slices.values():
            found[piece.meta.namespace, piece.service].append(piece)
        return found

    def _of(self, service: Service) -> list[EndpointSlice]:
        return self._slices.get((service.meta.namespace, service.meta.name), [])

    def _pods(self, piece: EndpointSlice, member: SliceEndpoint) -> list[Pod]:
        """The pods of one endpoint: the one that it names, if it serves, else those that have its addresses."""
        if member.pod:
            pod = self._snapshot.pod_by_key.get(f"{piece.meta.namespace}/{member.pod}") if member.serving else None
            return [pod] if pod else []
        found = (self._snapshot.pod_by_ip.get(address) for address in member.addresses)
        return [pod for pod in found if pod]

    def _selected(self, service: Service) -> list[Pod]:
        pods = self._snapshot.pods_by_namespace.get(service.meta.namespace, ()) if service.selector else ()
        return [pod for pod in pods if not pod.completed and service.selects(pod.labels)]


def _numbers(piece: EndpointSlice, port: ServicePort) -> list[int]:
    """The numbers that a slice has for a Service's port, by its name."""
    found = [each.number for each in piece.ports if each.protocol == port.protocol and each.name == port.name]
    return [number for number in found if number is not None]


def _declared(pod: Pod, port: ServicePort) -> list[int]:
    """The numbers that a Service's targetPort is at a pod."""
    if isinstance(port.target, int):
        return [port.target]
    return list(dict.fromkeys(p.number for p in pod.ports if p.name == port.target and p.protocol == port.protocol))
