"""Lists in kubectl's format: the columns of each kind, from the API server (``as=Table``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from meshtui.sandbox.apiserver.kinds import Kind
from meshtui.sandbox.ports import Obj

Cell = str | int
Column = tuple[str, Callable[[Obj], Cell], bool]
"""(title, function of the cell, only with ``-o wide``)."""


def age(timestamp: str | None) -> str:
    """An age in kubectl's format: ``42s``, ``5m``, ``3h20m``, ``12d``."""
    if not timestamp:
        return "<unknown>"
    seconds = max(int((datetime.now(UTC) - datetime.fromisoformat(timestamp)).total_seconds()), 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    for under, big, big_unit, small, small_unit in (
        (minutes < 2, seconds, "s", 0, ""),
        (minutes < 10, minutes, "m", seconds % 60, "s"),
        (hours < 3, minutes, "m", 0, ""),
        (hours < 8, hours, "h", minutes % 60, "m"),
        (days < 2, hours, "h", 0, ""),
        (days < 8, days, "d", hours % 24, "h"),
        (days < 730, days, "d", 0, ""),
    ):
        if under:
            return f"{big}{big_unit}{small}{small_unit}" if small else f"{big}{big_unit}"
    return f"{days // 365}y"


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: Obj) -> str:
    return age(obj["metadata"].get("creationTimestamp"))


def _at(*path: str, default: Cell = "<none>") -> Callable[[Obj], Cell]:
    def read(obj: Obj) -> Cell:
        value: Any = obj
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, bool):
            return str(value)
        return value if isinstance(value, str | int) and value != "" else default

    return read


def _statuses(pod: Obj) -> list[Obj]:
    return (pod.get("status") or {}).get("containerStatuses") or []


def _pod_ready(pod: Obj) -> str:
    ready = sum(1 for status in _statuses(pod) if status.get("ready"))
    return f"{ready}/{len(pod['spec'].get('containers') or [])}"


def _pod_restarts(pod: Obj) -> str:
    restarts = sum(status.get("restartCount", 0) for status in _statuses(pod))
    ends = [((s.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for s in _statuses(pod)]
    last = max((end for end in ends if end), default=None)
    return f"{restarts} ({age(last)} ago)" if restarts and last else str(restarts)


def _pod_status(pod: Obj) -> str:
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    status = pod.get("status") or {}
    if init := _init_status(status, len(pod["spec"].get("initContainers") or [])):
        return init
    shown = status.get("reason") or status.get("phase") or "Pending"
    for container in reversed(_statuses(pod)):
        state = container.get("state") or {}
        if waiting := state.get("waiting"):
            shown = waiting.get("reason") or shown
        elif ended := state.get("terminated"):
            shown = ended.get("reason") or f"ExitCode:{ended.get('exitCode')}"
    return str(shown)


def _init_status(status: Obj, total: int) -> str:
    for index, container in enumerate(status.get("initContainerStatuses") or []):
        state = container.get("state") or {}
        ended = state.get("terminated")
        if ended and ended.get("exitCode") == 0:
            continue
        if ended:
            return f"Init:{ended.get('reason') or 'Error'}"
        reason = (state.get("waiting") or {}).get("reason")
        return f"Init:{reason}" if reason and reason != "PodInitializing" else f"Init:{index}/{total}"
    return ""


def _gates(pod: Obj) -> str:
    gates = pod["spec"].get("readinessGates") or []
    conditions = {c["type"]: c["status"] for c in (pod.get("status") or {}).get("conditions") or []}
    met = sum(1 for gate in gates if conditions.get(gate.get("conditionType")) == "True")
    return f"{met}/{len(gates)}" if gates else "<none>"


def _ready_of(wanted: Callable[[Obj], Cell]) -> Callable[[Obj], str]:
    ready = _at("status", "readyReplicas", default=0)
    return lambda obj: f"{ready(obj)}/{wanted(obj)}"


def _containers(*path: str, field: str) -> Callable[[Obj], str]:
    def read(obj: Obj) -> str:
        spec: Any = obj
        for part in path:
            spec = spec.get(part) or {}
        return ",".join(str(container.get(field)) for container in spec.get("containers") or [])

    return read


def _labels(*path: str) -> Callable[[Obj], str]:
    def read(obj: Obj) -> str:
        value: Any = obj
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return ",".join(f"{key}={item}" for key, item in (value or {}).items()) or "<none>"

    return read


def _service_ports(obj: Obj) -> str:
    ports = [
        f"{port.get('port')}:{port['nodePort']}/{port.get('protocol', 'TCP')}"
        if port.get("nodePort")
        else f"{port.get('port')}/{port.get('protocol', 'TCP')}"
        for port in obj["spec"].get("ports") or []
    ]
    return ",".join(ports) or "<none>"


def _external(obj: Obj) -> str:
    spec = obj["spec"]
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName"))
    return ",".join(spec.get("externalIPs") or []) or "<none>"


def _node_status(obj: Obj) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or []
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
    return ("Ready" if ready else "NotReady") + (",SchedulingDisabled" if (obj.get("spec") or {}).get("unschedulable") else "")


def _node_roles(obj: Obj) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = obj["metadata"].get("labels") or {}
    return ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))) or "<none>"


