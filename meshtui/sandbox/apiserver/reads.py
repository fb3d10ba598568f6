"""Answers get and list with stored objects or tables."""

from __future__ import annotations

import base64
import binascii
import json

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from meshtui.sandbox.apiserver import errors
from meshtui.sandbox.apiserver.request import Ask, served_api_version
from meshtui.sandbox.apiserver.selectors import Match, both, field_selector, label_selector
from meshtui.sandbox.apiserver.store import Entry, Key, Store, key_of
from meshtui.sandbox.apiserver.tables import table
from meshtui.sandbox.ports import Obj

encode = msgspec.json.Encoder().encode
JSON = "application/json"


def json_response(body: object, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(encode(body), code, headers, media_type=JSON)


def wants_table(request: Request) -> bool:
    """Whether the client (kubectl get) asks for a Table."""
    return "as=Table" in request.headers.get("accept", "")


def selector_of(request: Request, ask: Ask) -> Match | None:
    """The filter from the query's selectors and the name in the path; None if it matches everything."""
    query = request.query_params
    match = both(label_selector(query.get("labelSelector", "")), field_selector(query.get("fieldSelector", "")))
    if ask.name:
        match = both(match, lambda obj: bool(obj["metadata"]["name"] == ask.name))
    return match


def encoded_as(entry: Entry, ask: Ask) -> bytes:
    """An object's JSON in the version that the client asked for."""
    if ask.version == ask.kind.versions[0]:
        return entry.encoded
    return encode(entry.obj | {"apiVersion": served_api_version(ask)})


def object_response(obj: Obj, request: Request, ask: Ask, code: int = 200) -> Response:
    """One object, as itself or as a one-row table."""
    if wants_table(request):
        metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return json_response(table(ask.kind, [obj], request.query_params.get("includeObject", ""), metadata), code)
    return json_response(obj | {"apiVersion": served_api_version(ask)}, code)


def get(store: Store, request: Request, ask: Ask) -> Response:
    """One object."""
    entry = store.entry(ask.kind.plural, ask.namespace, ask.name)
    if entry is None:
        raise errors.not_found(ask.kind, ask.name)
    if wants_table(request):
        return object_response(entry.obj, request, ask)
    return Response(encoded_as(entry, ask), media_type=JSON)


def list_all(store: Store, request: Request, ask: Ask) -> Response:
    """A list, a page of a list, or either as a table.

    Later pages have the first page's resourceVersion, so a watch from there repeats changes made in between.
    """
    limit = _limit(request)
    revision, after = _continue(request, store, ask)
    match = selector_of(request, ask)
    chosen: list[Entry] = []
    more = False
    for entry in store.entries(ask.kind.plural, ask.namespace, after):
        if match is not None and not match(entry.obj):
            continue
        if limit and len(chosen) == limit:
            more = True
            break
        chosen.append(entry)
    metadata: Obj = {"resourceVersion": str(revision)}
    if more:
        last = key_of(chosen[-1].obj)
        metadata["continue"] = _token(revision, last)
        if match is None:  # as in Kubernetes: not counted if there is a selector
            metadata["remainingItemCount"] = sum(1 for _ in store.entries(ask.kind.plural, ask.namespace, last))
    if wants_table(request):
        include = request.query_params.get("includeObject", "")
        return json_response(table(ask.kind, (entry.obj for entry in chosen), include, metadata))
    head = encode({"kind": f"{ask.kind.kind}List", "apiVersion": served_api_version(ask), "metadata": metadata})
    items = b",".join(encoded_as(entry, ask) for entry in chosen)
    return Response(head[:-1] + b',"items":[' + items + b"]}", media_type=JSON)


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "0")
    if not text.isdigit():
        raise errors.ApiError(400, f"invalid limit: {text}")
    return int(text)


def _token(revision: int, key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps([revision, *key]).encode()).decode().rstrip("=")


def _continue(request: Request, store: Store, ask: Ask) -> tuple[int, Key | None]:
    token = request.query_params.get("continue", "")
    if not token:
        return store.revision, None
    try:
        revision, namespace, name = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError) as error:
        raise errors.ApiError(400, f"continue key is not valid: {error}") from error
    if revision < store.compacted(ask.kind.plural):
        raise errors.expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
            "without the continue parameter"
        )
    return revision, (namespace, name)
