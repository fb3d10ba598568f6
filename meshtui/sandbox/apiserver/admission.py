"""Admission: defaulting and validation before an object is stored."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from meshtui.sandbox.apiserver import errors
from meshtui.sandbox.apiserver.kinds import BY_PLURAL, Kind
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.ports import Obj

SERVICE_CIDR = ipaddress.IPv4Network("10.96.0.0/16")

_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_LABEL_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_LABEL_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_RULE = (
    "a lowercase RFC 1123 {what} must consist of lower case alphanumeric characters{dots}, and must start and end with "
    "an alphanumeric character"
)
_WORKLOADS = ("deployments", "replicasets", "statefulsets", "daemonsets", "jobs")
_FREE_NAMES = ("roles", "rolebindings", "clusterroles", "clusterrolebindings")


class Admission:
    """The store's hook: defaulting, cluster IPs of Services, and validation."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_ip = 10
        self._next_node_port = 31000

    def __call__(self, plural: str, obj: Obj, old: Obj | None) -> None:
        """Complete ``obj`` in place, or raise ``ApiError``."""
        kind = BY_PLURAL[plural]
        if old is None:
            self._check_new(kind, obj)
        _check_labels(kind, obj)
        if plural == "services":
            self._service(obj, old)
        elif plural == "namespaces":
            _namespace(obj)
        elif plural == "pods" and old is None:
            obj["spec"] = pod_defaults(obj.get("spec") or {})
            obj.setdefault("status", {"phase": "Pending", "qosClass": "BestEffort"})
            _check_pod(kind, obj)
        elif plural in _WORKLOADS:
            _workload(kind, obj, old)
        elif plural == "cronjobs":
            obj["spec"] = {"suspend": False, "concurrencyPolicy": "Allow"} | (obj.get("spec") or {})
        elif plural == "secrets":
            _secret(obj)

    def _check_new(self, kind: Kind, obj: Obj) -> None:
        metadata = obj["metadata"]
        name = metadata.get("name")
        if not name:
            raise errors.invalid(kind, "", ("metadata.name", "Required value: name or generateName is required"))
        _check_name(kind, name)
        if not kind.namespaced:
            return
        namespace = metadata.get("namespace")
        if not namespace:
            raise errors.ApiError(400, "an empty namespace may not be set during creation")
        found = self._store.get("namespaces", None, namespace)
        if found is None:
            raise errors.not_found(BY_PLURAL["namespaces"], namespace)
        if "deletionTimestamp" in found["metadata"]:
            raise errors.ApiError(
                403,
                f'{kind.qualified} "{name}" is forbidden: unable to create new content in namespace {namespace} '
                "because it is being terminated",
            )

    def _service(self, obj: Obj, old: Obj | None) -> None:
        spec = {"type": "ClusterIP", "sessionAffinity": "None"} | (obj.get("spec") or {})
        obj["spec"] = spec
        obj.setdefault("status", {"loadBalancer": {}})
        if spec["type"] == "ExternalName":
            return
        spec["ports"] = [{"protocol": "TCP", "targetPort": port.get("port")} | port for port in spec.get("ports") or []]
        if spec["type"] in ("NodePort", "LoadBalancer"):
            was = {port.get("port"): port.get("nodePort") for port in (old or {"spec": {}})["spec"].get("ports") or []}
            for port in spec["ports"]:
                port["nodePort"] = port.get("nodePort") or was.get(port["port"]) or self._free_node_port()
        if old is not None and not spec.get("clusterIP"):
            spec["clusterIP"] = old["spec"].get("clusterIP")
        if not spec.get("clusterIP"):
            spec["clusterIP"] = self._free_ip()
        spec["clusterIPs"] = [spec["clusterIP"]]
        spec |= {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster"}

    def _free_node_port(self) -> int:
        taken = {port.get("nodePort") for s in self._store.list("services") for port in s["spec"].get("ports") or []}
        self._next_node_port = next(n for n in range(self._next_node_port + 1, 32768) if n not in taken)
        return self._next_node_port

    def _free_ip(self) -> str:
        taken = {service["spec"].get("clusterIP") for service in self._store.list("services")}
        while True:
            self._next_ip += 1
            address = str(SERVICE_CIDR[self._next_ip])
            if address not in taken:
                return address


def _check_name(kind: Kind, name: str) -> None:
    if kind.plural in _FREE_NAMES:
        return
    is_label = kind.plural in ("namespaces", "services")
    pattern, longest = (_LABEL_NAME, 63) if is_label else (_SUBDOMAIN, 253)
    if len(name) > longest:
        raise errors.invalid(kind, name, ("metadata.name", f'Invalid value: "{name}": must be no more than {longest} bytes'))
    if not pattern.match(name):
        rule = _RULE.format(what="label" if is_label else "subdomain", dots=" or '-'" if is_label else ", '-' or '.'")
        raise errors.invalid(kind, name, ("metadata.name", f'Invalid value: "{name}": {rule}'))


def _check_labels(kind: Kind, obj: Obj) -> None:
    labels = obj["metadata"].get("labels")
    for value in (labels or {}).values():
        if not isinstance(value, str) or len(value) > 63 or not _LABEL_VALUE.match(value):
            message = (
                f'Invalid value: "{value}": a valid label must be an empty string or consist of alphanumeric '
                "characters, '-', '_' or '.', and must start and end with an alphanumeric character"
            )
            raise errors.invalid(kind, obj["metadata"].get("name", ""), ("metadata.labels", message))


def _namespace(obj: Obj) -> None:
    metadata = obj["metadata"]
    metadata["labels"] = (metadata.get("labels") or {}) | {"kubernetes.io/metadata.name": metadata["name"]}
    obj["spec"] = obj.get("spec") or {"finalizers": ["kubernetes"]}
    obj["status"] = obj.get("status") or {"phase": "Active"}


def _secret(obj: Obj) -> None:
    import base64

    obj.setdefault("type", "Opaque")
    plain = obj.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        obj["data"] = (obj.get("data") or {}) | encoded


def _container_defaults(container: Obj) -> Obj:
    image = str(container.get("image", ""))
    tagged = ":" in image.rpartition("/")[2] and not image.endswith(":latest")
    result: Obj = {
        "resources": {},
        "imagePullPolicy": "IfNotPresent" if tagged or "@" in image else "Always",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    } | container
    if "ports" in container:
        result["ports"] = [{"protocol": "TCP"} | port for port in container["ports"] or []]
    for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
        if container.get(probe):
            numbers = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
            result[probe] = numbers | container[probe]
    return result


def pod_defaults(spec: Obj) -> Obj:
    """A pod spec after defaulting."""
    result: Obj = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    } | spec
    result["serviceAccountName"] = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    result["serviceAccount"] = result["serviceAccountName"]
    for field in ("containers", "initContainers"):
        if spec.get(field):
            result[field] = [_container_defaults(container) for container in spec[field]]
    return result


