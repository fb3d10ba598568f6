"""Which traffic of a pod its sidecar captures (istio.io: resource annotations; istio/istio tools/istio-iptables)."""

from __future__ import annotations

from meshtui.model.workload import Pod

_PREFIX = "traffic.sidecar.istio.io/"
_EXCLUDED_IN = f"{_PREFIX}excludeInboundPorts"
_INCLUDED_IN = f"{_PREFIX}includeInboundPorts"
_EXCLUDED_OUT = f"{_PREFIX}excludeOutboundPorts"
_INTERCEPTION = "sidecar.istio.io/interceptionMode"
_RANGES_OUT = {
    f"{_PREFIX}includeOutboundIPRanges": "*",
    f"{_PREFIX}excludeOutboundIPRanges": "",
    f"{_PREFIX}includeOutboundPorts": "",
}
"""The annotations that choose outgoing traffic by address, each with the value that leaves everything captured."""
_ALL = (_EXCLUDED_IN, _EXCLUDED_OUT, _INCLUDED_IN, _INTERCEPTION, *_RANGES_OUT)


def annotations_of(pod: Pod) -> tuple[tuple[str, str], ...]:
    """The annotations that say what a pod's sidecar captures; empty if it captures everything."""
    annotations = pod.meta.annotations
    return tuple((name, annotations[name]) for name in _ALL if name in annotations) if annotations else ()


def named_ports(pod: Pod) -> frozenset[int]:
    """The ports that these annotations name."""
    annotations = pod.meta.annotations
    named = (annotations.get(name, "") for name in (_EXCLUDED_IN, _EXCLUDED_OUT, _INCLUDED_IN))
    return frozenset(port for text in named for port in _ports(text)) if annotations else frozenset()


def excluding(pod: Pod, port: int) -> str:
    """The annotation that excludes a port from the capture of incoming traffic; empty if it is captured."""
    annotations = pod.meta.annotations
    if annotations.get(_INTERCEPTION) == "NONE":
        return _INTERCEPTION
    if port in _ports(annotations.get(_EXCLUDED_IN, "")):
        return _EXCLUDED_IN
    included = annotations.get(_INCLUDED_IN, "*").strip()
    return "" if included == "*" or port in _ports(included) else _INCLUDED_IN


def leaves_directly(pod: Pod, port: int) -> bool:
    """Whether traffic to a port leaves a pod without passing its sidecar."""
    annotations = pod.meta.annotations
    return annotations.get(_INTERCEPTION) == "NONE" or port in _ports(annotations.get(_EXCLUDED_OUT, ""))


def bypassed_ranges(pod: Pod) -> str:
    """The annotation with which some traffic leaves a pod without passing its sidecar, by address; empty if there is none."""
    annotations = pod.meta.annotations
    return next((name for name, everything in _RANGES_OUT.items() if annotations.get(name, everything).strip() != everything), "")


def _ports(text: str) -> set[int]:
    return {int(word) for word in text.replace(" ", "").split(",") if word.isdecimal()}