def _node_address(kind: str) -> Callable[[Obj], str]:
    def read(obj: Obj) -> str:
        addresses = (obj.get("status") or {}).get("addresses") or []
        return next((str(a["address"]) for a in addresses if a.get("type") == kind), "<none>")

    return read


def _job_status(obj: Obj) -> str:
    for condition in (obj.get("status") or {}).get("conditions") or []:
        if condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True":
            return str(condition["type"])
    return "Suspended" if obj["spec"].get("suspend") else "Running"


def _job_completions(obj: Obj) -> str:
    wanted = obj["spec"].get("completions", 1)
    return f"{(obj.get('status') or {}).get('succeeded', 0)}/{wanted}"


def _endpoints(obj: Obj) -> str:
    addresses = [address for endpoint in obj.get("endpoints") or [] for address in endpoint.get("addresses") or []]
    more = f" + {len(addresses) - 3} more..." if len(addresses) > 3 else ""
    return ",".join(addresses[:3]) + more if addresses else "<unset>"


def _slice_ports(obj: Obj) -> str:
    return ",".join(str(port.get("port")) for port in obj.get("ports") or []) or "<unset>"


def _last_seen(obj: Obj) -> str:
    return age(obj.get("lastTimestamp") or obj.get("eventTime") or obj["metadata"].get("creationTimestamp"))


def _involved(obj: Obj) -> str:
    about = obj.get("involvedObject") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def _hostnames(obj: Obj) -> str:
    names = obj["spec"].get("hostnames")
    return '["' + '","'.join(names) + '"]' if names else ""


def _gateway_address(obj: Obj) -> str:
    return next((str(a.get("value")) for a in (obj.get("status") or {}).get("addresses") or []), "")


def _programmed(obj: Obj) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or []
    by_type = {c.get("type"): str(c["status"]) for c in conditions}
    return by_type.get("Programmed") or by_type.get("Accepted") or "Unknown"


def _col(title: str, read: Callable[[Obj], Cell]) -> Column:
    return (title, read, False)


def _wide(title: str, read: Callable[[Obj], Cell]) -> Column:
    return (title, read, True)


_NAME, _AGE = _col("Name", _name), _col("Age", _age)
_POD_TEMPLATE = ("spec", "template", "spec")
_WIDE_WORKLOAD = (
    _wide("Containers", _containers(*_POD_TEMPLATE, field="name")),
    _wide("Images", _containers(*_POD_TEMPLATE, field="image")),
)
_SELECTOR = _wide("Selector", _labels("spec", "selector", "matchLabels"))

