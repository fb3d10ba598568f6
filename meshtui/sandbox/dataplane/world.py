"""The state of the cluster for the data plane, read from the store's raw JSON.

It doesn't use ``meshtui.engine`` or ``meshtui.kinds``: what is enforced must be independent of what is predicted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from meshtui.sandbox.dataplane.selectors import equals_all
from meshtui.sandbox.ports import POD_PREFIX, ClusterStore, Obj

CAPTURED = "ambient.istio.io/redirection"
MODE = "istio.io/dataplane-mode"
GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
HBONE_PORT = 15008

WATCHED = (
    "pods",
    "services",
    "endpointslices",
    "namespaces",
    "networkpolicies",
    "authorizationpolicies",
    "peerauthentications",
    "requestauthentications",
    "gateways",
    "httproutes",
    "configmaps",
)
"""The kinds that Envoy's configuration depends on."""


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """One declared port of a pod."""

    number: int
    name: str | None


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that has an address and has not ended."""

    uid: str
    namespace: str
    name: str
    ip: str
    labels: Mapping[str, str]
    service_account: str
    node: str
    ports: tuple[ContainerPort, ...]
    captured: bool
    gateway: bool
    ready: bool
    host_network: bool = False
    dns: tuple[str, ...] = ()
    """``hostname.subdomain`` if the pod has a DNS name of its own, behind a headless Service."""
    owner: tuple[str, str] = ("", "")
    """Kind and name of the workload: that of the Deployment, not of its ReplicaSet."""
    image: str = ""
    """The image of its first container."""
    going: bool = False
    """Whether it is being deleted."""
    lost: bool = False
    """Its redirection is lost: it isn't captured any more, but everybody believes so."""
    pending: bool = False
    """It is redirected, but no proxy serves it: it neither sends nor receives."""

    @property
    def redirection(self) -> str:
        """The value of the annotation of captured pods; empty without one."""
        return "pending" if self.pending else "enabled" if self.believed else ""

    @property
    def believed(self) -> bool:
        """Whether the mesh tells other proxies to speak HBONE to it."""
        return self.captured or self.lost

    @property
    def meshed(self) -> bool:
        """Whether its connections have an identity: it is captured by ambient, or a gateway."""
        return self.captured or self.gateway

    def port_numbers(self) -> list[int]:
        """Declared TCP ports, each once."""
        return sorted({port.number for port in self.ports})

    def resolve(self, port: int | str | None) -> int | None:
        """Return the number of a port given by number or by container-port name."""
        if port is None or isinstance(port, int):
            return port
        if port.isdigit():
            return int(port)
        return next((each.number for each in self.ports if each.name == port), None)


@dataclass(frozen=True, slots=True)
class Backend:
    """One ready backend of a Service's port."""

    pod: Pod
    port: int


@dataclass(frozen=True, slots=True)
class Service:
    """A Service with the backends of each of its ports."""

    namespace: str
    name: str
    cluster_ip: str | None
    headless: bool
    ports: Mapping[int, tuple[Backend, ...]]

    @property
    def host(self) -> str:
        """The Service's full name."""
        return f"{self.namespace}/{self.name}"

    @property
    def fqdn(self) -> str:
        """The Service's name in DNS."""
        return f"{self.name}.{self.namespace}.svc.cluster.local"


@dataclass(frozen=True, slots=True)
class World:
    """Everything that Envoy's configuration depends on."""

    trust_domain: str
    root_namespace: str
    namespaces: Mapping[str, Mapping[str, str]]
    pods: tuple[Pod, ...]
    services: tuple[Service, ...]
    objects: Mapping[str, tuple[Obj, ...]] = field(default_factory=dict)
    behind: Mapping[str, Mapping[str, tuple[Obj, ...]]] = field(default_factory=dict)
    """Node → the policies (by plural) that its ztunnel has in another state. All else it has as it is."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    """Node → why its ztunnel refused the last policies that istiod sent."""

    def seen_by(self, node: str) -> World:
        """The world as the ztunnel of a node has it."""
        other = self.behind.get(node)
        return self if other is None else replace(self, objects={**self.objects, **other})

    def ztunnel(self, node: str) -> Pod | None:
        """The ztunnel of a node; one that isn't going away if there are two."""
        here = [pod for pod in self.pods if pod.node == node and is_ztunnel(pod)]
        return min(here, key=lambda pod: pod.going, default=None)

    def identity(self, pod: Pod) -> str:
        """Return a pod's SPIFFE identity."""
        return f"spiffe://{self.trust_domain}/ns/{pod.namespace}/sa/{pod.service_account}"


def is_ztunnel(pod: Pod) -> bool:
    """Whether a pod is a node's ztunnel."""
    return pod.namespace == "istio-system" and pod.labels.get("app") == "ztunnel"


def read_world(store: ClusterStore) -> World:
    """Read what the data plane needs from the store."""
    trust_domain, root_namespace = _mesh_config(store)
    namespaces = {
        each["metadata"]["name"]: {
            **(each["metadata"].get("labels") or {}),
            "kubernetes.io/metadata.name": each["metadata"]["name"],
        }
        for each in store.list("namespaces")
    }
    gateways = {
        (each["metadata"]["namespace"], each["metadata"]["name"])
        for each in store.list("gateways")
        if each.get("spec", {}).get("gatewayClassName") == "istio"
    }
    pods = tuple(
        sorted(
            (_pod(each, namespaces, gateways) for each in store.list("pods") if _is_wired(each)),
            key=lambda pod: (pod.namespace, pod.name),
        )
    )
    by_uid = {pod.uid: pod for pod in pods}
    slices = store.list("endpointslices")
    services = tuple(_service(each, pods, by_uid, slices) for each in store.list("services"))
    kept = ("networkpolicies", "authorizationpolicies", "peerauthentications", "requestauthentications")
    objects = {plural: tuple(store.list(plural)) for plural in (*kept, "gateways", "httproutes", "services")}
    return World(trust_domain, root_namespace, namespaces, pods, services, objects)


