"""Which pairs the matrix leaves to the engine, because its sets don't model what is between them."""

from __future__ import annotations

from typing import NamedTuple

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.path.waypoint import Attachment
from meshtui.engine.policy.capture import annotations_of
from meshtui.model.membership import Membership
from meshtui.model.verdict import Layer
from meshtui.model.workload import MeshMode

PROTOCOLS = ("TCP", "UDP", "SCTP")


class Left(NamedTuple):
    """Why a pair is left to the engine.

    ``layer`` is the layer that the cell names until the engine has evaluated it; ``protocols`` are those that the engine
    evaluates, the others are certain. ``singly``: each pair of classes is evaluated by itself; otherwise pairs share an
    evaluation if both ends look the same to proxies and network policies treat the pairs alike.
    """

    layer: Layer
    protocols: tuple[str, ...] = ("TCP",)
    singly: bool = False


class SourceKind(NamedTuple):
    """The properties of a source that matter before policies are read."""

    mode: MeshMode
    identified: bool
    on_host: bool
    """Whether it uses its node's network."""
    configured: bool
    """Whether the mesh's configuration determines how its proxy reaches ambient pods."""
    excludes: bool
    """Whether annotations exclude traffic from its proxy."""
    scoped: bool
    """Whether Sidecar objects may change what its sidecar reaches."""
    dual: bool
    """Whether it has several addresses."""
    by_address: bool
    """Whether policies of its own read the addresses of its peers."""
    membership: Membership | None
    """Its modes, if its labels leave them open."""


def kind_of(source: Endpoint, *, scoped: bool, by_address: bool) -> SourceKind:
    """The kind of a source."""
    pod = source.pod
    return SourceKind(
        source.mode,
        source.principal is not None,
        pod is not None and pod.host_network,
        source.is_configured_proxy,
        pod is not None and bool(annotations_of(pod)),
        scoped,
        bool(source.addresses),
        by_address,
        source.membership,
    )


def left_to_engine(
    kind: SourceKind,
    source: Endpoint,
    destination: Endpoint,
    attached: Attachment | None,
    *,
    guarded: bool,
    implicit: bool,
    by_address: bool,
) -> Left | None:
    """Why a pair is left to the engine, or None: a sidecar, a waypoint or a gateway handles its TCP (path.hops), or may.

    It depends on the source's ``kind`` only. ``attached`` is the waypoint for traffic to the destination's address. ``guarded``:
    whether the destination is a gateway's pod with policies, ``implicit``: whether istiod adds policies for its waypoints,
    ``by_address``: whether policies of the destination read addresses.
    """
    if (kind.dual or destination.addresses) and (kind.by_address or by_address):
        return Left(Layer.INGRESS_POLICY, PROTOCOLS, singly=True)
    if source.membership is not None or destination.membership is not None:
        return Left(Layer.ZTUNNEL, singly=True)
    if kind.scoped:
        return Left(Layer.SIDECAR, singly=True)
    if destination.mode is MeshMode.SIDECAR or (source.is_configured_proxy and destination.in_ambient):
        excludes = any(end.pod is not None and annotations_of(end.pod) for end in (source, destination))
        return Left(Layer.SIDECAR, singly=excludes or implicit)
    if guarded:
        return Left(Layer.GATEWAY, singly=True)
    if attached is not None and attached.gateway is not None and attached.endpoints:
        return Left(Layer.WAYPOINT, singly=implicit)
    return Left(Layer.ZTUNNEL, singly=True) if implicit else None
