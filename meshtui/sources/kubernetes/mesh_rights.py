"""What a look at the mesh's own state may ask, by access reviews before it begins."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from meshtui.model.errors import MeshtuiError
from meshtui.sources.kubernetes.api import Api, decode_with
from meshtui.sources.kubernetes.writes import Access, allowed

_CREATE_SINCE = (1, 35)
"""The version of Kubernetes since which a port-forward by WebSocket needs ``create`` too: before, ``get`` alone."""
DUMPS, STATS, SENT = "config dumps", "metrics and readiness", "what istiod has sent (/debug/syncz)"
"""What is asked, in words."""


@dataclass(frozen=True, slots=True)
class Rights:
    """The namespaces in whose pods ports may be forwarded, and pods reached through the API server's proxy.

    ``missing`` names what isn't allowed: what can't be seen, and the verb.
    """

    forward: frozenset[str]
    proxy: frozenset[str]
    missing: tuple[str, ...]


class _Version(msgspec.Struct):
    major: str = ""
    minor: str = ""


_VERSION = msgspec.json.Decoder(_Version)


async def rights(api: Api, ztunnels: Iterable[str], istiods: Iterable[str]) -> Rights:
    """Ask for the namespaces of the ztunnels and of the istiods. A right that can't be reviewed is taken to be there."""
    of_ztunnels, of_istiods = sorted(set(ztunnels)), sorted(set(istiods))
    both = sorted({*of_ztunnels, *of_istiods})
    verbs = await _verbs_of_forward(api) if both else ()
    forwarded, proxied = await asyncio.gather(
        asyncio.gather(*(_missing(api, [_access(verb, namespace, "portforward") for verb in verbs]) for namespace in both)),
        asyncio.gather(*(_missing(api, [_access("get", namespace, "proxy")]) for namespace in of_ztunnels)),
    )
    forward, proxy = dict(zip(both, forwarded, strict=True)), dict(zip(of_ztunnels, proxied, strict=True))
    missing = [
        *(f"{DUMPS}: {forward[namespace]}" for namespace in of_ztunnels if forward[namespace]),
        *(f"{STATS}: {proxy[namespace]}" for namespace in of_ztunnels if proxy[namespace]),
        *(f"{SENT}: {forward[namespace]}" for namespace in of_istiods if forward[namespace]),
    ]
    return Rights(_without(forward), _without(proxy), tuple(missing))


def _without(missing: dict[str, str]) -> frozenset[str]:
    return frozenset(namespace for namespace, words in missing.items() if not words)


def _access(verb: str, namespace: str, subresource: str) -> Access:
    return Access(verb, "pods", "", namespace, subresource)


async def _missing(api: Api, wanted: list[Access]) -> str:
    """The verbs that aren't allowed, in words, or empty."""
    may = await asyncio.gather(*(_may(api, access) for access in wanted))
    verbs = [access.verb for access, granted in zip(wanted, may, strict=True) if not granted]
    if not verbs:
        return ""
    one = wanted[0]
    return f"missing verb: {', '.join(verbs)} {one.resource}/{one.subresource} in namespace {one.namespace}"


async def _may(api: Api, access: Access) -> bool:
    try:
        return (await allowed(api, access))[0]
    except MeshtuiError:
        return True  # the request itself says why, if it is refused too


async def _verbs_of_forward(api: Api) -> tuple[str, ...]:
    """The verbs that a port-forward needs: the request is a GET, and newer servers demand ``create`` as well."""
    try:
        version = decode_with(_VERSION, await api.get("/version"))
        known = (int(version.major), int("".join(filter(str.isdecimal, version.minor))[:4]))
    except (MeshtuiError, ValueError):
        return ("get",)
    return ("get",) if known < _CREATE_SINCE else ("get", "create")