COLUMNS: dict[str, tuple[Column, ...]] = {
    "namespaces": (_NAME, _col("Status", _at("status", "phase", default="Active")), _AGE),
    "nodes": (
        _NAME,
        _col("Status", _node_status),
        _col("Roles", _node_roles),
        _AGE,
        _col("Version", _at("status", "nodeInfo", "kubeletVersion")),
        _wide("Internal-IP", _node_address("InternalIP")),
        _wide("External-IP", _node_address("ExternalIP")),
        _wide("OS-Image", _at("status", "nodeInfo", "osImage")),
        _wide("Kernel-Version", _at("status", "nodeInfo", "kernelVersion")),
        _wide("Container-Runtime", _at("status", "nodeInfo", "containerRuntimeVersion")),
    ),
    "pods": (
        _NAME,
        _col("Ready", _pod_ready),
        _col("Status", _pod_status),
        _col("Restarts", _pod_restarts),
        _AGE,
        _wide("IP", _at("status", "podIP")),
        _wide("Node", _at("spec", "nodeName")),
        _wide("Nominated Node", _at("status", "nominatedNodeName")),
        _wide("Readiness Gates", _gates),
    ),
    "services": (
        _NAME,
        _col("Type", _at("spec", "type")),
        _col("Cluster-IP", _at("spec", "clusterIP")),
        _col("External-IP", _external),
        _col("Port(s)", _service_ports),
        _AGE,
        _wide("Selector", _labels("spec", "selector")),
    ),
    "serviceaccounts": (_NAME, _col("Secrets", lambda obj: len(obj.get("secrets") or [])), _AGE),
    "configmaps": (
        _NAME,
        _col("Data", lambda obj: len(obj.get("data") or {}) + len(obj.get("binaryData") or {})),
        _AGE,
    ),
    "secrets": (_NAME, _col("Type", _at("type")), _col("Data", lambda obj: len(obj.get("data") or {})), _AGE),
    "events": (
        _col("Last Seen", _last_seen),
        _col("Type", _at("type")),
        _col("Reason", _at("reason")),
        _col("Object", _involved),
        _wide("Subobject", _at("involvedObject", "fieldPath", default="")),
        _wide("Source", _at("source", "component", default="")),
        _col("Message", _at("message", default="")),
        _wide("Count", _at("count", default=1)),
        _wide("Name", _name),
    ),
    "deployments": (
        _NAME,
        _col("Ready", _ready_of(_at("spec", "replicas", default=0))),
        _col("Up-to-date", _at("status", "updatedReplicas", default=0)),
        _col("Available", _at("status", "availableReplicas", default=0)),
        _AGE,
        *_WIDE_WORKLOAD,
        _SELECTOR,
    ),
    "replicasets": (
        _NAME,
        _col("Desired", _at("spec", "replicas", default=0)),
        _col("Current", _at("status", "replicas", default=0)),
        _col("Ready", _at("status", "readyReplicas", default=0)),
        _AGE,
        *_WIDE_WORKLOAD,
        _SELECTOR,
    ),
    "statefulsets": (_NAME, _col("Ready", _ready_of(_at("spec", "replicas", default=0))), _AGE, *_WIDE_WORKLOAD),
    "daemonsets": (
        _NAME,
        _col("Desired", _at("status", "desiredNumberScheduled", default=0)),
        _col("Current", _at("status", "currentNumberScheduled", default=0)),
        _col("Ready", _at("status", "numberReady", default=0)),
        _col("Up-to-date", _at("status", "updatedNumberScheduled", default=0)),
        _col("Available", _at("status", "numberAvailable", default=0)),
        _col("Node Selector", _labels("spec", "template", "spec", "nodeSelector")),
        _AGE,
        *_WIDE_WORKLOAD,
        _SELECTOR,
    ),
    "jobs": (_NAME, _col("Status", _job_status), _col("Completions", _job_completions), _AGE),
    "cronjobs": (_NAME, _col("Schedule", _at("spec", "schedule")), _col("Suspend", _at("spec", "suspend")), _AGE),
    "endpointslices": (
        _NAME,
        _col("AddressType", _at("addressType")),
        _col("Ports", _slice_ports),
        _col("Endpoints", _endpoints),
        _AGE,
    ),
    "networkpolicies": (_NAME, _col("Pod-Selector", _labels("spec", "podSelector", "matchLabels")), _AGE),
    "authorizationpolicies": (_NAME, _col("Action", _at("spec", "action", default="ALLOW")), _AGE),
    "peerauthentications": (_NAME, _col("Mode", _at("spec", "mtls", "mode", default="")), _AGE),
    "gateways": (
        _NAME,
        _col("Class", _at("spec", "gatewayClassName")),
        _col("Address", _gateway_address),
        _col("Programmed", _programmed),
        _AGE,
    ),
    "gatewayclasses": (
        _NAME,
        _col("Controller", _at("spec", "controllerName")),
        _col("Accepted", _programmed),
        _AGE,
    ),
    "httproutes": (_NAME, _col("Hostnames", _hostnames), _AGE),
    "rolebindings": (_NAME, _col("Role", lambda obj: f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}"), _AGE),
    "clusterrolebindings": (
        _NAME,
        _col("Role", lambda obj: f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}"),
        _AGE,
    ),
    "customresourcedefinitions": (_NAME, _col("Created At", _at("metadata", "creationTimestamp"))),
}
_PLAIN: tuple[Column, ...] = (_NAME, _AGE)


def table(kind: Kind, objects: Iterable[Obj], include: str, metadata: Obj, *, columns: bool = True) -> Obj:
    """A meta.k8s.io Table. ``include``: None, Metadata or Object; ``columns`` False leaves the titles out."""
    chosen = COLUMNS.get(kind.plural, _PLAIN)
    result: Obj = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": None}
    if columns:
        result["columnDefinitions"] = [
            {
                "name": title,
                "type": "string",
                "format": "name" if title == "Name" else "",
                "description": title,
                "priority": int(wide),
            }
            for title, _, wide in chosen
        ]
    result["rows"] = [{"cells": [read(obj) for _, read, _ in chosen], "object": _included(obj, include)} for obj in objects]
    return result


def _included(obj: Obj, include: str) -> Obj | None:
    if include == "None":
        return None
    if include == "Object":
        return obj
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
