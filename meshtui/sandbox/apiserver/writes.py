"""Answers create, replace, patch and delete."""

from __future__ import annotations

import copy
import json
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import Response

from meshtui.sandbox.apiserver import errors, protobuf
from meshtui.sandbox.apiserver.kinds import kind_of
from meshtui.sandbox.apiserver.merge import json_patch, merge_patch
from meshtui.sandbox.apiserver.namespaces import purge
from meshtui.sandbox.apiserver.reads import json_response, object_response, selector_of
from meshtui.sandbox.apiserver.request import Ask, is_true
from meshtui.sandbox.apiserver.scale import from_scale, to_scale
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.apiserver.strategic import strategic_merge
from meshtui.sandbox.ports import Obj

APPLY = "application/apply-patch+yaml"
_STRATEGIC = "application/strategic-merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_MERGE = "application/merge-patch+json"


async def body_of(request: Request) -> Any:
    """The request's body, JSON, YAML or protobuf; None when it is empty."""
    data = await request.body()
    if not data:
        return None
    content_type = request.headers.get("content-type", "")
    if "protobuf" in content_type:
        return protobuf.decode(data)
    try:
        return yaml.safe_load(data) if "yaml" in content_type else json.loads(data)
    except (ValueError, yaml.YAMLError) as error:
        raise errors.ApiError(400, f"the object provided is unrecognized: {error}") from error


def manager_of(request: Request) -> str:
    """The field manager: ``fieldManager``, else the program in the User-Agent."""
    named = request.query_params.get("fieldManager")
    return named or request.headers.get("user-agent", "").partition("/")[0] or "unknown"


def is_dry_run(request: Request) -> bool:
    """Whether the request is a dry run."""
    return request.query_params.get("dryRun") == "All"


def _checked(body: Any, ask: Ask) -> Obj:
    """The body as an object of the kind in the path."""
    if not isinstance(body, dict):
        raise errors.ApiError(400, "the body of the request is not an object")
    named = kind_of(body.get("apiVersion", ask.kind.api_version), body.get("kind", ask.kind.kind))
    if named is not ask.kind:
        what = f"{body.get('apiVersion')}, Kind={body.get('kind')}"
        raise errors.ApiError(
            400, f"{what} in the body does not match the kind in the path ({ask.kind.api_version}, Kind={ask.kind.kind})"
        )
    metadata = dict(body.get("metadata") or {})
    if ask.kind.namespaced:
        given = metadata.setdefault("namespace", ask.namespace)
        if ask.namespace and given != ask.namespace:
            raise errors.ApiError(
                400,
                f"the namespace of the provided object does not match the namespace sent on the request ({given} / "
                f"{ask.namespace})",
            )
    if ask.name and metadata.setdefault("name", ask.name) != ask.name:
        raise errors.ApiError(400, f"the name of the object ({metadata['name']}) does not match the name on the URL ({ask.name})")
    return body | {"metadata": metadata}


async def create(store: Store, request: Request, ask: Ask) -> Response:
    """POST of a new object."""
    obj = _checked(await body_of(request), ask)
    if ask.kind.status:
        obj.pop("status", None)
    obj["metadata"].pop("resourceVersion", None)
    made = store.create(ask.kind.plural, obj, manager_of(request), dry_run=is_dry_run(request))
    return object_response(made, request, ask, 201)


async def replace(store: Store, request: Request, ask: Ask) -> Response:
    """PUT of a whole object, its status or its scale."""
    body = await body_of(request)
    old = store.require(ask.kind.plural, ask.namespace, ask.name)
    if ask.subresource == "scale":
        return _scaled(store, request, ask, old, body)
    return _write(store, request, ask, old, _checked(body, ask))


async def patch(store: Store, request: Request, ask: Ask) -> Response:
    """PATCH in any of the four forms."""
    body = await body_of(request)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip()
    old = store.get(ask.kind.plural, ask.namespace, ask.name)
    if content_type == APPLY:
        return _apply(store, request, ask, old, _checked(body, ask))
    if old is None:
        raise errors.not_found(ask.kind, ask.name)
    if ask.subresource == "scale":
        return _scaled(store, request, ask, old, merge_patch(to_scale(ask.kind, old), body))
    return _write(store, request, ask, old, _checked(_patched(ask, old, body, content_type), ask))


def _patched(ask: Ask, old: Obj, body: Any, content_type: str) -> Any:
    if content_type == _JSON_PATCH:
        return json_patch(old, body)
    if not isinstance(body, dict):
        raise errors.ApiError(400, "a patch is an object")
    if content_type == _MERGE:
        return merge_patch(old, body)
    if content_type == _STRATEGIC and not ask.kind.custom:
        return strategic_merge(old, body)
    accepted = [_JSON_PATCH, _MERGE, APPLY] + ([] if ask.kind.custom else [_STRATEGIC])
    raise errors.ApiError(
        415,
        "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted),
    )


