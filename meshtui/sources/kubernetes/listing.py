"""Reads lists of the API server in pages, within limits, and checks their structure."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec

from meshtui.kinds import Kind, decode_json
from meshtui.sources.kubernetes.api import PAGE, Api, NotServedError, decode_with, nonsense, segment
from meshtui.sources.kubernetes.bounded import NonsenseError
from meshtui.sources.kubernetes.limits import LIST_BYTES, LIST_OBJECTS, LIST_PAGES, size


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")
    remaining_item_count: int | None = None
    """The number of objects on the following pages, if the server counts them."""


class Page(msgspec.Struct):
    """One page of a list. ``items`` may be empty, but must not be missing or null."""

    metadata: _ListMeta
    items: list[msgspec.Raw]


class Identity(msgspec.Struct):
    """The metadata that every object of an API server has."""

    name: str = ""
    uid: str = ""
    resource_version: str = msgspec.field(default="", name="resourceVersion")


class Identified(msgspec.Struct):
    """An object of which only the identity is decoded."""

    metadata: Identity


_PAGE, IDENTIFIED = msgspec.json.Decoder(Page), msgspec.json.Decoder(Identified)


async def pages(fetch: Callable[[Mapping[str, str]], Awaitable[bytes]], plural: str) -> AsyncIterator[Page]:
    """The pages of one list; ``fetch`` requests each with its parameters.

    Raises NonsenseError if the answer isn't a list, has no resourceVersion, or never ends.
    """
    params, seen, received, objects = {"limit": str(PAGE)}, set[str](), 0, 0
    while True:
        raw = await fetch(params)
        page = decode_with(_PAGE, raw)
        received += len(raw)
        objects += len(page.items)
        if not page.metadata.resource_version:
            raise NonsenseError(f"the list of {plural} has no resourceVersion: this isn't an answer of an API server")
        if received > LIST_BYTES:
            raise NonsenseError(f"the list of {plural} has more than {size(LIST_BYTES)}")
        check_amount(objects, plural)
        yield page
        token = page.metadata.continue_
        if not token:
            return
        if token in seen or len(seen) >= LIST_PAGES:
            often = "begins again" if token in seen else f"has more than {LIST_PAGES} pages"
            raise NonsenseError(f"the list of {plural} never ends: it {often}")
        seen.add(token)
        params = {**params, "continue": token}


def check_amount(objects: int, plural: str) -> None:
    """Raise NonsenseError if there are too many objects of one kind."""
    if objects > LIST_OBJECTS:
        raise NonsenseError(f"there are more than {LIST_OBJECTS:,} {plural}: meshtui doesn't keep so many")


async def read_list(api: Api, kind: Kind, params: Mapping[str, str], namespace: str = "") -> list[Any]:
    """All objects of a kind that is always installed. Objects that can't be decoded are left out. Raises ClusterError."""
    path = kind.path_in(kind.versions[0], segment(namespace)) if namespace else kind.path
    found: list[Any] = []
    try:
        async for page in pages(lambda asked: api.get(path, {**params, **asked}), kind.plural):
            for raw in page.items:
                decode_with(IDENTIFIED, raw)
                try:
                    found.append(decode_json(kind, raw))
                except msgspec.ValidationError:
                    continue
                except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                    raise nonsense(raw, error) from error
    except NotServedError as error:
        raise not_served(kind, error) from error
    return found


async def read_first(api: Api, kind: Kind, most: int) -> list[Any]:
    """The first objects of a kind, up to a number. Objects that can't be decoded are left out. Raises ClusterError."""
    page = decode_with(_PAGE, await api.get(kind.path, {"limit": str(most)}))
    found: list[Any] = []
    for raw in page.items[:most]:
        with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
            found.append(decode_json(kind, raw))
    return found


async def read_all(api: Api, kind: Kind, path: str) -> list[Any]:
    """All objects of a kind at a path, for callers that need every one of them. Raises ClusterError, NotServedError."""
    found: list[Any] = []
    async for page in pages(lambda asked: api.get(path, asked), kind.plural):
        for raw in page.items:
            try:
                found.append(decode_json(kind, raw))
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                raise nonsense(raw, error) from error
    return found


async def read_object(api: Api, kind: Kind, path: str) -> Any:
    """One object of a kind. Raises ClusterError."""
    raw = await api.get(path)
    try:
        return decode_json(kind, raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise nonsense(raw, error) from error


def not_served(kind: Kind, error: NotServedError) -> NonsenseError:
    """The error for a 404 on a path that every API server has."""
    return NonsenseError(
        f"HTTP 404 for {kind.plural}, which every API server has: {error.message}", "is there a proxy or a login page in between?"
    )
