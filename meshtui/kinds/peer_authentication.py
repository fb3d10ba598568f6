"""PeerAuthentications."""

from __future__ import annotations

from msgspec import field

from meshtui.kinds.convert import istio_selector, meta
from meshtui.kinds.kind import ISTIO_SECURITY, ISTIO_VERSIONS, Kind, Pairs, Role
from meshtui.kinds.wire import ObjectMeta, Wire, WorkloadSelector
from meshtui.model import policy as model


class MutualTls(Wire):
    """mtls of a PeerAuthentication."""

    mode: str | None = None


class PeerAuthenticationSpec(Wire):
    """spec of a PeerAuthentication."""

    selector: WorkloadSelector | None = None
    mtls: MutualTls | None = None
    port_level_mtls: dict[str, MutualTls | None] | None = None


class PeerAuthentication(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PeerAuthenticationSpec | None = None


def peer_authentication(raw: PeerAuthentication, origin: str = "", unmodelled: tuple[str, ...] = ()) -> model.PeerAuthentication:
    """Convert a PeerAuthentication. A port-level key that isn't a number is left out, and named in ``unmodelled``."""
    spec = raw.spec or PeerAuthenticationSpec()
    ports, odd = {}, list(unmodelled)
    for port, tls in (spec.port_level_mtls or {}).items():
        if port.isdecimal():
            ports[int(port)] = (tls.mode if tls else None) or "UNSET"
        else:
            odd.append(f"spec.portLevelMtls.{port}")
    return model.PeerAuthentication(
        meta=meta("PeerAuthentication", raw.metadata, origin=origin),
        selector=istio_selector(spec.selector),
        mode=(spec.mtls.mode if spec.mtls else None) or "UNSET",
        port_modes=ports,
        unmodelled=tuple(odd),
        blank=spec.port_level_mtls == {},
    )


KINDS = (
    Kind(
        "PeerAuthentication",
        ISTIO_SECURITY,
        ISTIO_VERSIONS,
        "peerauthentications",
        "peer_authentications",
        PeerAuthentication,
        peer_authentication,
        checked=True,
        optional=True,
        role=Role.POLICY,
        pairs=Pairs.COMPARED,
        reports=True,
        unreadable={},
    ),
)