def _apply(store: Store, request: Request, ask: Ask, old: Obj | None, body: Obj) -> Response:
    """Server-side apply: create if absent, else merge by the patch's merge keys, and record the manager."""
    manager = request.query_params.get("fieldManager")
    if not manager:
        raise errors.ApiError(
            422, "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply patch"
        )
    body["metadata"].pop("managedFields", None)
    if old is None:
        if ask.subresource:
            raise errors.not_found(ask.kind, ask.name)
        made = store.create(ask.kind.plural, copy.deepcopy(body), manager, dry_run=is_dry_run(request))
        store.applied.remember(made["metadata"]["uid"], manager, body)
        return object_response(made, request, ask, 201)
    merged = store.applied.merged(old, manager, body, custom=ask.kind.custom)
    response = _write(store, request, ask, old, merged, operation="Apply")
    if not is_dry_run(request):
        store.applied.remember(old["metadata"]["uid"], manager, body)
    return response


def _write(store: Store, request: Request, ask: Ask, old: Obj, new: Obj, *, operation: str = "Update") -> Response:
    """Store the result of a PUT or PATCH. Status and the rest are written separately."""
    if ask.subresource == "status":
        metadata = old["metadata"] | {
            field: new["metadata"][field] for field in ("resourceVersion", "uid") if field in new["metadata"]
        }
        new = old | {"metadata": metadata, "status": new.get("status") or {}}
    elif ask.subresource:
        raise errors.no_such_page()
    elif ask.kind.status:
        new = {field: value for field, value in new.items() if field != "status"}
        new |= {"status": old["status"]} if "status" in old else {}
    stored = store.update(
        ask.kind.plural,
        copy.deepcopy(new),
        manager_of(request),
        operation=operation,
        subresource=ask.subresource,
        dry_run=is_dry_run(request),
    )
    return object_response(stored, request, ask)


def _scaled(store: Store, request: Request, ask: Ask, old: Obj, scale: Any) -> Response:
    new = from_scale(old, scale)
    stored = store.update(ask.kind.plural, new, manager_of(request), subresource="scale", dry_run=is_dry_run(request))
    return json_response(to_scale(ask.kind, stored))


async def delete(store: Store, request: Request, ask: Ask) -> Response:
    """DELETE of one object."""
    options = await body_of(request) or {}
    old = store.require(ask.kind.plural, ask.namespace, ask.name)
    _preconditions(ask, old, options)
    if is_dry_run(request) or options.get("dryRun") == ["All"]:
        return object_response(old, request, ask)
    gone = _delete(store, request, ask, old, options)
    if store.get(ask.kind.plural, ask.namespace, ask.name) is not None:
        return object_response(gone, request, ask)
    details = {"name": ask.name, "group": ask.kind.group, "kind": ask.kind.plural, "uid": old["metadata"]["uid"]}
    return json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})


async def delete_many(store: Store, request: Request, ask: Ask) -> Response:
    """DELETE of everything that a selector matches in one namespace (or cluster-wide)."""
    options = await body_of(request) or {}
    match = selector_of(request, ask)
    chosen = [obj for obj in store.list(ask.kind.plural, ask.namespace) if match is None or match(obj)]
    if not is_dry_run(request):
        for obj in chosen:
            if store.get(ask.kind.plural, obj["metadata"].get("namespace"), obj["metadata"]["name"]) is not None:
                _delete(store, request, ask, obj, options)
    metadata = {"resourceVersion": str(store.revision)}
    return json_response(
        {"kind": f"{ask.kind.kind}List", "apiVersion": ask.kind.api_version, "metadata": metadata, "items": chosen}
    )


def evict(store: Store, ask: Ask) -> Response:
    """POST of an Eviction: the pod is deleted with its own grace period."""
    pod = store.require("pods", ask.namespace, ask.name)
    store.begin_delete("pods", ask.namespace, ask.name, _grace(ask, pod, None), orphan=False)
    return json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, 201)


def _delete(store: Store, request: Request, ask: Ask, old: Obj, options: Obj) -> Obj:
    asked = options.get("gracePeriodSeconds", request.query_params.get("gracePeriodSeconds"))
    policy = options.get("propagationPolicy") or request.query_params.get("propagationPolicy")
    orphan = policy == "Orphan" or bool(options.get("orphanDependents")) or is_true(request, "orphanDependents")
    grace_s = _grace(ask, old, asked)
    metadata = old["metadata"]
    gone = store.begin_delete(ask.kind.plural, metadata.get("namespace"), metadata["name"], grace_s, orphan=orphan)
    if ask.kind.plural == "namespaces" and store.get("namespaces", None, metadata["name"]) is None:
        purge(store, metadata["name"])
    return gone


def _grace(ask: Ask, old: Obj, asked: Any) -> int | None:
    if ask.kind.plural != "pods":
        return None
    never_ran = not old["spec"].get("nodeName")
    if never_ran or (old.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    return int(asked) if asked is not None else int(old["spec"].get("terminationGracePeriodSeconds", 30))


def _preconditions(ask: Ask, old: Obj, options: Obj) -> None:
    for field, name in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        wanted = (options.get("preconditions") or {}).get(field)
        if wanted is not None and wanted != old["metadata"][field]:
            why = f"Precondition failed: {name} in precondition: {wanted}, {name} in object meta: {old['metadata'][field]}"
            raise errors.conflict(ask.kind, ask.name, why)
