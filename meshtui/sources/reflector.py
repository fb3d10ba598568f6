"""Keeps one kind in step with the API server: list in pages, watch from there, and again when that breaks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from meshtui.model.errors import ClusterError, ForbiddenError, SessionExpiredError
from meshtui.model.ids import Uid
from meshtui.model.snapshot import KindState, KindStatus, Problem
from meshtui.sources.api import PAGE, Api, ConnectionLostError, GoneError, NotServedError, ThrottledError, decode_with, segment
from meshtui.sources.decode import Kind, decode_json, decode_unreadable, problem

if TYPE_CHECKING:
    from meshtui.settings import Timeouts

_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.5, 30.0
_NOT_INSTALLED_RETRY_S, _FORBIDDEN_RETRY_S = 60.0, 30.0
_READ_AGAIN_S = 15.0
_SETTLED_S = 10.0
"""A watch that lasted this long was a good one: the next failure starts with the shortest wait again."""


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _ErrorStatus(msgspec.Struct):
    code: int = 0
    message: str = ""


class _BookmarkMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    uid: str = ""


class _Bookmark(msgspec.Struct):
    metadata: _BookmarkMeta


class _Resource(msgspec.Struct):
    name: str = ""


class _Resources(msgspec.Struct):
    resources: list[_Resource] = []


_RESOURCES = msgspec.json.Decoder(_Resources)
_LIST, _EVENT = msgspec.json.Decoder(_List), msgspec.json.Decoder(_Event)
_STATUS, _BOOKMARK = msgspec.json.Decoder(_ErrorStatus), msgspec.json.Decoder(_Bookmark)


class Reflector:
    """One kind in one scope. ``objects`` and ``state`` are its answer; ``changed`` is called after every change.

    A broken watch or list never empties ``objects``: they stay, marked stale since when, until a new list replaces them.
    """

    def __init__(self, kind: Kind, api: Api, timeouts: Timeouts, changed: Callable[[], None], namespace: str = "") -> None:
        self.kind = kind
        self.objects: dict[Uid, Any] = {}
        self.problems: dict[Uid, Problem] = {}
        self.state = KindState(KindStatus.LOADING, scope=namespace)
        self.namespace = namespace
        self.names: tuple[str, ...] = ()
        """Objects to read one by one, where the kind may not be listed."""
        self.seen_at: datetime | None = None
        self.api = api
        self._timeouts = timeouts
        self._changed = changed
        self._version = kind.versions[0]
        self._wake = asyncio.Event()

    def retry_now(self) -> None:
        """Cut a wait short."""
        self._wake.set()

    @property
    def _path(self) -> str:
        return self.kind.path_in(self._version, self.namespace)

    async def run(self) -> None:
        """List and watch until cancelled."""
        backoff_s = _FIRST_BACKOFF_S
        while True:
            self._wake.clear()  # a wish to retry that comes while this try is under way counts for the next
            started = asyncio.get_running_loop().time()
            try:
                await self._watch(await self._list())
                wait_s = 0.0
            except GoneError:
                wait_s = 0.0
            except ClusterError as error:
                if isinstance(error, NotServedError) and self._next_version():
                    continue
                wait_s = self._failed(error, backoff_s * random.uniform(0.5, 1.0))  # noqa: S311  (jitter)
            lasted_s = asyncio.get_running_loop().time() - started
            backoff_s = _FIRST_BACKOFF_S if lasted_s > _SETTLED_S or wait_s == 0 else min(backoff_s * 2, _LONGEST_BACKOFF_S)
            if wait_s == 0 and lasted_s < 0.2:
                wait_s = 0.2  # a watch that ends at once must not become a busy loop
            await self._wait(wait_s)

    async def list_once(self) -> None:
        """List without watching: for commands that don't stay. What goes wrong stands in ``state``."""
        patience_s = self._timeouts.request_s
        while True:
            try:
                await self._list()
            except ThrottledError as error:
                asked_s = 1.0 if error.retry_after_s is None else error.retry_after_s
                patience_s -= max(asked_s, 0.1)
                if patience_s >= 0:
                    await asyncio.sleep(asked_s)
                    continue
                self._failed(error, 0)
            except NotServedError as error:
                if self._next_version():
                    continue
                self._failed(error, 0)
            except ClusterError as error:
                self._failed(error, 0)
            return

    def _failed(self, error: ClusterError, backoff_s: float) -> float:
        """Note what went wrong; the seconds to wait before the next try."""
        match error:
            case NotServedError():
                wait_s = _NOT_INSTALLED_RETRY_S
                self._set(KindStatus.NOT_INSTALLED, f"{self.kind.resource} isn't installed in this cluster", wait_s)
                self._forget()
            case ForbiddenError():
                wait_s = _FORBIDDEN_RETRY_S
                self._set(KindStatus.FORBIDDEN, error.message, wait_s, verb=error.verb)
                self._forget()
            case SessionExpiredError():
                wait_s = backoff_s
                self._set(KindStatus.EXPIRED, error.message, wait_s)
            case _:
                asked = error.retry_after_s if isinstance(error, ThrottledError) else None
                wait_s = backoff_s if asked is None else asked
                self._set(KindStatus.STALE if self.seen_at else KindStatus.UNREACHABLE, str(error), wait_s)
        return wait_s

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):  # wait_for of Python 3.11 may swallow a cancellation
                await self._wake.wait()
        except TimeoutError:
            return

    def _next_version(self) -> bool:
        later = self.kind.versions[self.kind.versions.index(self._version) + 1 :]
        self._version = later[0] if later else self.kind.versions[0]
        return bool(later)

    async def _list(self) -> str:
        """Read all pages, then replace the objects at once; the resourceVersion to watch from."""
        if self.names:
            return await self._read_each()
        objects: dict[Uid, Any] = {}
        problems: dict[Uid, Problem] = {}
        params = {"limit": str(PAGE)}
        while True:
            page = decode_with(_LIST, await self._page(params))
            for raw in page.items or ():
                self._take(raw, objects, problems)
            if not page.metadata.continue_:
                break
            params["continue"] = page.metadata.continue_
            if self.state.status is KindStatus.LOADING:
                self.objects = dict(objects)
                self._changed()
            await asyncio.sleep(0)
        self.objects, self.problems = objects, problems
        self._synced()
        return page.metadata.resource_version

    async def _read_each(self) -> str:
        """Read the named objects, as far as that is allowed. Raises ForbiddenError when none of them may be read."""
        objects: dict[Uid, Any] = {}
        problems: dict[Uid, Problem] = {}
        read, refused = [], None
        for name in self.names:
            try:
                self._take(msgspec.Raw(await self.api.get(f"{self._path}/{segment(name)}")), objects, problems)
            except ForbiddenError as error:
                refused = error
            except NotServedError:
                read.append(name)  # seen not to be there
            else:
                read.append(name)
        if refused is not None and not read:
            raise refused
        self.objects, self.problems = objects, problems
        self._synced(", ".join(read))
        return ""

    async def _page(self, params: dict[str, str]) -> bytes:
        """One page. Who may not list a kind gets 403 even where it isn't installed: discovery, open to everybody, tells."""
        try:
            return await self.api.get(self._path, params)
        except ForbiddenError:
            if self.kind.optional and not await self._is_served():
                raise NotServedError(f"{self.kind.resource} isn't served") from None
            raise

    async def _is_served(self) -> bool:
        """Whether the API server lists the kind in its discovery (where that can't be read: as if it did)."""
        root = f"/apis/{self.kind.group}" if self.kind.group else "/api"
        try:
            found = decode_with(_RESOURCES, await self.api.get(f"{root}/{self._version}"))
        except NotServedError:
            return False
        except ClusterError:
            return True
        return any(resource.name == self.kind.plural for resource in found.resources)

    async def _watch(self, resource_version: str) -> None:
        """Follow changes until the server ends the watch; raises GoneError when the history is gone."""
        if self.names:
            await self._wait(_READ_AGAIN_S)  # a watch of one Namespace is not for who may only get it
            return
        while True:
            started = asyncio.get_running_loop().time()
            params = {
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": resource_version,
                "timeoutSeconds": str(int(self._timeouts.watch_s)),
            }
            opened = False
            try:
                async with self.api.stream(self._path, params, read_timeout_s=self._timeouts.watch_s + 30) as response:
                    opened = True
                    if self.state.status is not KindStatus.SYNCED:
                        self._synced()
                    async for line in _lines(response.aiter_bytes()):
                        resource_version = self._apply(line) or resource_version
            except ConnectionLostError:
                if not opened:
                    raise  # nobody answers: that is stale; a watch that was merely cut off is resumed where it was
            if asyncio.get_running_loop().time() - started < 1.0:
                await asyncio.sleep(0.5)  # cut at once: give the server a moment

    def _apply(self, line: bytes) -> str:
        """One event; the resourceVersion that it carries."""
        event = decode_with(_EVENT, line)
        self.seen_at = datetime.now(UTC)
        if event.type == "ERROR":
            status = decode_with(_STATUS, event.object)
            if status.code == 410:
                raise GoneError(status.message)
            raise ClusterError(f"watch of {self.kind.resource}: {status.message}")
        meta = decode_with(_BOOKMARK, event.object).metadata
        if event.type == "BOOKMARK":
            return meta.resource_version
        if event.type == "DELETED":
            self.objects.pop(Uid(meta.uid), None)
            self.problems.pop(Uid(meta.uid), None)
        else:
            self._take(event.object, self.objects, self.problems)
        self._changed()
        return meta.resource_version

    def _take(self, raw: msgspec.Raw, objects: dict[Uid, Any], problems: dict[Uid, Problem]) -> None:
        try:
            decoded = decode_json(self.kind, raw)
        except ValueError as error:
            meta = decode_with(_BOOKMARK, raw).metadata
            why = problem(f"{self.kind.name} {meta.uid}", ValueError(str(error)))
            problems[Uid(meta.uid)] = why
            objects.pop(Uid(meta.uid), None)
            stand_in = decode_unreadable(self.kind, msgspec.json.decode(raw), why)
            if stand_in is not None:
                objects[stand_in.meta.uid] = stand_in
            return
        objects[decoded.meta.uid] = decoded
        problems.pop(decoded.meta.uid, None)

    def _synced(self, scope: str = "") -> None:
        self.seen_at = datetime.now(UTC)
        self.state = KindState(KindStatus.SYNCED, scope=scope or self.namespace)
        self._changed()

    def _forget(self) -> None:
        self.objects, self.seen_at = {}, None
        self._changed()

    def _set(self, status: KindStatus, message: str, retry_in_s: float, verb: str = "") -> None:
        now = datetime.now(UTC)
        since = self.state.since if self.state.status is status and self.state.since else (self.seen_at or now)
        retry_at = now + timedelta(seconds=retry_in_s)
        self.state = KindState(status, message, verb, since, retry_at, self.namespace)
        self._changed()


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines of a stream: only newlines separate watch events, whatever else their strings hold."""
    pending = b""
    async for chunk in chunks:
        *complete, pending = (pending + chunk).split(b"\n")
        for line in complete:
            if line.strip():
                yield line
