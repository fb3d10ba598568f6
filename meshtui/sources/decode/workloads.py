"""From wire types to the model: namespaces, pods, controllers, Services, endpoints, nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from meshtui.model.ids import Uid
from meshtui.model.meta import NO_LABELS
from meshtui.model.selectors import LabelSelector
from meshtui.model.workload import (
    ContainerPort,
    Controller,
    EndpointPort,
    EndpointSlice,
    Namespace,
    Node,
    OwnerRef,
    Pod,
    PodDisruptionBudget,
    PodTemplate,
    Service,
    ServiceAccount,
    ServicePort,
    SliceEndpoint,
)
from meshtui.sources.decode import wire
from meshtui.sources.decode.common import METADATA_NAME, meta, optional_selector, strings

SIDECAR = "istio-proxy"
_DEFAULT_SPEC = wire.PodSpec()
_DEFAULT_STATUS = wire.PodStatus()


def namespace(raw: wire.Namespace, origin: str = "") -> Namespace:
    """A Namespace; it carries its own name as a label even where the manifest leaves that out (Kubernetes 1.22)."""
    converted = meta("Namespace", raw.metadata, namespaced=False, origin=origin)
    if METADATA_NAME in converted.labels:
        return Namespace(converted)
    labels = {**converted.labels, METADATA_NAME: converted.name}
    return Namespace(meta("Namespace", _with_labels(raw.metadata, labels), namespaced=False, origin=origin))


def _with_labels(raw: wire.ObjectMeta, labels: dict[str, str]) -> wire.ObjectMeta:
    return wire.ObjectMeta(
        name=raw.name,
        uid=raw.uid,
        labels=labels,
        annotations=raw.annotations,
        creation_timestamp=raw.creation_timestamp,
        resource_version=raw.resource_version,
        managed_fields=raw.managed_fields,
    )


def owners(raw: wire.ObjectMeta) -> tuple[OwnerRef, ...]:
    """ownerReferences."""
    return tuple(OwnerRef(o.kind, o.name, Uid(o.uid), bool(o.controller)) for o in raw.owner_references or ())


def _containers(spec: wire.PodSpec) -> list[wire.Container]:
    """Containers that keep running: the ordinary ones and native sidecars (init containers that always restart)."""
    return [*(spec.containers or ()), *(c for c in spec.init_containers or () if c.restart_policy == "Always")]


def _has_sidecar(spec: wire.PodSpec) -> bool:
    """Whether a proxy runs beside an application; alone it is a gateway's, a waypoint's or a ztunnel's pod."""
    names = [c.name for c in _containers(spec)]
    return SIDECAR in names and len(names) > 1


def _ports(containers: Sequence[wire.Container]) -> tuple[ContainerPort, ...]:
    return tuple(
        ContainerPort(p.container_port, p.name or "", p.protocol or "TCP") for c in containers if c.ports for p in c.ports
    )


def _probe_ports(containers: Sequence[wire.Container]) -> tuple[int | str, ...]:
    """What the kubelet's probes ask, each port once; a port may be a number in a string."""
    probes = (probe for c in containers for probe in (c.startup_probe, c.readiness_probe, c.liveness_probe) if probe)
    actions = (action for probe in probes for action in (probe.http_get, probe.tcp_socket, probe.grpc) if action)
    found = (int(a.port) if isinstance(a.port, str) and a.port.isdecimal() else a.port for a in actions)
    return tuple(dict.fromkeys(port for port in found if port is not None))


def _env(containers: Sequence[wire.Container]) -> Mapping[str, str]:
    found = {e.name: e.value for c in containers if c.env for e in c.env if e.value and "URL" in e.name}
    return found or NO_LABELS


