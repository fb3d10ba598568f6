"""All requests other than GET. It checks read-only mode, requires a confirmation, and logs what was done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NewType

import msgspec

from meshtui.model.errors import NotFoundError, ReadOnlyError
from meshtui.sources.kubernetes.api import Api, NotServedError, ThrottledError, decode_with

if TYPE_CHECKING:
    from meshtui.settings import Settings

log = logging.getLogger(__name__)

_JSON = "application/json"
_APPLY = "application/apply-patch+yaml"  # JSON is YAML
_LEAST_WAIT_S = 0.5
"""The minimum delay before a retry of a request for which the server was too busy, in seconds."""
Confirmation = NewType("Confirmation", str)
"""Proof that a person (or ``--yes``) agreed, with a description. Only code that asks creates one."""


class _ReviewStatus(msgspec.Struct):
    allowed: bool
    reason: str = ""


class _Review(msgspec.Struct):
    status: _ReviewStatus


_OBJECT, _REVIEW = msgspec.json.Decoder(dict[str, Any]), msgspec.json.Decoder(_Review)


@dataclass(frozen=True, slots=True)
class Access:
    """One permission, as an access review checks it."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        """``create jobs.batch in ecom``."""
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {resource}{'.' + self.group if self.group else ''}{where}"


def read_only_reason(settings: Settings, context: str) -> str:
    """Why changes are refused in this context, or empty."""
    if settings.read_only:
        return "read-only mode"
    pattern = next((p for p in settings.read_only_contexts if fnmatchcase(context, p)), "")
    return f"the settings mark context {context!r} read-only ({pattern})" if pattern else ""


class Writes:
    """Creates and deletes objects of one cluster. Raises ReadOnlyError, ClusterError and its kin."""

    def __init__(self, api: Api, settings: Settings, *, sandbox: bool = False) -> None:
        self._api = api
        self._refusal = read_only_reason(settings, api.connection.context)
        self._may_edit = sandbox or settings.write
        self._patience_s = settings.timeouts.request_s
        self.done: list[str] = []

    def permit(self, confirmation: Confirmation | None) -> None:
        """Check that an operation outside the API (a purchase) is allowed. Raises ReadOnlyError if it isn't."""
        self._check(confirmation)

    def _check(self, confirmation: Confirmation | None) -> None:
        if self._refusal:
            raise ReadOnlyError(f"nothing is changed: {self._refusal}")
        if not confirmation:
            raise ReadOnlyError("nothing is changed without a confirmation", "answer the question, or give --yes")

    def _check_edit(self, confirmation: Confirmation | None, *, dry_run: bool) -> None:
        """Check the permission to edit.

        Objects of others also need --write. A dry run stores nothing, and is refused only in read-only mode.
        """
        if dry_run:
            if self._refusal:
                raise ReadOnlyError(f"nothing is sent: {self._refusal}")
            return
        self._check(confirmation)
        if not self._may_edit:
            raise ReadOnlyError("nothing is changed: applying needs --write", "start with --write, or set write = true")

    async def apply(
        self, path: str, obj: Mapping[str, Any], confirmation: Confirmation | None, *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Server-side apply of some fields to the object at a path; returns the server's answer.

        The fields become owned by meshtui, whoever owned them before. An outdated resourceVersion in ``obj`` is a 409.
        """
        self._check_edit(confirmation, dry_run=dry_run)
        return await self._edit("PATCH", path, obj, {"fieldManager": "meshtui", "force": "true"}, _APPLY, dry_run=dry_run)

    async def replace(
        self, path: str, obj: Mapping[str, Any], confirmation: Confirmation | None, *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Replace the object at a path; returns the server's answer. Its resourceVersion must be the current one (else 409)."""
        self._check_edit(confirmation, dry_run=dry_run)
        return await self._edit("PUT", path, obj, {"fieldManager": "meshtui"}, _JSON, dry_run=dry_run)

    async def add(
        self, path: str, obj: Mapping[str, Any], confirmation: Confirmation | None, *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Create a permanent object in the list at a path; returns the server's answer. An existing one is a 409."""
        self._check_edit(confirmation, dry_run=dry_run)
        return await self._edit("POST", path, obj, {"fieldManager": "meshtui"}, _JSON, dry_run=dry_run)

    async def remove(self, path: str, uid: str, resource_version: str, confirmation: Confirmation | None) -> None:
        """Delete an object that ``add`` created, if it wasn't changed since (else 409)."""
        self._check_edit(confirmation, dry_run=False)
        self._note("delete", path, {})
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        await self._send("DELETE", path, json={"propagationPolicy": "Background", "preconditions": preconditions})

    async def _edit(
        self,
        method: str,
        path: str,
        obj: Mapping[str, Any],
        params: Mapping[str, str],
        content_type: str,
        *,
        dry_run: bool,
    ) -> dict[str, Any]:
        if not dry_run:
            self._note({"PATCH": "apply", "PUT": "replace", "POST": "create"}[method], path, obj if method == "POST" else {})
        asked = {**params, "dryRun": "All"} if dry_run else params
        return decode_with(_OBJECT, await self._send(method, path, json=obj, params=asked, content_type=content_type))

    async def create(self, path: str, obj: Mapping[str, Any], confirmation: Confirmation | None) -> dict[str, Any]:
        """Create an object; returns the server's answer."""
        self._check(confirmation)
        self._note("create", path, obj)
        return decode_with(_OBJECT, await self._send("POST", path, json=obj, params={"fieldManager": "meshtui"}))

    async def delete(self, path: str, uid: str, confirmation: Confirmation | None, *, grace_s: int | None = None) -> bool:
        """Delete the object with this UID. Returns False if it didn't exist any more."""
        self._check(confirmation)
        self._note("delete", path, {})
        options: dict[str, Any] = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        try:
            await self._send("DELETE", path, json=options)
        except (NotServedError, NotFoundError):
            return False
        return True

    async def allowed(self, access: Access) -> tuple[bool, str]:
        """Whether meshtui has a permission (a SelfSubjectAccessReview: a POST that changes nothing)."""
        return await allowed(self._api, access)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        json: Any,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        return await _sent(self._api, self._patience_s, method, path, json=json, params=params, content_type=content_type)

    def _note(self, verb: str, path: str, obj: Mapping[str, Any]) -> None:
        name = (obj.get("metadata") or {}).get("name", "") if obj else ""
        line = f"{verb} {path}{'/' + name if name else ''}"
        self.done.append(line)
        log.info("%s", line)


async def allowed(api: Api, access: Access) -> tuple[bool, str]:
    """Whether meshtui has a permission, and the server's reason: a SelfSubjectAccessReview, a POST that changes nothing."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {
                "verb": access.verb,
                "resource": access.resource,
                "group": access.group,
                "namespace": access.namespace,
                "subresource": access.subresource,
            }
        },
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    status = decode_with(_REVIEW, await _sent(api, api.timeouts.request_s, "POST", path, json=review)).status
    return status.allowed, status.reason


async def _sent(
    api: Api,
    patience_s: float,
    method: str,
    path: str,
    *,
    json: Any,
    params: Mapping[str, str] | None = None,
    content_type: str = _JSON,
) -> bytes:
    """Send one request. If the server is too busy (429: it did nothing), retry when it allows, for a limited time."""
    while True:
        try:
            return await api.request(method, path, json=json, params=params, content_type=content_type)
        except ThrottledError as error:
            asked_s = max(1.0 if error.retry_after_s is None else error.retry_after_s, _LEAST_WAIT_S)
            patience_s -= asked_s
            if patience_s < 0:
                raise
            await asyncio.sleep(asked_s)
