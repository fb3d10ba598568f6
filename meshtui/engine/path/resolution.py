"""Resolution of a flow's names to pods and ports."""

from __future__ import annotations

from dataclasses import dataclass, replace

from meshtui.engine.endpoints import Endpoint, Endpoints, Target
from meshtui.engine.matching.addresses import parse_address
from meshtui.engine.path.backends import Backends
from meshtui.engine.path.egress import Egress, Way
from meshtui.engine.path.gateway_address import find_gateway
from meshtui.engine.path.waypoint import instances
from meshtui.model.address import canonical
from meshtui.model.errors import NotReadableError, UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.reason import Code, Reason, because
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
    "gtw": "Gateway",
    "gateways": "Gateway",
    "svc": "Service",
    "services": "Service",
}
_KINDS = {kind.lower(): kind for kind in SHORT_KINDS.values()}


def kind_named(word: str) -> str | None:
    """The kind with a name in any case, a plural or kubectl's short name; None when there is none."""
    word = word.lower()
    return SHORT_KINDS.get(word) or _KINDS.get(word)


@dataclass(frozen=True, slots=True)
class Resolved:
    """The resolved ends of a flow: its sources, its targets, and the Service between them, if any."""

    sources: tuple[Endpoint, ...]
    targets: tuple[Target, ...]
    service: Service | None = None
    notes: tuple[Reason, ...] = ()
    service_port: ServicePort | None = None


