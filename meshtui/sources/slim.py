"""Manifests without what no verdict reads: no environment, no images, no commands, no volumes, no annotations but the mesh's.

What is kept of each kind is what ``sources/decode`` reads of it; Secrets and ConfigMaps are no kinds that it knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]
_MESH_ANNOTATIONS = re.compile(r"(\w[\w.-]*\.)?(istio\.io|k8s\.io)/|meshtui\.dev/")
_METADATA = ("name", "namespace", "labels", "creationTimestamp")
_POD_SPEC = ("serviceAccountName", "serviceAccount", "hostNetwork", "nodeName")
_POD_STATUS = ("phase", "podIP", "podIPs", "hostIP", "hostIPs")
_SERVICE = ("type", "selector", "ports", "clusterIP", "clusterIPs", "externalName", "publishNotReadyAddresses")
_WHOLE = frozenset(
    {
        "NetworkPolicy",
        "AdminNetworkPolicy",
        "BaselineAdminNetworkPolicy",
        "ClusterNetworkPolicy",
        "AuthorizationPolicy",
        "PeerAuthentication",
        "Gateway",
        "GatewayClass",
        "HTTPRoute",
        "CiliumNetworkPolicy",
        "CiliumClusterwideNetworkPolicy",
        "GlobalNetworkPolicy",
        "EnvoyFilter",
    }
)
"""Kinds whose spec is kept as it is."""


def slim(obj: Object) -> dict[str, Any]:
    """An object with only what verdicts read."""
    kind, spec, status = str(obj.get("kind", "")), _map(obj.get("spec")), _map(obj.get("status"))
    kept: dict[str, Any] = {"apiVersion": obj.get("apiVersion"), "kind": kind, "metadata": _metadata(_map(obj.get("metadata")))}
    if kind in _WHOLE:
        kept["spec"] = dict(spec)
    elif kind == "RequestAuthentication":
        kept["spec"] = {
            **_only(spec, ("selector", "targetRef", "targetRefs")),
            "jwtRules": [_jwt_rule(r) for r in _maps(spec.get("jwtRules"))],
        }
    elif kind == "Pod":
        kept["spec"], kept["status"] = _pod_spec(spec), _pod_status(status)
    elif kind == "Service":
        kept["spec"] = _only(spec, _SERVICE)
    elif kind == "EndpointSlice":
        kept |= _only(obj, ("addressType", "endpoints", "ports"))
    elif kind == "Node":
        kept["spec"], kept["status"] = _only(spec, ("podCIDR", "podCIDRs")), _only(status, ("addresses",))
    elif "template" in spec:
        template = _map(spec["template"])
        labels = _only(_map(template.get("metadata")), ("labels",))
        kept["spec"] = {
            **_only(spec, ("replicas", "selector")),
            "template": {"metadata": labels, "spec": _pod_spec(_map(template.get("spec")))},
        }
    return kept


def _metadata(metadata: Object) -> dict[str, Any]:
    kept = _only(metadata, _METADATA)
    annotations = {k: v for k, v in _map(metadata.get("annotations")).items() if _MESH_ANNOTATIONS.match(str(k))}
    if annotations:
        kept["annotations"] = annotations
    owners = [
        _only(owner, ("apiVersion", "kind", "name", "uid", "controller")) for owner in _maps(metadata.get("ownerReferences"))
    ]
    if owners:
        kept["ownerReferences"] = owners
    return kept


def _pod_spec(spec: Object) -> dict[str, Any]:
    kept = _only(spec, _POD_SPEC)
    for field in ("containers", "initContainers"):
        if spec.get(field):
            kept[field] = [_only(container, ("name", "ports", "restartPolicy")) for container in _maps(spec[field])]
    return kept


def _pod_status(status: Object) -> dict[str, Any]:
    ready = [_only(c, ("type", "status")) for c in _maps(status.get("conditions")) if c.get("type") == "Ready"]
    return {**_only(status, _POD_STATUS), **({"conditions": ready} if ready else {})}


def _jwt_rule(rule: Object) -> dict[str, Any]:
    """A rule without the keys themselves: no verdict reads them."""
    return _only(rule, ("issuer", "audiences", "fromHeaders", "fromParams", "fromCookies", "forwardOriginalToken"))


def _only(value: Object, keys: Iterable[str]) -> dict[str, Any]:
    return {key: value[key] for key in keys if value.get(key) is not None}


def _map(value: Any) -> Object:
    return value if isinstance(value, Mapping) else {}


def _maps(value: Any) -> list[Object]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


_KEPT_WORDS = frozenset(
    (
        *("default", "kube-system", "kube-dns", "istio-system", "istio", "ztunnel", "istiod", "istio-proxy", "istio-waypoint"),
        *("waypoint", "true", "false", "enabled", "disabled", "ambient", "none", "service", "workload", "all"),
        *("cluster", "local", "svc", "ns", "sa", "http", "http2", "https", "grpc", "tcp", "tls", "udp"),
    )
)
"""Names and label values that say nothing of whose cluster it is, and that something reads by name."""


class Pseudonyms:
    """Other words for the names and label values of some objects: the same name gets the same word wherever it stands.

    Addresses, ports and their names, paths, other hosts and label keys stay as they are.
    """

    def __init__(self, objects: Iterable[Object], keep: Iterable[str] = ()) -> None:
        kept = _KEPT_WORDS | frozenset(keep)
        names = dict.fromkeys(name for obj in objects for name in _names(obj) if name not in kept and not name.isdecimal())
        self._words = {name: f"n{number}" for number, name in enumerate(names, 1)}
        longest_first = sorted(self._words, key=len, reverse=True)
        self._pattern = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, longest_first))})(?![\w-])") if longest_first else None

    def text(self, text: str) -> str:
        """A text in which each of the names is replaced, where it stands whole between dots, slashes, stars or the ends."""
        return self._pattern.sub(lambda found: self._words[found[1]], text) if self._pattern else text

    def of(self, value: Any) -> Any:
        """The same data with each name replaced in its strings; keys of mappings stay."""
        if isinstance(value, Mapping):
            return {key: item if key in _UNTOUCHED else self.of(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(item) for item in value]
        return self.text(value) if isinstance(value, str) else value


def _names(value: Any, key: str = "") -> Iterator[str]:
    """The names in an object: of itself and of others, the values of its labels and of its selectors' labels."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name in _UNTOUCHED:
                continue
            if isinstance(item, str) and item and (name in _NAMING or key in _LABELS):
                yield item
            else:
                yield from _names(item, str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            if key == "values" and isinstance(item, str) and _LABEL.fullmatch(item):
                yield item
            yield from _names(item, key)
    elif isinstance(value, str):
        yield from (part for found in _IDENTITY.finditer(value) for part in found.groups() if "*" not in part)


_UNTOUCHED = frozenset({"apiVersion", "kind", "ports", "appProtocol", "targetPort"})
"""Fields whose words mean something by themselves: a port that is called http is one."""
_NAMING = frozenset({"name", "namespace", "serviceAccountName", "serviceAccount", "nodeName"})
_LABELS = frozenset({"labels", "matchLabels", "selector"})
_LABEL = re.compile(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?")
_IDENTITY = re.compile(r"/ns/([^/]+)/sa/([^/]+)")
