"""The API server as an ASGI application: authentication, authorization, and dispatch of requests."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from meshtui.sandbox.apiserver import discovery, errors, logs, openapi, podports, reads, reviews, writes
from meshtui.sandbox.apiserver.auth import Authenticator, User
from meshtui.sandbox.apiserver.errors import ApiError
from meshtui.sandbox.apiserver.faults import Faults
from meshtui.sandbox.apiserver.podlogs import PodLogFiles
from meshtui.sandbox.apiserver.rbac import Access, Authorizer
from meshtui.sandbox.apiserver.reads import json_response
from meshtui.sandbox.apiserver.request import Ask, parse
from meshtui.sandbox.apiserver.scale import to_scale
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.apiserver.streams import StreamCut, Streams
from meshtui.sandbox.apiserver.watch import Watch
from meshtui.sandbox.ports import PodPorts

_log = logging.getLogger(__name__)

VERSION = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.0-meshtui",
    "gitTreeState": "clean",
    "platform": "sandbox/any",
}
_HEALTH = ("/healthz", "/readyz", "/livez")


_WRITES = {
    "create": writes.create,
    "update": writes.replace,
    "patch": writes.patch,
    "delete": writes.delete,
    "deletecollection": writes.delete_many,
}


class FaultRequest(BaseModel):
    """The body of ``POST /_sandbox/faults``."""

    model_config = ConfigDict(extra="forbid")

    set: dict[str, object] = {}
    clear: bool = False
    cut_watches: bool = False
    compact: bool = False


@dataclass(slots=True)
class ApiApp:
    """Everything that requests need."""

    store: Store
    logs: PodLogFiles
    faults: Faults
    authenticator: Authenticator
    authorizer: Authorizer
    streams: Streams
    pods: PodPorts = field(default_factory=podports.NoPorts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Every error becomes a Status."""
        if scope["type"] == "websocket":
            await self._upgrade(scope, receive, send)
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ApiError as error:
            response = _refusal(error)
        except Exception as error:  # noqa: BLE001 - a bug must end as a 500 with a Status, not as a broken connection
            _log.exception("%s %s", request.method, request.url.path)
            response = _refusal(ApiError(500, f"Internal error occurred: {error}"))
        try:
            await response(scope, receive, send)
        except StreamCut:
            raise
        except (ConnectionError, OSError):
            _log.debug("client went away: %s", request.url.path)

    async def _upgrade(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the ports of a pod through a WebSocket. A refusal is an ordinary answer with a Status."""
        request = Request({**scope, "type": "http", "method": "GET", "scheme": "https"}, receive)
        try:
            forward = await self._forwarding(request)
        except ApiError as error:
            await podports.refuse(_refusal(error), receive, send)
            return
        await forward(receive, send)

    async def _forwarding(self, request: Request) -> podports.Forwarding:
        if self.faults.session_is_over():
            raise ApiError(401, "Unauthorized")
        user = self.authenticator.identify(request)
        ask = parse(request, self.faults)
        if delay_s := self.faults.delay_for(ask.kind.plural):
            await asyncio.sleep(delay_s)
        self.faults.trip(ask.kind.plural)
        verb = podports.verb_to_upgrade(VERSION) if ask.resource == "pods/portforward" else ask.verb
        self.authorizer.demand(user, Access(verb, ask.kind.group, ask.resource, ask.namespace or "", ask.name))
        if ask.resource != "pods/portforward":
            raise errors.no_such_page()
        return podports.forwarding(self.store, self.pods, request, ask)

    async def _answer(self, request: Request) -> ASGIApp:
        path = request.url.path.rstrip("/") or "/"
        if path in _HEALTH or path.startswith(tuple(f"{root}/" for root in _HEALTH)):
            return Response("ok", media_type="text/plain")
        if path == "/version":
            return json_response(VERSION)
        if self.faults.session_is_over():
            raise ApiError(401, "Unauthorized")
        user = self.authenticator.identify(request)
        if path == "/_sandbox/faults":
            return await self._set_faults(request, user)
        found = self._meta(request, path)
        if found is not None:
            return found
        review = await self._review(request, path, user)
        return review if review is not None else await self._resource(request, user)

    def _meta(self, request: Request, path: str) -> Response | None:
        """Discovery and OpenAPI, which every authenticated user may read."""
        if path in ("/api", "/apis"):
            if "APIGroupDiscoveryList" in request.headers.get("accept", ""):
                body = reads.encode(discovery.aggregated(path == "/api", self.faults))
                return Response(body, media_type=discovery.AGGREGATED)
            address = f"{request.url.hostname}:{request.url.port}"
            is_core = path == "/api"
            return json_response(discovery.api_versions(address) if is_core else discovery.group_list(self.faults))
        if path == "/openapi/v2":
            return json_response(openapi.v2())
        if path == "/openapi/v3":
            return json_response(openapi.index(self.faults))
        found: dict[str, object] | None = None
        parts = path.strip("/").split("/")
        if path.startswith("/openapi/v3/"):
            found = openapi.document("/".join(parts[2:]), self.faults)
        elif parts[0] == "apis" and len(parts) == 2:
            found = discovery.one_group(parts[1], self.faults)
        elif parts[0] == "apis" and len(parts) == 3:
            found = discovery.resource_list(parts[1], parts[2], self.faults)
        elif parts[0] == "api" and len(parts) == 2:
            found = discovery.resource_list("", parts[1], self.faults)
        elif path == "/":
            found = {"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]}
        return None if found is None else json_response(found)

    async def _review(self, request: Request, path: str, user: User) -> Response | None:
        parts = path.strip("/").split("/")
        if request.method != "POST" or len(parts) != 4 or (parts[1], parts[3]) not in reviews.REVIEWS:
            return None
        body = await writes.body_of(request) or {}
        if parts[3] == "selfsubjectaccessreviews":
            answer = reviews.access_review(body, user, self.authorizer)
        elif parts[3] == "selfsubjectrulesreviews":
            answer = reviews.rules_review(body, user, self.authorizer)
        else:
            answer = reviews.self_review(body, user)
        defaults = {"kind": reviews.REVIEWS[parts[1], parts[3]], "apiVersion": f"{parts[1]}/v1"}
        return json_response(defaults | answer, 201)

    async def _resource(self, request: Request, user: User) -> ASGIApp:
        ask = parse(request, self.faults)
        plural = ask.kind.plural
        if delay_s := self.faults.delay_for(plural):
            await asyncio.sleep(delay_s)
        self.faults.trip(plural)
        self.authorizer.demand(user, Access(ask.verb, ask.kind.group, ask.resource, ask.namespace or "", ask.name))
        if ask.resource == "pods/proxy":
            return await podports.proxy(self.store, self.pods, request, ask)
        if ask.verb == "watch":
            return self.streams.open(Watch(self.store, request, ask).lines(), reads.JSON)
        if ask.subresource not in ("", "status", "scale"):
            return await self._subresource(request, ask)
        if ask.verb in ("get", "list"):
            return self._read(request, ask)
        on_collection = ask.verb in ("create", "deletecollection")
        if on_collection == bool(ask.name):
            raise ApiError(405, "the server does not allow this method on the requested resource")
        return await _WRITES[ask.verb](self.store, request, ask)

    def _read(self, request: Request, ask: Ask) -> Response:
        if ask.verb == "list":
            return reads.list_all(self.store, request, ask)
        if ask.subresource == "scale":
            return json_response(to_scale(ask.kind, self.store.require(ask.kind.plural, ask.namespace, ask.name)))
        return reads.get(self.store, request, ask)

    async def _subresource(self, request: Request, ask: Ask) -> ASGIApp:
        which = (ask.resource, ask.verb)
        if which == ("pods/log", "get"):
            return logs.pod_log(self.store, self.logs, self.streams, request, ask)
        if ask.resource == "pods/portforward" and ask.verb in {"get", "create"}:
            raise ApiError(400, "Upgrade request required")
        if which == ("pods/eviction", "create"):
            return writes.evict(self.store, ask)
        if which == ("serviceaccounts/token", "create"):
            body = await writes.body_of(request) or {}
            namespace = ask.namespace or ""
            made = reviews.token_request(body, namespace, ask.name, self.store, self.authenticator.tokens)
            return json_response(made, 201)
        raise errors.no_such_page()

    async def _set_faults(self, request: Request, user: User) -> Response:
        if not user.is_admin:
            raise ApiError(403, f'User "{user.name}" cannot set faults')
        if request.method == "POST":
            try:
                wanted = FaultRequest.model_validate(await writes.body_of(request) or {})
                if wanted.clear:
                    self.faults.clear()
                self.faults.set(**wanted.set)
            except ValidationError as error:
                raise ApiError(400, str(error)) from error
            if wanted.compact:
                self.faults.compact()
            if wanted.cut_watches:
                self.faults.cut_watches()
        return json_response(self.faults.switches.model_dump())


def _refusal(error: ApiError) -> Response:
    headers = {}
    if error.code == 429:
        headers["Retry-After"] = str((error.details or {}).get("retryAfterSeconds", 1))
    return json_response(error.status(), error.code, headers)
