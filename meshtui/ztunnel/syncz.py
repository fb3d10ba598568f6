"""Reads what istiod says that it has sent to each ztunnel: ``/debug/syncz`` (istio/istio pilot/pkg/xds/debug.go)."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from meshtui.model.errors import MeshtuiError
from meshtui.ztunnel.look import Sent, Synced

_ZTUNNEL = "ztunnel"
_OF_ZTUNNELS = "type.googleapis.com/istio.workload."
"""Types that only ztunnels (and waypoints) ask for."""
_LONGEST = 2000
"""The most characters of a refusal that are kept."""
_ZERO_YEAR = 1
"""The year of a time that was never set, as Go writes it."""


class SynczError(MeshtuiError):
    """The input isn't an answer of istiod's ``/debug/syncz``."""


class _Resource(msgspec.Struct, rename="camel"):
    sent: str = ""
    acked: str = ""
    sent_time: str = ""
    last_error: str = ""


class _Proxy(msgspec.Struct):
    proxy: str = ""
    proxy_type: str = ""
    istio_version: str = ""
    resources: dict[str, _Resource] | None = None


_PROXIES = msgspec.json.Decoder(list[_Proxy] | None)


def read_syncz(raw: bytes, istiod: str = "") -> tuple[Synced, ...]:
    """The ztunnels that are connected to one istiod, by name; ``istiod`` is its pod. Raises SynczError."""
    try:
        proxies = _PROXIES.decode(raw) or []
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise SynczError(f"this isn't an answer of /debug/syncz: {reason}") from error
    return tuple(sorted((_synced(each, istiod) for each in proxies if _is_ztunnel(each)), key=lambda each: each.proxy))


def _is_ztunnel(each: _Proxy) -> bool:
    if each.proxy_type:
        return each.proxy_type == _ZTUNNEL
    return any(type_url.startswith(_OF_ZTUNNELS) for type_url in each.resources or ())


def _synced(each: _Proxy, istiod: str) -> Synced:
    resources = sorted((each.resources or {}).items())
    return Synced(each.proxy, istiod, each.istio_version, tuple(_sent(type_url, resource) for type_url, resource in resources))


def _sent(type_url: str, resource: _Resource) -> Sent:
    return Sent(type_url, resource.sent, resource.acked, _time(resource.sent_time), resource.last_error[:_LONGEST])


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None and found.year > _ZERO_YEAR else None
