"""Read-only evidence of a running bookstore, for findings: books, stock, the pod spec and the logs. Nothing is bought."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_reference
from meshtui.engine.path.relations import workload_of
from meshtui.journeys.bookstore.observed import Evidence
from meshtui.journeys.bookstore.shop import find_gateway, shop_client
from meshtui.model.errors import MeshtuiError, UsageError
from meshtui.model.flow import EndpointKind
from meshtui.model.workload import Pod
from meshtui.settings import Settings
from meshtui.sources.kubernetes.api import Api, segment

_TAIL = "2000"
_SHOWN = 3
"""The maximum number of log lines of each kind in the evidence."""
_ORDER = re.compile(r"order created\b.*\breserve_calls=(\d+)")
_REFUSED = re.compile(r"POST \S*/reserve\b.*\bcause=http_400\b")
_INVALID = "Invalid HTTP request received"
"""The text that uvicorn logs for a request that isn't HTTP/1.1."""


async def gather(api: Api, settings: Settings, engine: Engine) -> Evidence | None:
    """Observe the bookstore without changing anything; None when its shop isn't in the cluster.

    Doesn't raise for what can't be observed: the field is None, and the reason is in ``problems``.
    """
    shop = _pods_of(engine, settings.checkout.client)
    if not shop:
        return None
    inventory = _pods_of(engine, settings.checkout.server)
    books, stock, problems = await _ids(settings, engine)
    shop_log, inventory_log = await asyncio.gather(_logs(api, shop), _logs(api, inventory))
    problems += [
        f"the log of {names} can't be read"
        for names, log in (("the shop", shop_log), ("inventory", inventory_log))
        if log is None
    ]
    orders = None if shop_log is None else [line for line in shop_log if _ORDER.search(line)]
    refused = None if shop_log is None else [line for line in shop_log if _REFUSED.search(line)]
    invalid = None if inventory_log is None else [line for line in inventory_log if _INVALID in line]
    lines = [line for several in (orders, refused, invalid) for line in (several or [])[-_SHOWN:]]
    return Evidence(
        books,
        stock,
        shop[0].images[0] if shop[0].images else "",
        shop[0].env.get("INVENTORY_SERVICE_URL", ""),
        None if orders is None else len(orders),
        None if orders is None else sum(int(found[1]) for line in orders if (found := _ORDER.search(line))),
        None if invalid is None else len(invalid),
        None if refused is None else len(refused),
        tuple(lines),
        tuple(problems),
    )


def _pods_of(engine: Engine, reference: str) -> list[Pod]:
    """The running pods that a setting names; empty when it matches nothing in this cluster."""
    try:
        endpoint, _ = parse_reference(reference)
        if endpoint.kind is EndpointKind.SERVICE:
            service = engine.resolver.service_of(endpoint)
            return engine.resolver.backends(service) if service is not None else []
        return [pod for pod in workload_of(engine.snapshot, endpoint).pods if not pod.completed]
    except UsageError:
        return []


async def _ids(settings: Settings, engine: Engine) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None, list[str]]:
    """The ids that the shop and inventory list, requested through the gateway."""
    checkout = settings.checkout
    try:
        gateway = await find_gateway(settings, engine)
    except MeshtuiError as error:
        return None, None, [str(error)]
    shop = shop_client(gateway, settings)
    problems: list[str] = []

    async def ids(path: str, name: str) -> tuple[str, ...] | None:
        answer = await shop.request("GET", path)
        found = _values(answer.body, name) if answer.ok else None
        if found is None:
            problems.append(f"GET {path} answers {answer.status or answer.cause}")
        return found

    try:
        books = await ids(f"{checkout.cart_path.rpartition('/')[0]}/books", "id")
        stock = await ids(checkout.stock_path.partition("/{")[0], "book_id")
    finally:
        await shop.close()
    return books, stock, problems


def _values(body: Any, name: str) -> tuple[str, ...] | None:
    """The ids in a list of objects, or None for another answer."""
    if not isinstance(body, list) or not all(isinstance(item, dict) for item in body):
        return None
    return tuple(str(item.get(name) or item.get("book_id") or item.get("id") or "") for item in body)


async def _logs(api: Api, pods: Sequence[Pod]) -> list[str] | None:
    """The last lines of some pods' logs; None when none of them can be read."""
    found: list[str] | None = None
    for pod in pods:
        path = f"/api/v1/namespaces/{segment(pod.namespace)}/pods/{segment(pod.name)}/log"
        try:
            text = await api.get(path, {"tailLines": _TAIL})
        except MeshtuiError:
            continue
        found = (found or []) + text.decode(errors="replace").splitlines()
    return found
