"""Manifests of policies of CNIs' own kinds that advice and fixes propose: they let one peer in or out on some ports."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
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

    No labels are all pods of the namespace. ``ports`` are pairs of a protocol and a number; none are all.
    ``request``: requests with this method and path alone.
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
    *openings: Opening,
) -> ForeignPolicy | None:
    """A policy of the CNI's own kinds that a namespace has, and like which openings can be written. ``own`` are evaluated."""
    names = (ref for ref in sorted(own) if ref.namespace == namespace)
    found = (foreign[ref] for ref in names if all(can_be_written(foreign[ref], labels, each) for each in openings))
    return next(found, None)


def like(example: ForeignPolicy, ref: ObjectRef, labels: Mapping[str, str], *openings: Opening) -> Manifest:
    """A policy of the kind of ``example``, for the pods with some labels of its namespace. All openings have one direction."""
    direction, spec = openings[0].direction, dict[str, Any]()
    if isinstance(example.own, CalicoPolicy):
        rules = [rule for opening in openings for rule in _calico(ref, opening)]
        spec = {"selector": _expression(labels), "types": [direction.capitalize()], direction: rules}
    else:
        rules = [_cilium(ref, opening) for opening in openings]
        spec = {"endpointSelector": {"matchLabels": dict(labels)}, direction: rules}
    metadata = {"name": ref.name, "namespace": ref.namespace}
    return {"apiVersion": example.api_version, "kind": ref.kind.partition(".")[0], "metadata": metadata, "spec": spec}


def _block(address: str) -> str:
    """A block of one address, or the placeholder for what isn't an address."""
    try:
        return str(ipaddress.ip_network(address))
    except ValueError:
        return CLIENT_CIDR


def _calico(ref: ObjectRef, opening: Opening) -> Iterator[dict[str, Any]]:
    """A rule for each protocol."""
    peer: dict[str, Any] = {"nets": [_block(opening.address)]}
    if opening.labels is not None:
        peer = {"selector": _expression(opening.labels) or "all()"}
        if opening.namespace != ref.namespace:
            peer["namespaceSelector"] = f"projectcalico.org/name == '{opening.namespace}'"
    side = "source" if opening.direction == "ingress" else "destination"
    if not opening.ports:
        yield {"action": "Allow", side: peer}
    for protocol in dict.fromkeys(protocol for protocol, _ in opening.ports):
        ports = {"ports": [port for each, port in opening.ports if each == protocol]}
        sides = {"source": peer, "destination": ports} if side == "source" else {"destination": {**peer, **ports}}
        yield {"action": "Allow", "protocol": protocol, **sides}


def _expression(labels: Mapping[str, str]) -> str:
    return " && ".join(f"{key} == '{value}'" for key, value in labels.items())


def _cilium(ref: ObjectRef, opening: Opening) -> dict[str, Any]:
    word = "from" if opening.direction == "ingress" else "to"
    peer: dict[str, Any] = {f"{word}CIDR": [_block(opening.address)]}
    if opening.labels is not None:
        here = opening.namespace == ref.namespace
        elsewhere = {} if here else {"io.kubernetes.pod.namespace": opening.namespace}
        peer = {f"{word}Endpoints": [{"matchLabels": {**opening.labels, **elsewhere}}]}
    if not opening.ports:
        return peer
    entry: dict[str, Any] = {"ports": [{"port": str(port), "protocol": protocol} for protocol, port in opening.ports]}
    if opening.request is not None:
        method, path = map(literal, opening.request)
        entry["rules"] = {"http": [{"method": method, "path": path}]}
    return {**peer, "toPorts": [entry]}
