"""Answers watch: changes since a revision, then every change as it happens, written in batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from starlette.requests import Request

from meshtui.sandbox.apiserver import errors
from meshtui.sandbox.apiserver.reads import encode, encoded_as, selector_of, wants_table
from meshtui.sandbox.apiserver.request import Ask, is_true, served_api_version
from meshtui.sandbox.apiserver.store import Change, Entry, Store
from meshtui.sandbox.apiserver.tables import table
from meshtui.sandbox.ports import Obj

_BOOKMARK_EVERY_S = 20.0
_DEFAULT_TIMEOUT_S = 1800.0
_INITIAL_END = {"annotations": {"k8s.io/initial-events-end": "true"}}


class Watch:
    """One client's watch."""

    def __init__(self, store: Store, request: Request, ask: Ask) -> None:
        self._store = store
        self._ask = ask
        self._match = selector_of(request, ask)
        self._as_table = wants_table(request)
        self._include = request.query_params.get("includeObject", "")
        self._bookmarks = is_true(request, "allowWatchBookmarks")
        self._initial = is_true(request, "sendInitialEvents")
        self._from = _revision(request)
        self._seen = self._from
        timeout = request.query_params.get("timeoutSeconds", "")
        self._timeout_s = float(timeout) if timeout.isdigit() and int(timeout) else _DEFAULT_TIMEOUT_S
        self._subscription = store.subscribe(ask.kind.plural)
        # Read together with the subscription, without an await in between, so that no change is lost.
        self._first = self._start()

    async def lines(self) -> AsyncIterator[bytes]:
        """The watch's events, one JSON line each, in chunks."""
        if self._first:
            yield self._first
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timeout_s
        while (left := end - loop.time()) > 0:
            changes = await self._subscription.batch(min(left, _BOOKMARK_EVERY_S))
            chunk = b"".join(self._event(change) for change in changes)
            if chunk:
                yield chunk
            elif not changes and self._bookmarks:
                self._seen = self._store.revision
                yield self._bookmark({})
        if self._bookmarks:
            yield self._bookmark({})

    def _start(self) -> bytes:
        try:
            if self._initial or self._from <= 0:
                self._seen = self._store.revision
                first = b"".join(self._added(self._store.entries(self._ask.kind.plural, self._ask.namespace)))
                return first + (self._bookmark(_INITIAL_END) if self._initial else b"")
            return b"".join(self._event(change) for change in self._store.since(self._ask.kind.plural, self._from))
        except errors.ApiError as error:
            self._timeout_s = 0
            self._bookmarks = False
            return _line("ERROR", encode(error.status()))

    def _added(self, entries: Iterable[Entry]) -> Iterable[bytes]:
        for entry in entries:
            if self._match is None or self._match(entry.obj):
                yield _line("ADDED", self._body(entry))

    def _event(self, change: Change) -> bytes:
        """The event for this watch's selectors: an object that no longer matches is DELETED."""
        obj = change.entry.obj
        if self._ask.namespace and obj["metadata"].get("namespace") != self._ask.namespace:
            return b""
        self._seen = change.rv
        kind = change.type
        if self._match is not None:
            was = change.before is not None and self._match(change.before)
            is_now = change.type != "DELETED" and self._match(obj)
            if not was and not is_now:
                return b""
            kind = "MODIFIED" if was and is_now else "ADDED" if is_now else "DELETED"
        return _line(kind, self._body(change.entry))

    def _body(self, entry: Entry) -> bytes:
        if self._as_table:
            metadata = {"resourceVersion": str(entry.rv)}
            return encode(table(self._ask.kind, [entry.obj], self._include, metadata))
        return encoded_as(entry, self._ask)

    def _bookmark(self, metadata: Obj) -> bytes:
        about = {"resourceVersion": str(self._seen), "creationTimestamp": None} | metadata
        if self._as_table:
            return _line("BOOKMARK", encode(table(self._ask.kind, [], self._include, about)))
        body = {"kind": self._ask.kind.kind, "apiVersion": served_api_version(self._ask), "metadata": about}
        return _line("BOOKMARK", encode(body))


def _line(kind: str, body: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + body + b"}\n"


def _revision(request: Request) -> int:
    text = request.query_params.get("resourceVersion", "") or "0"
    if not text.isdigit():
        raise errors.ApiError(400, f'Invalid value: "{text}": resourceVersion: invalid syntax')
    return int(text)
