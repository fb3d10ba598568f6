"""What istiod should send to every ztunnel, from the objects of a cluster.

Source: istio/istio pilot/pkg/serviceregistry/ambient/workloads.go (podWorkloadBuilder, matchingServicesWithoutSelectors,
constructServices, pickTrustDomain), services.go (constructService, getVIPs), helpers.go (generatePodUID, IsPodReady,
FindPortName). istio/ztunnel src/state/service.rs, should_include_endpoint: unhealthy endpoints are left out, unless the Service
asks for those that aren't ready.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from meshtui.engine.matching.addresses import parse_address
from meshtui.mesh.by_labels import ByLabels
from meshtui.mesh.desired_policies import Attached, WantedPolicies
from meshtui.mesh.desired_waypoints import Binding, Waypoints
from meshtui.mesh.discovery import Seen
from meshtui.model import workload as model
from meshtui.model.snapshot import Snapshot
from meshtui.ztunnel.dump import Endpoint, Policy, Service, Workload

CLUSTER_ID = "Kubernetes"
"""The name of a cluster without another one."""
DOMAIN = "cluster.local"
HEALTHY, UNHEALTHY = "Healthy", "Unhealthy"


@dataclass(frozen=True, slots=True)
class WantedWorkload:
    """A workload that every ztunnel should have, and the pod that it is made from."""

    pod: model.Pod
    workload: Workload
    binding: Binding
    attached: Attached


@dataclass(frozen=True, slots=True)
class WantedService:
    """A Service that every ztunnel should have. ``tells_endpoints`` is whether all of its pods are known."""

    service: model.Service
    entry: Service
    binding: Binding
    tells_endpoints: bool = True


def policies(snapshot: Snapshot) -> Mapping[str, Policy]:
    """The policies that every ztunnel should have, by ``namespace/name``, as far as they can be predicted."""
    return {key: wanted.policy for key, wanted in Desired(snapshot).policies.by_key.items()}


def workloads(snapshot: Snapshot, cluster_id: str = CLUSTER_ID, domain: str = DOMAIN) -> Mapping[str, Workload]:
    """The workloads of pods that every ztunnel should have, by uid."""
    return {uid: wanted.workload for uid, wanted in Desired(snapshot, cluster_id, domain).workloads.items()}


def services(snapshot: Snapshot, cluster_id: str = CLUSTER_ID, domain: str = DOMAIN) -> Mapping[str, Service]:
    """The Services that every ztunnel should have, by ``namespace/hostname``."""
    return {key: wanted.entry for key, wanted in Desired(snapshot, cluster_id, domain).services.items()}


class Desired:
    """What istiod makes of a Snapshot, each part when it is asked for."""

    def __init__(self, snapshot: Snapshot, cluster_id: str = CLUSTER_ID, domain: str = DOMAIN) -> None:
        self.snapshot = snapshot
        self.cluster_id = cluster_id
        self.domain = domain
        self.seen = Seen(snapshot)
        self.waypoints = Waypoints(self.seen)
        self.policies = WantedPolicies(self.seen, self.waypoints)

    def uid(self, namespace: str, name: str) -> str:
        """The uid of a pod's workload."""
        return f"{self.cluster_id}//Pod/{namespace}/{name}"

    def host(self, namespace: str, name: str) -> str:
        """The host name of a Service."""
        return f"{name}.{namespace}.svc.{self.domain}"

    @cached_property
    def pods(self) -> tuple[model.Pod, ...]:
        """The pods that are sent: those that haven't ended and have an address, also on the host network."""
        found = (p for p in self.snapshot.pods.values() if not p.completed and p.ips and all(map(parse_address, p.ips)))
        return tuple(pod for pod in found if self.seen.namespace(pod.namespace))

    @cached_property
    def workloads(self) -> Mapping[str, WantedWorkload]:
        """The workloads of pods, by uid."""
        return {self.uid(pod.namespace, pod.name): self._workload(pod) for pod in self.pods}

    @cached_property
    def services(self) -> Mapping[str, WantedService]:
        """The Services, by ``namespace/hostname``."""
        tells_slices = self.seen.reads_all("EndpointSlice")
        found = {}
        for key, service in self._sent_services.items():
            tells = self.seen.reads("Pod") and (bool(service.selector) or tells_slices)
            found[key] = WantedService(service, self._entry(key, service), self.waypoints.of_service(service.meta), tells)
        return found

    @cached_property
    def _sent_services(self) -> Mapping[str, model.Service]:
        """All Services but those that only name another host."""
        return {
            f"{meta.namespace}/{self.host(meta.namespace, meta.name)}": service
            for service in self.snapshot.services.values()
            if service.type != "ExternalName" and self.seen.namespace((meta := service.meta).namespace)
        }

    def _workload(self, pod: model.Pod) -> WantedWorkload:
        selecting = self._services_of(pod)
        binding = self.waypoints.of_pod(pod)
        bindings = (binding, *(self.waypoints.of_service(service.meta) for _, service in selecting))
        attached = self.policies.attached(pod, bindings)
        workload = Workload(
            uid=self.uid(pod.namespace, pod.name),
            name=pod.name,
            namespace=pod.namespace,
            workload_ips=pod.ips,
            service_account=pod.service_account,
            trust_domain=self.snapshot.mesh.trust_domain,
            node=pod.node,
            network_mode="HostNetwork" if pod.host_network else "Standard",
            status=HEALTHY if pod.ready and not pod.deleting else UNHEALTHY,
            cluster_id=self.cluster_id,
            waypoint=binding.address,
            authorization_policies=tuple(sorted(attached.keys)),
            services=tuple(key for key, _ in selecting),
        )
        return WantedWorkload(pod, workload, binding, attached)

    @cached_property
    def _by_labels(self) -> ByLabels[tuple[str, model.Service]]:
        return ByLabels(
            (service.meta.namespace, service.selector, (key, service))
            for key, service in self._sent_services.items()
            if service.selector
        )

    @cached_property
    def _by_slice(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        """The names of the Services whose EndpointSlices name a pod, by its namespace and name."""
        found: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        for each in self.snapshot.endpoint_slices.values():
            for endpoint in each.endpoints if each.service else ():
                if endpoint.pod:
                    found[each.meta.namespace, endpoint.pod][each.service] = None
        return {pod: tuple(names) for pod, names in found.items()}

    def _services_of(self, pod: model.Pod) -> list[tuple[str, model.Service]]:
        """The Services of a pod: those that select it, and those whose EndpointSlices name it."""
        found = dict(self._by_labels.selecting(pod.namespace, pod.labels))
        for name in self._by_slice.get((pod.namespace, pod.name), ()):
            key = f"{pod.namespace}/{self.host(pod.namespace, name)}"
            if key in self._sent_services:
                found.setdefault(key, self._sent_services[key])
        return list(found.items())

    @cached_property
    def _members(self) -> Mapping[str, list[model.Pod]]:
        found: dict[str, list[model.Pod]] = defaultdict(list)
        for pod in self.pods:
            for key, _ in self._services_of(pod):
                found[key].append(pod)
        return found

    def _entry(self, key: str, service: model.Service) -> Service:
        meta = service.meta
        return Service(
            name=meta.name,
            namespace=meta.namespace,
            hostname=self.host(meta.namespace, meta.name),
            vips=tuple(f"/{ip}" for ip in service.cluster_ips if ip not in {"", "None"}),
            ports={str(port.number): _number(port.target) for port in service.ports},
            endpoints={each.workload_uid: each for each in self._endpoints(service, self._members.get(key, ()))},
            waypoint=self.waypoints.of_service(meta).address,
        )

    def _endpoints(self, service: model.Service, pods: Iterable[model.Pod]) -> Iterator[Endpoint]:
        for pod in pods:
            status = HEALTHY if pod.ready and not pod.deleting else UNHEALTHY
            if status == HEALTHY or service.publish_not_ready:
                yield Endpoint(self.uid(pod.namespace, pod.name), ports_of(service, pod), status)


def ports_of(service: model.Service, pod: model.Pod) -> dict[str, int]:
    """The pod's ports by the Service's, without those that the pod doesn't name. Of several with one number the last counts."""
    names = {port.number: port.target for port in service.ports}
    found = {}
    for port in service.ports:
        name = names[port.number]
        target = _named(pod, name) if isinstance(name, str) else _number(port.target)
        if target is not None:
            found[str(port.number)] = target
    return found


def _number(target: int | str) -> int:
    """The number of a Service's target port; 0 stands for one that is named."""
    return target if isinstance(target, int) else 0


def _named(pod: model.Pod, name: str) -> int | None:
    return next((port.number for port in pod.ports if port.name == name and port.protocol == "TCP"), None)