def _template_defaults(spec: Obj) -> Obj:
    """Like ``pod_defaults``, but the ServiceAccount of a template isn't defaulted."""
    result = pod_defaults(spec)
    if not spec.get("serviceAccountName") and not spec.get("serviceAccount"):
        del result["serviceAccountName"], result["serviceAccount"]
    elif spec.get("serviceAccountName"):
        result["serviceAccount"] = spec["serviceAccountName"]
    return result


def _check_pod(kind: Kind, obj: Obj) -> None:
    name, spec = obj["metadata"]["name"], obj["spec"]
    if not spec.get("containers"):
        raise errors.invalid(kind, name, ("spec.containers", "Required value"))
    for index, container in enumerate(spec["containers"]):
        for field in ("name", "image"):
            if not container.get(field):
                raise errors.invalid(kind, name, (f"spec.containers[{index}].{field}", "Required value"))


def _workload(kind: Kind, obj: Obj, old: Obj | None) -> None:
    from meshtui.sandbox.apiserver.selectors import labels_match

    name = obj["metadata"]["name"]
    spec: dict[str, Any] = _WORKLOAD_DEFAULTS.get(kind.plural, {}) | (obj.get("spec") or {})
    obj["spec"] = spec
    obj.setdefault("status", {})
    template = spec.get("template")
    if not isinstance(template, dict) or not (template.get("spec") or {}).get("containers"):
        raise errors.invalid(kind, name, ("spec.template.spec.containers", "Required value"))
    metadata = template.get("metadata") or {}
    if kind.plural == "jobs":
        _job(obj, metadata)
    else:
        if not spec.get("selector"):
            raise errors.invalid(kind, name, ("spec.selector", "Required value"))
        if not labels_match(spec["selector"], metadata.get("labels") or {}):
            message = "Invalid value: `selector` does not match template `labels`"
            raise errors.invalid(kind, name, ("spec.template.metadata.labels", message))
        if old is not None and old["spec"].get("selector") != spec["selector"]:
            raise errors.invalid(kind, name, ("spec.selector", "Invalid value: field is immutable"))
    spec["template"] = template | {"metadata": metadata, "spec": _template_defaults(template["spec"])}


def _job(obj: Obj, template_metadata: Obj) -> None:
    spec = obj["spec"]
    uid = obj["metadata"]["uid"]
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    if not spec.get("selector") and not spec.get("manualSelector"):
        labels = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": obj["metadata"]["name"]}
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
        template_metadata["labels"] = (template_metadata.get("labels") or {}) | labels


_WORKLOAD_DEFAULTS: dict[str, dict[str, Any]] = {
    "deployments": {
        "replicas": 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    },
    "replicasets": {"replicas": 1},
    "statefulsets": {
        "replicas": 1,
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate"},
        "revisionHistoryLimit": 10,
    },
    "daemonsets": {"updateStrategy": {"type": "RollingUpdate"}, "revisionHistoryLimit": 10},
    "jobs": {"backoffLimit": 6, "suspend": False, "completionMode": "NonIndexed"},
}
