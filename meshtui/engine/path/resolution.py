"""From the words of a flow to the pods and ports that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from meshtui.engine.endpoints import Endpoint, Endpoints, Target
from meshtui.engine.matching.addresses import parse_address
from meshtui.model.errors import NotReadableError, UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import KindStatus, Snapshot
from meshtui.model.workload import Pod, Service, ServicePort

SHORT_KINDS = {
    "deploy": "Deployment",
    "deployments": "Deployment",
    "rs": "ReplicaSet",
    "replicasets": "ReplicaSet",
    "sts": "StatefulSet",
    "statefulsets": "StatefulSet",
    "ds": "DaemonSet",
    "daemonsets": "DaemonSet",
    "jobs": "Job",
    "cj": "CronJob",
    "cronjobs": "CronJob",
    "po": "Pod",
    "pods": "Pod",
    "rc": "ReplicationController",
    "svc": "Service",
    "services": "Service",
}
_KINDS = {kind.lower(): kind for kind in SHORT_KINDS.values()}


def kind_named(word: str) -> str | None:
    """A kind from its name in any case, its plural or kubectl's short name."""
    word = word.lower()
    return SHORT_KINDS.get(word) or _KINDS.get(word)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a flow is about: every source with every target, and the Service on the way, if any."""

    sources: tuple[Endpoint, ...]
    targets: tuple[Target, ...]
    service: Service | None = None
    notes: tuple[str, ...] = ()
    service_port: ServicePort | None = None


class Resolver:
    """Finds the endpoints of one snapshot. Raises UsageError for what isn't there."""

    def __init__(self, snapshot: Snapshot, endpoints: Endpoints) -> None:
        self._snapshot = snapshot
        self._endpoints = endpoints
        self._services = {(s.meta.namespace, s.meta.name): s for s in snapshot.services.values()}
        self._by_cluster_ip = {ip: s for s in snapshot.services.values() for ip in s.cluster_ips if ip != "None"}

    def resolve(self, flow: Flow) -> Resolved:
        """All endpoints of a flow; raises UsageError when a name or port can't be found."""
        sources = self._sources(flow.source)
        service = self.service_of(flow.destination)
        if service is not None:
            return self._through(service, flow, sources)
        endpoints = self._sources(flow.destination)
        targets = [Target(p, port) for p in endpoints for port in self._ports(p, flow.port, flow.protocol)]
        if not targets:
            raise UsageError(f"{flow.destination} has no {flow.protocol} port {flow.port!r}", "name a port by its number")
        return Resolved(sources, tuple(targets))

    def service_of(self, end: FlowEndpoint) -> Service | None:
        """The Service that an end names, by name or by cluster IP."""
        if end.kind is EndpointKind.IP:
            return self._by_cluster_ip.get(end.ip)
        if end.kind is not EndpointKind.SERVICE:
            return None
        service = self._services.get((end.namespace, end.name))
        if service is None:
            raise self._missing("Service", f"no Service {end.namespace}/{end.name}")
        return service

    def _missing(self, kind: str, message: str) -> UsageError:
        """What to say of an object that can't be found; a kind that may not be listed hides objects that are there."""
        state = self._snapshot.kind_state(kind)
        if state.status is not KindStatus.FORBIDDEN:
            return UsageError(message)
        verb = state.verb or "list"
        return NotReadableError(f"{message} is known: {kind}s may not be listed", f"ask for the verb {verb} on {kind}")

    def _sources(self, end: FlowEndpoint) -> tuple[Endpoint, ...]:
        match end.kind:
            case EndpointKind.POD:
                pod = self._snapshot.pod_by_key.get(f"{end.namespace}/{end.name}")
                if pod is None:
                    raise UsageError(f"no Pod {end.namespace}/{end.name}")
                return (self._endpoints.pod(pod),)
            case EndpointKind.WORKLOAD:
                return tuple(self._endpoints.pod(pod) for pod in self._members(end))
            case EndpointKind.IP:
                if parse_address(end.ip) is None:
                    raise UsageError(f"{end.ip!r} is not an IP address")
                return (self._endpoints.ip(end.ip),)
            case EndpointKind.EXTERNAL:
                return (Endpoint(name="external"),)
            case EndpointKind.SERVICE:
                raise UsageError(f"{end} can't be a source", "name a pod or a workload")

    def _members(self, end: FlowEndpoint) -> list[Pod]:
        """The pods of a workload; any owner in a pod's chain may be named."""
        kind = kind_named(end.owner_kind) or end.owner_kind
        if kind == "Pod":
            pod = self._snapshot.pod_by_key.get(f"{end.namespace}/{end.name}")
            if pod is None:
                raise UsageError(f"no Pod {end.namespace}/{end.name}")
            return [pod]
        ref = ObjectRef(kind, end.namespace, end.name)
        workload = self._snapshot.workloads.get(ref)
        pods = list(workload.pods) if workload else []
        if not pods:
            pods = [
                pod
                for pod in self._snapshot.pods_by_namespace.get(end.namespace, ())
                if any(owner.kind == kind and owner.name == end.name for owner in pod.owners)
            ]
        running = [pod for pod in pods if not pod.completed]
        if not running:
            raise UsageError(f"no pods of {ref}") if workload else self._missing(kind, f"no {ref}")
        return running

    def _ports(self, endpoint: Endpoint, port: int | str | None, protocol: str) -> tuple[int, ...]:
        declared = endpoint.pod.ports if endpoint.pod else ()
        if isinstance(port, int):
            return (port,)
        if port is None:
            numbers = {p.number for p in declared if p.protocol == protocol}
            if len(numbers) != 1:
                raise UsageError(f"{endpoint.name} has {len(numbers) or 'no'} ports: say which")
            return (numbers.pop(),)
        return tuple(dict.fromkeys(p.number for p in declared if p.name == port and p.protocol == protocol))

    def _through(self, service: Service, flow: Flow, sources: tuple[Endpoint, ...]) -> Resolved:
        port = _service_port(service, flow.port, flow.protocol)
        backends = self.backends(service)
        targets = []
        for pod in backends:
            endpoint = self._endpoints.pod(pod)
            targets += [Target(endpoint, number) for number in self._ports(endpoint, port.target, port.protocol)]
        notes = () if targets else (f"{service.meta.ref} has no pod behind port {port.number}: nobody to judge",)
        if service.external_name:
            notes = (f"{service.meta.ref} is an ExternalName for {service.external_name}: outside this cluster",)
        return Resolved(sources, tuple(targets), service, notes, port)

    def backends(self, service: Service) -> list[Pod]:
        """The pods behind a Service: its EndpointSlices where there are any, else what its selector finds."""
        slices = self._slices.get((service.meta.namespace, service.meta.name), ())
        if slices:
            named = [p for p in slices if (pod := self._snapshot.pod_by_key.get(p)) and not pod.completed]
            return [self._snapshot.pod_by_key[p] for p in dict.fromkeys(named)]
        if service.selector is None:
            return []
        pods = self._snapshot.pods_by_namespace.get(service.meta.namespace, ())
        wanted = service.selector
        return [p for p in pods if not p.completed and all(p.labels.get(key) == value for key, value in wanted)]

    @cached_property
    def _slices(self) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        for piece in self._snapshot.endpoint_slices.values():
            members = found.setdefault((piece.meta.namespace, piece.service), [])
            for member in piece.endpoints:
                if member.pod and member.serving:
                    members.append(f"{piece.meta.namespace}/{member.pod}")
                elif not member.pod:
                    pods = (self._snapshot.pod_by_ip.get(address) for address in member.addresses)
                    members.extend(pod.key for pod in pods if pod)
        return found


def _service_port(service: Service, port: int | str | None, protocol: str) -> ServicePort:
    matching = [p for p in service.ports if p.protocol == protocol and (port is None or port in {p.number, p.name})]
    if len(matching) == 1 or (matching and port is not None):
        return matching[0]
    known = ", ".join(f"{p.number}{'/' + p.name if p.name else ''}" for p in service.ports) or "none"
    raise UsageError(
        f"{service.meta.ref} has no {protocol} port {port!r}" if port else f"{service.meta.ref}: say which port", known
    )
