"""OpenAPI v3, as far as kubectl reads it: the patches and parameters of a kind, and schemas for ``explain``.

Strategic merge patches are omitted on purpose: kubectl then computes them from its built-in types, which have all merge keys,
instead of from these short schemas.
"""

from __future__ import annotations

from typing import Any

from meshtui.sandbox.apiserver.discovery import visible
from meshtui.sandbox.apiserver.faults import Faults
from meshtui.sandbox.apiserver.kinds import Kind

Json = dict[str, Any]

_ANYTHING: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _root(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def index(faults: Faults) -> Json:
    """The answer at ``/openapi/v3``."""
    roots = [_root(group, version) for group, versions in visible(faults).items() for version in versions]
    return {"paths": {root: {"serverRelativeURL": f"/openapi/v3/{root}"} for root in roots}}


def document(root: str, faults: Faults) -> Json | None:
    """The answer at ``/openapi/v3/api/v1`` and ``/openapi/v3/apis/GROUP/VERSION``; None when it isn't served."""
    for group, versions in visible(faults).items():
        for version, kinds in versions.items():
            if _root(group, version) == root:
                return _document(root, group, version, kinds)
    return None


def _document(root: str, group: str, version: str, kinds: list[Kind]) -> Json:
    paths: Json = {}
    schemas: Json = {}
    for kind in kinds:
        gvk = {"group": group, "version": version, "kind": kind.kind}
        reference = f"{group or 'core'}.{version}.{kind.kind}"
        scope = "namespaces/{namespace}/" if kind.namespaced else ""
        paths[f"/{root}/{scope}{kind.plural}/{{name}}"] = _path(gvk, reference)
        schemas[reference] = _schema(kind, gvk)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.32.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _path(gvk: Json, reference: str) -> Json:
    names = ("dryRun", "fieldManager", "fieldValidation")
    parameters = [{"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}} for name in names]
    schema = {"schema": {"$ref": f"#/components/schemas/{reference}"}}
    common = {"x-kubernetes-group-version-kind": gvk, "responses": {"200": {"description": "OK"}}}
    patches = {kind: {"schema": _ANYTHING} for kind in ("application/merge-patch+json", "application/json-patch+json")}
    answer = {"200": {"description": "OK", "content": {"application/json": schema}}}
    return {
        "get": common | {"responses": answer, "x-kubernetes-action": "get"},
        "patch": common | {"parameters": parameters, "requestBody": {"content": patches}, "x-kubernetes-action": "patch"},
        "put": common
        | {
            "parameters": parameters,
            "requestBody": {"content": {"application/json": schema}},
            "x-kubernetes-action": "put",
        },
    }


def _schema(kind: Kind, gvk: Json) -> Json:
    properties: Json = {
        "apiVersion": {"type": "string", "description": "The version of this object's schema."},
        "kind": {"type": "string", "description": "The type of this object."},
        "metadata": _ANYTHING | {"description": "Name, namespace, labels, annotations."},
        "spec": _ANYTHING | {"description": "What is wanted."},
    }
    if kind.status:
        properties["status"] = _ANYTHING | {"description": "What is the case."}
    return {
        "type": "object",
        "description": f"{kind.kind}, as the sandbox stores it.",
        "properties": properties,
        "x-kubernetes-group-version-kind": [gvk],
        "x-kubernetes-preserve-unknown-fields": True,
    }


def v2() -> Json:
    """The answer at ``/openapi/v2``: a document without paths and schemas."""
    return {"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.32.0"}, "paths": {}, "definitions": {}}