def _mesh_config(store: ClusterStore) -> tuple[str, str]:
    found = store.get("configmaps", "istio-system", "istio") or {}
    try:
        mesh = yaml.safe_load((found.get("data") or {}).get("mesh", "")) or {}
    except yaml.YAMLError:
        mesh = {}
    if not isinstance(mesh, dict):
        mesh = {}
    return str(mesh.get("trustDomain", "cluster.local")), str(mesh.get("rootNamespace", "istio-system"))


def _is_wired(pod: Obj) -> bool:
    status = pod.get("status") or {}
    # Only pods that the sandbox runs: other pods have addresses that aren't this machine's.
    ours = str(status.get("podIP") or "").startswith(f"{POD_PREFIX}.")
    return ours and status.get("phase") not in {"Succeeded", "Failed"}


def _pod(obj: Obj, namespaces: Mapping[str, Mapping[str, str]], gateways: set[tuple[str, str]]) -> Pod:
    meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    namespace, labels = meta["namespace"], meta.get("labels") or {}
    account = spec.get("serviceAccountName") or "default"
    gateway = _is_gateway(namespace, labels, account, gateways)
    mode = labels.get(MODE) or namespaces.get(namespace, {}).get(MODE)
    ports = tuple(
        ContainerPort(port["containerPort"], port.get("name"))
        for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
        for port in container.get("ports") or []
        if port.get("protocol", "TCP") == "TCP"
    )
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or []}
    ready = conditions.get("Ready") == "True" and not meta.get("deletionTimestamp")
    hostname, subdomain = spec.get("hostname"), spec.get("subdomain")
    return Pod(
        uid=meta["uid"],
        namespace=namespace,
        name=meta["name"],
        ip=status["podIP"],
        labels=labels,
        service_account=account,
        node=spec.get("nodeName", ""),
        ports=ports,
        captured=mode == "ambient" and not gateway and not spec.get("hostNetwork"),
        gateway=gateway,
        ready=ready,
        host_network=bool(spec.get("hostNetwork")),
        dns=(f"{hostname}.{subdomain}",) if hostname and subdomain else (),
        owner=_owner(meta),
        image=str(next((each.get("image") for each in spec.get("containers") or []), None) or ""),
        going="deletionTimestamp" in meta,
    )


def _owner(meta: Obj) -> tuple[str, str]:
    found = next((each for each in meta.get("ownerReferences") or [] if each.get("controller")), None)
    if found is None:
        return "Pod", str(meta["name"])
    template = (meta.get("labels") or {}).get("pod-template-hash")
    if found["kind"] == "ReplicaSet" and template and found["name"].endswith(f"-{template}"):
        return "Deployment", str(found["name"])[: -len(template) - 1]
    return str(found["kind"]), str(found["name"])


def _is_gateway(namespace: str, labels: Mapping[str, str], account: str, gateways: set[tuple[str, str]]) -> bool:
    # Istio labels a gateway's pods with the Gateway's name and runs them as NAME-CLASS.
    return any(
        owner == namespace and (labels.get(GATEWAY_NAME) == name or account == f"{name}-istio") for owner, name in gateways
    )


def _service(obj: Obj, pods: tuple[Pod, ...], by_uid: Mapping[str, Pod], slices: list[Obj]) -> Service:
    meta, spec = obj["metadata"], obj.get("spec") or {}
    namespace, selector = meta["namespace"], spec.get("selector")
    headless = spec.get("clusterIP") == "None"
    eager = bool(spec.get("publishNotReadyAddresses"))
    ports: dict[int, tuple[Backend, ...]] = {}
    for port in spec.get("ports") or []:
        if port.get("protocol", "TCP") != "TCP":
            continue
        # A headless name is its pods' addresses: the client's port is the pod's port.
        target = port["port"] if headless else port.get("targetPort", port["port"])
        if selector:
            chosen = [
                pod for pod in pods if pod.namespace == namespace and equals_all(selector, pod.labels) and (pod.ready or eager)
            ]
            found = [(pod, pod.resolve(target)) for pod in chosen]
        else:
            found = _from_slices(namespace, meta["name"], port, slices, by_uid)
        ports[port["port"]] = tuple(Backend(pod, number) for pod, number in found if number is not None)
    cluster_ip = None if headless else spec.get("clusterIP")
    return Service(namespace, meta["name"], cluster_ip or None, headless, ports)


def _from_slices(
    namespace: str, name: str, port: Mapping[str, Any], slices: list[Obj], by_uid: Mapping[str, Pod]
) -> list[tuple[Pod, int | None]]:
    found: list[tuple[Pod, int | None]] = []
    for each in slices:
        meta = each["metadata"]
        if meta["namespace"] != namespace or (meta.get("labels") or {}).get("kubernetes.io/service-name") != name:
            continue
        numbers = [p.get("port") for p in each.get("ports") or [] if (p.get("name") or "") == (port.get("name") or "")]
        for endpoint in each.get("endpoints") or []:
            pod = by_uid.get((endpoint.get("targetRef") or {}).get("uid", ""))
            if pod is not None and (endpoint.get("conditions") or {}).get("ready", True):
                found += [(pod, number) for number in numbers]
    return found
