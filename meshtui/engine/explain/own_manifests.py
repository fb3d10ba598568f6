"""Manifests of policies of CNIs' own kinds that advice and fixes propose: they let one peer in or out on some ports."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from meshtui.engine.explain.manifests import CLIENT_CIDR, Manifest
from meshtui.engine.matching.regex import literal
from meshtui.kinds.calico import CRD_GROUP
from meshtui.model.calico import CalicoPolicy
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import ForeignPolicy

_PLAIN = re.compile(r"[A-Za-z0-9._/-]*\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Opening:
    """What a policy lets through: a peer, by its labels in a namespace or by its address, and ports, for ingress or egress.

    No labels are all pods of the namespace. ``ports`` are pairs of a protocol and a number. ``request``: requests with this
    method and path alone.
    """

    direction: str
    labels: Mapping[str, str] | None
    namespace: str
    address: str
    ports: tuple[tuple[str, int], ...]
    request: tuple[str, str] | None = None


def can_be_written(example: ForeignPolicy, labels: Mapping[str, str] | None, opening: Opening) -> bool:
    """Whether a policy like ``example`` can be proposed: objects behind Calico's API aren't for people to write.

    Labels become part of expressions, so that odd ones, which no API server accepts, could say something else there.
    """
    texts = [text for each in (labels, opening.labels) for pair in (each or {}).items() for text in pair]
    return not example.api_version.startswith(CRD_GROUP) and all(map(_PLAIN.match, texts))


def example_in(
    own: Iterable[ObjectRef],
    foreign: Mapping[ObjectRef, ForeignPolicy],
    namespace: str,
    labels: Mapping[str, str] | None,
    opening: Opening,
) -> ForeignPolicy | None:
    """A policy of the CNI's own kinds that a namespace has, and like which an opening can be written. ``own`` are evaluated."""
    names = (ref for ref in sorted(own) if ref.namespace == namespace)
    return next((foreign[ref] for ref in names if can_be_written(foreign[ref], labels, opening)), None)


def like(example: ForeignPolicy, ref: ObjectRef, labels: Mapping[str, str], opening: Opening) -> Manifest:
    """A policy of the kind of ``example``, for the pods with some labels of its namespace."""
    spec = _calico(ref, labels, opening) if isinstance(example.own, CalicoPolicy) else _cilium(ref, labels, opening)
    metadata = {"name": ref.name, "namespace": ref.namespace}
    return {"apiVersion": example.api_version, "kind": ref.kind.partition(".")[0], "metadata": metadata, "spec": spec}


def _block(address: str) -> str:
    """A block of one address, or the placeholder for what isn't an address."""
    try:
        return str(ipaddress.ip_network(address))
    except ValueError:
        return CLIENT_CIDR


def _calico(ref: ObjectRef, labels: Mapping[str, str], opening: Opening) -> dict[str, Any]:
    peer: dict[str, Any] = {"nets": [_block(opening.address)]}
    if opening.labels is not None:
        peer = {"selector": _expression(opening.labels) or "all()"}
        if opening.namespace != ref.namespace:
            peer["namespaceSelector"] = f"projectcalico.org/name == '{opening.namespace}'"
    rules = []
    for protocol in dict.fromkeys(protocol for protocol, _ in opening.ports):
        ports = {"ports": [port for each, port in opening.ports if each == protocol]}
        sides = {"destination": {**peer, **ports}}
        if opening.direction == "ingress":
            sides = {"source": peer, "destination": ports}
        rules.append({"action": "Allow", "protocol": protocol, **sides})
    return {"selector": _expression(labels), "types": [opening.direction.capitalize()], opening.direction: rules}


def _expression(labels: Mapping[str, str]) -> str:
    return " && ".join(f"{key} == '{value}'" for key, value in labels.items())


def _cilium(ref: ObjectRef, labels: Mapping[str, str], opening: Opening) -> dict[str, Any]:
    word = "from" if opening.direction == "ingress" else "to"
    peer: dict[str, Any] = {f"{word}CIDR": [_block(opening.address)]}
    if opening.labels is not None:
        here = opening.namespace == ref.namespace
        elsewhere = {} if here else {"io.kubernetes.pod.namespace": opening.namespace}
        peer = {f"{word}Endpoints": [{"matchLabels": {**opening.labels, **elsewhere}}]}
    entry: dict[str, Any] = {"ports": [{"port": str(port), "protocol": protocol} for protocol, port in opening.ports]}
    if opening.request is not None:
        method, path = map(literal, opening.request)
        entry["rules"] = {"http": [{"method": method, "path": path}]}
    return {"endpointSelector": {"matchLabels": dict(labels)}, opening.direction: [{**peer, "toPorts": [entry]}]}