def template(raw: wire.PodTemplate | None) -> PodTemplate:
    """A pod template."""
    if raw is None:
        return PodTemplate()
    spec = raw.spec or _DEFAULT_SPEC
    containers = _containers(spec)
    converted = meta("Pod", raw.metadata)
    return PodTemplate(
        labels=converted.labels,
        annotations=converted.annotations,
        service_account=spec.service_account_name or spec.service_account or "default",
        host_network=bool(spec.host_network),
        ports=_ports(containers),
        images=tuple(c.image or "" for c in containers),
        env=_env(containers),
        has_sidecar=_has_sidecar(spec),
        probe_ports=_probe_ports(containers),
    )


def pod(raw: wire.Pod, origin: str = "") -> Pod:
    """A Pod. Environment variables are kept only where they name a URL: what a workload means to call."""
    spec, status = raw.spec or _DEFAULT_SPEC, raw.status or _DEFAULT_STATUS
    containers = _containers(spec)
    statuses = status.container_statuses or ()
    phase = status.phase or ("Running" if raw.status is None else "Pending")
    deleting = raw.metadata.deletion_timestamp is not None
    return Pod(
        meta=meta("Pod", raw.metadata, origin=origin),
        service_account=spec.service_account_name or spec.service_account or "default",
        ips=tuple(i.ip for i in status.pod_ips if i.ip) if status.pod_ips else ((status.pod_ip,) if status.pod_ip else ()),
        host_ips=tuple(i.ip for i in status.host_ips if i.ip)
        if status.host_ips
        else ((status.host_ip,) if status.host_ip else ()),
        node=spec.node_name or "",
        phase=phase,
        status="Terminating" if deleting else _status(status, phase),
        ready=_is_ready(status, phase),
        restarts=sum(s.restart_count for s in statuses),
        host_network=bool(spec.host_network),
        ports=_ports(containers),
        images=tuple(c.image or "" for c in containers),
        env=_env(containers),
        owners=owners(raw.metadata),
        has_sidecar=_has_sidecar(spec),
        probe_ports=_probe_ports(containers),
        deleting=deleting,
        trouble=_trouble(status),
    )


_LONGEST_TROUBLE = 300


def _trouble(status: wire.PodStatus) -> str:
    """What is said of the first container that failed and waits to be started again, in one line."""
    for container in status.container_statuses or ():
        waiting = container.state.waiting if container.state else None
        if waiting and waiting.message and waiting.reason in _FAILING:
            return " ".join(waiting.message.split())[:_LONGEST_TROUBLE]
    return ""


_FAILING = frozenset({"CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff", "CreateContainerError", "RunContainerError"})


def _status(status: wire.PodStatus, phase: str) -> str:
    """The word in kubectl's STATUS column: a container's reason speaks before the phase."""
    for container in status.container_statuses or ():
        state = container.state
        reason = state and ((state.waiting and state.waiting.reason) or (state.terminated and state.terminated.reason))
        if reason:
            return reason
    return status.reason or phase


def _is_ready(status: wire.PodStatus, phase: str) -> bool:
    if status.conditions is None:
        return phase == "Running"
    return any(c.type == "Ready" and c.status == "True" for c in status.conditions)


def controller(raw: wire.Controller, kind: str, origin: str = "") -> Controller:
    """A Deployment, ReplicaSet, StatefulSet, DaemonSet, Job or CronJob."""
    spec, status = raw.spec or wire.ControllerSpec(), raw.status or wire.ControllerStatus()
    if spec.job_template is not None:
        spec = spec.job_template.spec or wire.ControllerSpec()
    replicas = spec.replicas if spec.replicas is not None else spec.completions
    if kind == "DaemonSet":
        replicas = status.desired_number_scheduled
    return Controller(
        meta=meta(kind, raw.metadata, origin=origin),
        replicas=1 if replicas is None else replicas,
        ready_replicas=status.ready_replicas or status.number_ready or 0,
        selector=optional_selector(spec.selector),
        template=template(spec.template),
        owners=owners(raw.metadata),
    )


