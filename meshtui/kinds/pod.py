"""Pods, and the pod templates of controllers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import field

from meshtui.kinds.convert import meta
from meshtui.kinds.kind import V1, Kind, Overlay, Pairs
from meshtui.kinds.wire import Condition, ObjectMeta, Wire
from meshtui.model import workload as model
from meshtui.model.address import canonical
from meshtui.model.ids import Uid
from meshtui.model.meta import NO_LABELS
from meshtui.model.ztunnels import TRUSTED_ACCOUNTS, has_label


class ContainerPort(Wire):
    """containers[].ports[]."""

    container_port: int = 0
    name: str | None = None
    protocol: str | None = None
    host_port: int | None = None


class EnvVar(Wire):
    """containers[].env[]."""

    name: str = ""
    value: str | None = None


class ProbeAction(Wire):
    """httpGet, tcpSocket or grpc of a probe."""

    port: int | str | None = None


class Probe(Wire):
    """A container's startup, readiness or liveness probe, if it connects over the network."""

    http_get: ProbeAction | None = None
    tcp_socket: ProbeAction | None = None
    grpc: ProbeAction | None = None


class Container(Wire):
    """containers[] and initContainers[]."""

    name: str = ""
    image: str | None = None
    args: list[str] | None = None
    ports: list[ContainerPort] | None = None
    env: list[EnvVar] | None = None
    restart_policy: str | None = None
    startup_probe: Probe | None = None
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None


class PodSpec(Wire):
    """spec of a Pod."""

    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    service_account_name: str | None = None
    service_account: str | None = None
    host_network: bool | None = None
    node_name: str | None = None


class PodIP(Wire):
    """status.podIPs[] and status.hostIPs[]."""

    ip: str = ""


class Waiting(Wire):
    """Why a container waits or ended."""

    reason: str | None = None
    message: str | None = None


class ContainerState(Wire):
    """containerStatuses[].state."""

    waiting: Waiting | None = None
    terminated: Waiting | None = None


class ContainerStatus(Wire):
    """status.containerStatuses[]."""

    ready: bool = False
    restart_count: int = 0
    state: ContainerState | None = None


class PodStatus(Wire):
    """status of a Pod."""

    phase: str | None = None
    reason: str | None = None
    pod_ip: str | None = field(default=None, name="podIP")
    pod_ips: list[PodIP] | None = field(default=None, name="podIPs")
    host_ip: str | None = field(default=None, name="hostIP")
    host_ips: list[PodIP] | None = field(default=None, name="hostIPs")
    container_statuses: list[ContainerStatus] | None = None
    conditions: list[Condition] | None = None


class Pod(Wire):
    """The object: metadata, spec and status."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PodSpec | None = None
    status: PodStatus | None = None


class PodTemplate(Wire):
    """spec.template."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PodSpec | None = None


SIDECAR = "istio-proxy"
ROLES = frozenset({"proxy", "router"})
"""Arguments of an Istio proxy that make it a gateway."""
_TEMPLATES = "inject.istio.io/templates"
SWITCHES = frozenset(
    {
        "PILOT_AUTO_ALLOW_WAYPOINT_POLICY",
        "AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY",
        "PILOT_SCOPE_GATEWAY_TO_NAMESPACE",
        TRUSTED_ACCOUNTS,
    }
)
"""Variables of istiod that change verdicts, or say where ztunnels run."""


_DEFAULT_SPEC = PodSpec()


_DEFAULT_STATUS = PodStatus()


_LONGEST_TROUBLE = 300


_FAILING = frozenset({"CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff", "CreateContainerError", "RunContainerError"})


def pod(raw: Pod, origin: str = "") -> model.Pod:
    """Convert a Pod. Of its environment, URLs are kept, which name services that the workload calls, and istiod's switches."""
    spec, status = raw.spec or _DEFAULT_SPEC, raw.status or _DEFAULT_STATUS
    containers = _containers(spec)
    statuses = status.container_statuses or ()
    phase = status.phase or ("Running" if raw.status is None else "Pending")
    deleting = raw.metadata.deletion_timestamp is not None
    return model.Pod(
        meta=meta("Pod", raw.metadata, origin=origin),
        service_account=spec.service_account_name or spec.service_account or "default",
        ips=tuple(canonical(i.ip) for i in status.pod_ips if i.ip)
        if status.pod_ips
        else ((canonical(status.pod_ip),) if status.pod_ip else ()),
        host_ips=tuple(canonical(i.ip) for i in status.host_ips if i.ip)
        if status.host_ips
        else ((status.host_ip,) if status.host_ip else ()),
        node=spec.node_name or "",
        phase=phase,
        status="Terminating" if deleting else _status(status, phase),
        ready=_is_ready(status, phase),
        ready_since=_ready_since(status) if has_label(raw.metadata.labels or {}) else None,
        restarts=sum(s.restart_count for s in statuses),
        host_network=bool(spec.host_network),
        ports=_ports(containers),
        images=tuple(c.image or "" for c in containers),
        env=_env(containers),
        owners=owners(raw.metadata),
        has_sidecar=_has_sidecar(spec),
        is_router=_is_router(containers, raw.metadata.annotations),
        probe_ports=_probe_ports(containers),
        deleting=deleting,
        trouble=_trouble(status),
    )


