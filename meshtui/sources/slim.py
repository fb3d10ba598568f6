"""Reduces manifests to what verdicts depend on: without environment, images, commands, volumes and most annotations.

Of each kind, the fields that ``kinds`` reads are kept. Secrets and ConfigMaps are dropped, since ``kinds`` doesn't know them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from meshtui.kinds import kind_of
from meshtui.kinds.kind import Role
from meshtui.kinds.pod import ROLES, SIDECAR, SWITCHES

Object = Mapping[str, Any]
_MESH_ANNOTATIONS = re.compile(r"(\w[\w.-]*\.)?(istio\.io|k8s\.io)/|meshtui\.dev/")
_METADATA = ("name", "namespace", "labels", "creationTimestamp")
_POD_SPEC = ("serviceAccountName", "serviceAccount", "hostNetwork", "nodeName")
_POD_STATUS = ("phase", "podIP", "podIPs", "hostIP", "hostIPs")
_SERVICE = ("type", "selector", "ports", "clusterIP", "clusterIPs", "externalName", "publishNotReadyAddresses",
            "externalIPs", "loadBalancerIP", "internalTrafficPolicy")  # fmt: skip


def slim(obj: Object) -> dict[str, Any]:
    """An object with only the fields that verdicts depend on."""
    kind, spec, status = str(obj.get("kind", "")), _map(obj.get("spec")), _map(obj.get("status"))
    kept: dict[str, Any] = {"apiVersion": obj.get("apiVersion"), "kind": kind, "metadata": _metadata(_map(obj.get("metadata")))}
    if _is_policy(obj) and kind != "RequestAuthentication":
        kept |= {name: obj[name] for name in ("spec", "specs") if name in obj}
    elif kind == "RequestAuthentication":
        kept["spec"] = {
            **_only(spec, ("selector", "targetRef", "targetRefs")),
            "jwtRules": [_jwt_rule(r) for r in _maps(spec.get("jwtRules"))],
        }
    elif kind == "Pod":
        kept["spec"], kept["status"] = _pod_spec(spec), _pod_status(status)
    elif kind == "Service":
        kept["spec"], kept["status"] = _only(spec, _SERVICE), _only(status, ("loadBalancer",))
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
            kept[field] = [_container(container) for container in _maps(spec[field])]
    return kept


def _container(container: Object) -> dict[str, Any]:
    """A container without image and command, but with an Istio proxy's role and istiod's switches."""
    kept = _only(container, ("name", "ports", "restartPolicy"))
    args = container.get("args")
    if isinstance(args, list) and container.get("name") == SIDECAR:
        kept["args"] = [word for word in args if word in ROLES]
    switches = [_only(e, ("name", "value")) for e in _maps(container.get("env")) if e.get("name") in SWITCHES]
    return {**kept, "env": switches} if switches else kept


def _pod_status(status: Object) -> dict[str, Any]:
    ready = [_only(c, ("type", "status")) for c in _maps(status.get("conditions")) if c.get("type") == "Ready"]
    return {**_only(status, _POD_STATUS), **({"conditions": ready} if ready else {})}


def _jwt_rule(rule: Object) -> dict[str, Any]:
    """A rule without the keys, which no verdict depends on."""
    kept = (
        *("issuer", "audiences", "fromHeaders", "fromParams", "fromCookies", "forwardOriginalToken"),
        *("outputPayloadToHeader", "outputClaimToHeaders"),
    )
    return _only(rule, kept)


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
"""Names and label values that don't identify a cluster, and that code refers to by name."""


class Pseudonyms:
    """Replaces the names and label values of some objects by pseudonyms, consistently.

    Addresses, ports and their names, paths, other hosts and label keys are kept.
    """

    def __init__(self, objects: Iterable[Object], keep: Iterable[str] = ()) -> None:
        kept = _KEPT_WORDS | frozenset(keep)
        names = dict.fromkeys(name for obj in objects for name in _names(obj) if name not in kept and not name.isdecimal())
        self._words = {name: f"n{number}" for number, name in enumerate(names, 1)}
        longest_first = sorted(self._words, key=len, reverse=True)
        self._pattern = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, longest_first))})(?![\w-])") if longest_first else None

    def text(self, text: str) -> str:
        """A text with each name replaced, where it is delimited by dots, slashes, stars or the ends of the text."""
        return self._pattern.sub(lambda found: self._words[found[1]], text) if self._pattern else text

    def of(self, value: Any) -> Any:
        """A copy of data with the names in its strings replaced. Keys of mappings are kept."""
        if isinstance(value, Mapping):
            return {key: item if key in _UNTOUCHED else self.of(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(item) for item in value]
        return self.text(value) if isinstance(value, str) else value


def _names(value: Any, key: str = "") -> Iterator[str]:
    """The names in an object: its own and those it refers to, label values, and the values in its selectors."""
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
        if key.endswith(("selector", "Selector")):
            yield from (found[1] for found in _QUOTED.finditer(_OF_PARTS.sub("", value)) if found[1])
        yield from (part for found in _IDENTITY.finditer(value) for part in found.groups() if "*" not in part)


_UNTOUCHED = frozenset({"apiVersion", "kind", "ports", "appProtocol", "targetPort"})
"""Fields whose values have a meaning of their own and are kept, like a port that is called http."""
_NAMING = frozenset({"name", "namespace", "serviceAccountName", "serviceAccount", "nodeName"})
_LABELS = frozenset({"labels", "matchLabels", "selector"})
_LABEL = re.compile(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?")
_QUOTED = re.compile(r"['\"]([^'\"]*)['\"]")
"""A value in a selector that is written as an expression, as Calico's are."""
_OF_PARTS = re.compile(r"(contains|with)\s*(['\"])[^'\"]*\2")
"""A comparison with a part of a value: that has no pseudonym."""
_IDENTITY = re.compile(r"/ns/([^/]+)/sa/([^/]+)")


def _is_policy(obj: Object) -> bool:
    """Whether all of an object's spec is about what may pass, or where it goes."""
    known = kind_of(obj)
    return known is not None and known.role in {Role.POLICY, Role.ROUTING} and known.name != "Service"