class Resolver:
    """Finds the endpoints of a flow in one snapshot. Raises UsageError when an object isn't found."""

    def __init__(self, snapshot: Snapshot, endpoints: Endpoints) -> None:
        self._snapshot = snapshot
        self._endpoints = endpoints
        self._services = {(s.meta.namespace, s.meta.name): s for s in snapshot.services.values()}
        self.egress = Egress(snapshot, endpoints)
        self.behind = Backends(snapshot, endpoints)
        self._by_cluster_ip = {ip: s for s in snapshot.services.values() for ip in s.cluster_ips if ip != "None"}

    def resolve(self, flow: Flow) -> Resolved:
        """Resolve all endpoints of a flow. Raises UsageError when a name or port can't be found."""
        flow = self.named(flow)
        sources = self._sources(flow.source)
        if flow.destination.kind is EndpointKind.HOST:
            return self._to_host(sources, flow)
        service = self.service_of(flow.destination)
        if service is not None:
            return self._through(service, flow, sources)
        endpoints = self._sources(flow.destination)
        targets = [Target(p, port) for p in endpoints for port in self._ports(p, flow.port, flow.protocol)]
        if not targets:
            raise UsageError(f"{flow.destination} has no {flow.protocol} port {flow.port!r}", "name a port by its number")
        return Resolved(sources, tuple(targets))

    def named(self, flow: Flow) -> Flow:
        """The flow, to the Service if its host is ``NAME.NAMESPACE``: a pod's resolver looks in the cluster's domain first.

        Raises UsageError for ``NAME.NAMESPACE.svc`` in another domain that no ServiceEntry names, which may be the cluster's own,
        and for ``NAME.NAMESPACE`` where Services may not be listed.
        """
        labels = flow.destination.name.split(".") if flow.destination.kind is EndpointKind.HOST else []
        service = self._services.get((labels[1], labels[0])) if len(labels) > 1 else None
        hidden = self._snapshot.kind_state("Service").status is KindStatus.FORBIDDEN
        if service is None and hidden and len(labels) == 2 and labels[1] in self._snapshot.namespace_by_name:
            raise self._missing("Service", f"no Service {labels[1]}/{labels[0]}")
        if service is None or labels[2:3] not in ([], ["svc"]):
            return flow
        if len(labels) > 2:
            if any(flow.destination.name in entry.hosts for entry in self._snapshot.service_entries.values()):
                return flow
            raise UsageError(f"{flow.destination} may be {service.meta.ref}", f"write {labels[1]}/svc/{labels[0]}:PORT")
        return replace(flow, destination=FlowEndpoint(EndpointKind.SERVICE, labels[1], labels[0]))

    def _to_host(self, sources: tuple[Endpoint, ...], flow: Flow) -> Resolved:
        """All destinations behind a host, for all sources: their proxies may know the host, or not."""
        if flow.source.kind is EndpointKind.EXTERNAL:
            raise UsageError(
                f"a client outside doesn't reach {flow.destination} through the cluster", "name a pod or workload as FROM"
            )
        ways = [self.way(source, flow) for source in sources]
        targets = {(t.endpoint.name, t.port): t for way in ways for t, _ in way.targets}
        notes = tuple(dict.fromkeys(note for way in ways for note in way.notes))
        return Resolved(sources, tuple(targets.values()), ways[0].service, notes, ways[0].port)

    def way(self, source: Endpoint, flow: Flow) -> Way:
        """The way from one source of a flow to the host that the flow names. Raises UsageError."""
        return self.egress.way(source, flow.destination.name, flow.port, flow.protocol, http=flow.http is not None)

    def service_of(self, end: FlowEndpoint) -> Service | None:
        """The Service that an end names, by name or by cluster IP; None for other ends. Raises UsageError."""
        if end.kind is EndpointKind.IP:
            return self._by_cluster_ip.get(canonical(end.ip))
        if end.kind is not EndpointKind.SERVICE:
            return None
        service = self._services.get((end.namespace, end.name))
        if service is None:
            raise self._missing("Service", f"no Service {end.namespace}/{end.name}")
        return service

    def _missing(self, kind: str, message: str) -> UsageError:
        """The error for an object that wasn't found; if its kind can't be listed, the object may exist."""
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
                return self._gateway_pods(end) or tuple(self._endpoints.pod(pod) for pod in self._members(end))
            case EndpointKind.IP:
                if parse_address(end.ip) is None:
                    raise UsageError(f"{end.ip!r} is not an IP address")
                return (self._endpoints.ip(end.ip),)
            case EndpointKind.EXTERNAL:
                return (Endpoint(name="external"),)
            case EndpointKind.SERVICE | EndpointKind.HOST:
                raise UsageError(f"{end} can't be a source", "name a pod or a workload")

    def _gateway_pods(self, end: FlowEndpoint) -> tuple[Endpoint, ...]:
        """The pods of a Gateway that an end names; in manifests also of the Deployment that Istio would make for one.

        Empty for other ends. Raises UsageError for a Gateway that isn't there, or that has no pods.
        """
        kind = kind_named(end.owner_kind) or end.owner_kind
        if kind == "Gateway":
            gateway = find_gateway(self._snapshot, end.namespace, end.name)
            if gateway is None:
                raise self._missing("Gateway", f"no Gateway {end.namespace}/{end.name}")
            pods = instances(self._snapshot, self._endpoints, gateway)
            if not pods:
                raise UsageError(f"no pods of {gateway.meta.ref}")
            return pods
        if kind != "Deployment" or ObjectRef(kind, end.namespace, end.name) in self._snapshot.workloads:
            return ()
        for gateway in self._snapshot.gateways.values():
            if gateway.meta.namespace == end.namespace and not gateway.service:
                pods = instances(self._snapshot, self._endpoints, gateway)
                if any(each.pod is not None and each.pod.derived and each.pod.name == end.name for each in pods):
                    return pods
        return ()

    def _members(self, end: FlowEndpoint) -> list[Pod]:
        """The running pods of a workload, which can be any owner in the pods' owner chains."""
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
        targets = self.behind.targets(service, port)
        nobody = because(Code.NO_POD_BEHIND_SERVICE, service=service.meta.ref, port=port.number)
        notes = () if targets else (nobody,)
        if service.external_name:
            notes = (because(Code.EXTERNAL_NAME, service=service.meta.ref, host=service.external_name),)
        return Resolved(sources, tuple(targets), service, notes, port)

    def backends(self, service: Service) -> list[Pod]:
        """The pods behind a Service: those in its EndpointSlices if it has any, else those that its selector selects."""
        return self.behind.pods(service)


def _service_port(service: Service, port: int | str | None, protocol: str) -> ServicePort:
    matching = [p for p in service.ports if p.protocol == protocol and (port is None or port in {p.number, p.name})]
    if len(matching) == 1 or (matching and port is not None):
        return matching[0]
    known = ", ".join(f"{p.number}{'/' + p.name if p.name else ''}" for p in service.ports) or "none"
    raise UsageError(
        f"{service.meta.ref} has no {protocol} port {port!r}" if port else f"{service.meta.ref}: say which port", known
    )