def template(raw: PodTemplate | None) -> model.PodTemplate:
    """Convert a pod template; an absent one has no ports and runs as ``default``."""
    if raw is None:
        return model.PodTemplate()
    spec = raw.spec or _DEFAULT_SPEC
    containers = _containers(spec)
    converted = meta("Pod", raw.metadata)
    return model.PodTemplate(
        labels=converted.labels,
        annotations=converted.annotations,
        service_account=spec.service_account_name or spec.service_account or "default",
        host_network=bool(spec.host_network),
        ports=_ports(containers),
        images=tuple(c.image or "" for c in containers),
        env=_env(containers),
        has_sidecar=_has_sidecar(spec),
        is_router=_is_router(containers, raw.metadata.annotations),
        probe_ports=_probe_ports(containers),
    )


def owners(raw: ObjectMeta) -> tuple[model.OwnerRef, ...]:
    """Convert ownerReferences."""
    return tuple(model.OwnerRef(o.kind, o.name, Uid(o.uid), bool(o.controller)) for o in raw.owner_references or ())


def _containers(spec: PodSpec) -> list[Container]:
    """The containers that keep running: ordinary ones and native sidecars (init containers with restartPolicy Always)."""
    return [*(spec.containers or ()), *(c for c in spec.init_containers or () if c.restart_policy == "Always")]


def _has_sidecar(spec: PodSpec) -> bool:
    """Whether a proxy runs beside an application. A proxy without one is a gateway, waypoint or ztunnel."""
    names = [c.name for c in _containers(spec)]
    return SIDECAR in names and len(names) > 1


def _is_router(containers: Sequence[Container], annotations: Mapping[str, str] | None) -> bool:
    """Whether the pod is a proxy of its own, in the role of a gateway (istio.io: installing gateways, gateway injection)."""
    proxy = next((c for c in containers if c.name == SIDECAR), None)
    if proxy is None or len(containers) > 1:
        return False
    templates = (annotations or {}).get(_TEMPLATES, "")
    return (proxy.args or [])[:2] == ["proxy", "router"] or "gateway" in (word.strip() for word in templates.split(","))


def _ports(containers: Sequence[Container]) -> tuple[model.ContainerPort, ...]:
    return tuple(
        model.ContainerPort(p.container_port, p.name or "", p.protocol or "TCP", p.host_port or 0)
        for c in containers
        if c.ports
        for p in c.ports
    )


def _probe_ports(containers: Sequence[Container]) -> tuple[int | str, ...]:
    """The ports that the kubelet's probes connect to, each once. A port may be a number in a string."""
    probes = (probe for c in containers for probe in (c.startup_probe, c.readiness_probe, c.liveness_probe) if probe)
    actions = (action for probe in probes for action in (probe.http_get, probe.tcp_socket, probe.grpc) if action)
    found = (int(a.port) if isinstance(a.port, str) and a.port.isdecimal() else a.port for a in actions)
    return tuple(dict.fromkeys(port for port in found if port is not None))


def _env(containers: Sequence[Container]) -> Mapping[str, str]:
    found = {e.name: e.value for c in containers if c.env for e in c.env if e.value and ("URL" in e.name or e.name in SWITCHES)}
    return found or NO_LABELS


def _trouble(status: PodStatus) -> str:
    """Reason and message of the first container that failed and is to be restarted, in one line."""
    for container in status.container_statuses or ():
        waiting = container.state.waiting if container.state else None
        if waiting and waiting.message and waiting.reason in _FAILING:
            return " ".join(waiting.message.split())[:_LONGEST_TROUBLE]
    return ""


def _status(status: PodStatus, phase: str) -> str:
    """The word in kubectl's STATUS column: a container's reason takes precedence over the phase."""
    for container in status.container_statuses or ():
        state = container.state
        reason = state and ((state.waiting and state.waiting.reason) or (state.terminated and state.terminated.reason))
        if reason:
            return reason
    return status.reason or phase


def _ready_since(status: PodStatus) -> datetime | None:
    said = next((c.last_transition_time for c in status.conditions or () if (c.type, c.status) == ("Ready", "True")), None)
    try:
        found = datetime.fromisoformat(said or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _is_ready(status: PodStatus, phase: str) -> bool:
    if status.conditions is None:
        return phase == "Running"
    return any(c.type == "Ready" and c.status == "True" for c in status.conditions)


KINDS = (Kind("Pod", "", V1, "pods", "pods", Pod, pod, overlay=Overlay.COMPUTED, pairs=Pairs.MEMBERS),)