def replication_controller(raw: wire.ReplicationController, origin: str = "") -> Controller:
    """A ReplicationController."""
    spec = raw.spec or wire.LegacySelectorSpec()
    return Controller(
        meta=meta("ReplicationController", raw.metadata, origin=origin),
        replicas=1 if spec.replicas is None else spec.replicas,
        ready_replicas=(raw.status.ready_replicas or 0) if raw.status else 0,
        selector=LabelSelector(tuple(sorted(spec.selector.items()))) if spec.selector else None,
        template=template(spec.template),
        owners=owners(raw.metadata),
    )


def service(raw: wire.Service, origin: str = "") -> Service:
    """A Service; an empty selector is none, a missing targetPort is the port itself."""
    spec = raw.spec or wire.ServiceSpec()
    return Service(
        meta=meta("Service", raw.metadata, origin=origin),
        type=spec.type or "ClusterIP",
        cluster_ips=tuple(spec.cluster_ips) if spec.cluster_ips else ((spec.cluster_ip,) if spec.cluster_ip else ()),
        selector=tuple(sorted(spec.selector.items())) if spec.selector else None,
        ports=tuple(
            ServicePort(
                number=p.port,
                target=p.port if p.target_port in {None, 0, ""} else _int_or_string(p.target_port),
                name=p.name or "",
                protocol=p.protocol or "TCP",
                node_port=p.node_port,
                app_protocol=p.app_protocol or "",
            )
            for p in spec.ports or ()
        ),
        external_name=spec.external_name or "",
        publish_not_ready=bool(spec.publish_not_ready_addresses),
    )


def _int_or_string(value: int | str | None) -> int | str:
    return 0 if value is None else value


def endpoint_slice(raw: wire.EndpointSlice, origin: str = "") -> EndpointSlice:
    """An EndpointSlice; unknown conditions count as ready and serving (its v1 reference)."""
    return EndpointSlice(
        meta=meta("EndpointSlice", raw.metadata, origin=origin),
        service=(raw.metadata.labels or {}).get("kubernetes.io/service-name", ""),
        endpoints=tuple(_endpoint(e) for e in raw.endpoints or ()),
        ports=tuple(EndpointPort(p.port, p.name or "", p.protocol or "TCP") for p in raw.ports or ()),
    )


def _endpoint(raw: wire.Endpoint) -> SliceEndpoint:
    conditions = raw.conditions or wire.EndpointConditions()
    ready = conditions.ready is not False
    return SliceEndpoint(
        addresses=strings(raw.addresses),
        ready=ready,
        serving=ready if conditions.serving is None else conditions.serving,
        terminating=bool(conditions.terminating),
        pod=raw.target_ref.name if raw.target_ref and raw.target_ref.kind == "Pod" else "",
        node=raw.node_name or "",
    )


def service_account(raw: wire.ServiceAccount, origin: str = "") -> ServiceAccount:
    """A ServiceAccount."""
    return ServiceAccount(meta("ServiceAccount", raw.metadata, origin=origin))


def disruption_budget(raw: wire.PodDisruptionBudget, origin: str = "") -> PodDisruptionBudget:
    """A PodDisruptionBudget; an absent selector selects nothing (policy/v1)."""
    spec = raw.spec or wire.DisruptionBudgetSpec()
    return PodDisruptionBudget(
        meta=meta("PodDisruptionBudget", raw.metadata, origin=origin),
        selector=optional_selector(spec.selector),
        relative=spec.max_unavailable is not None or isinstance(spec.min_available, str),
    )


def node(raw: wire.Node, origin: str = "") -> Node:
    """A Node with its addresses."""
    spec, status = raw.spec or wire.NodeSpec(), raw.status or wire.NodeStatus()
    return Node(
        meta=meta("Node", raw.metadata, namespaced=False, origin=origin),
        ips=tuple(a.address for a in status.addresses or () if a.type in {"InternalIP", "ExternalIP"}),
        ready=any(c.type == "Ready" and c.status == "True" for c in status.conditions or ()),
        pod_cidrs=tuple(spec.pod_cidrs) if spec.pod_cidrs else ((spec.pod_cidr,) if spec.pod_cidr else ()),
    )
