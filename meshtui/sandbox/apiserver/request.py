"""Parses path and method of a request: verb, kind, namespace, name, subresource."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from meshtui.sandbox.apiserver import errors
from meshtui.sandbox.apiserver.faults import Faults
from meshtui.sandbox.apiserver.kinds import Kind, find, group_version

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request on a kind. ``version`` is the requested API version, ``rest`` the path behind ``proxy``."""

    verb: str
    kind: Kind
    version: str
    namespace: str | None
    name: str
    subresource: str
    rest: str = ""

    @property
    def resource(self) -> str:
        """``pods`` or ``pods/log``, as RBAC rules name it."""
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural


def is_true(request: Request, name: str) -> bool:
    """Whether a query parameter is true."""
    return request.query_params.get(name, "").lower() in ("true", "1")


def parse(request: Request, faults: Faults) -> Ask:
    """Parse a path. Raises ``ApiError`` 404 if nothing is served there."""
    parts = [part for part in request.url.path.split("/") if part]
    if len(parts) > 2 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) > 3 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise errors.no_such_page()
    namespace: str | None = None
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    kind = find(group, version, rest[0])
    name = rest[1] if len(rest) > 1 else ""
    behind = ""
    if rest[2:3] == ["proxy"]:
        _, _, behind = request.url.path.partition(f"/{rest[1]}/proxy")
        rest = rest[:3]
    subresource = "/".join(rest[2:])
    if kind is None or faults.is_hidden(kind.plural) or (namespace and not kind.namespaced):
        raise errors.no_such_page()
    if kind.namespaced and name and not namespace:
        raise errors.no_such_page()
    return Ask(_verb(request, name), kind, version, namespace, name, subresource, behind)


def _verb(request: Request, name: str) -> str:
    verb = _VERBS.get(request.method)
    if verb is None:
        raise errors.ApiError(405, "the server does not allow this method on the requested resource")
    if verb == "get" and is_true(request, "watch"):
        return "watch"
    if verb == "get" and not name:
        return "list"
    if verb == "delete" and not name:
        return "deletecollection"
    return verb


def served_api_version(ask: Ask) -> str:
    """``apiVersion`` of the kind in the requested version."""
    return group_version(ask.kind.group, ask.version)
