"""Keeps one kind in sync with the API server: a paged list, a watch from there, and both again after a failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from meshtui.kinds import Kind, decode_json, decode_unreadable, problem, undecoded
from meshtui.model.errors import ClusterError, ForbiddenError, SessionExpiredError
from meshtui.model.ids import Uid
from meshtui.model.redact import redact
from meshtui.model.snapshot import OUT_OF_REACH, KindState, KindStatus, Problem
from meshtui.sources.kubernetes.api import Api, GoneError, NotServedError, ThrottledError, decode_with, nonsense, segment
from meshtui.sources.kubernetes.backoff import Backoff
from meshtui.sources.kubernetes.bounded import ConnectionLostError, NonsenseError, events
from meshtui.sources.kubernetes.limits import EVENT_BYTES, MESSAGE_CHARS
from meshtui.sources.kubernetes.listing import IDENTIFIED, check_amount, not_served, pages

if TYPE_CHECKING:
    from meshtui.settings import Timeouts

log = logging.getLogger(__name__)

_NOT_INSTALLED_RETRY_S, _FORBIDDEN_RETRY_S = 60.0, 30.0
_READ_AGAIN_S = 15.0
_SETTLED_S = 10.0
"""After a watch that lasted this long, the next failure starts with the shortest delay."""
_LEAST_WAIT_S = 0.5
"""The minimum delay before a retry of a request for which the server was too busy, in seconds."""
_SHORT_WATCHES = 3
"""After this many consecutive watches that end at once, it counts as a failure."""
_EVENT_TYPES = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"}
_GRACE_S = 30.0
"""How much longer than requested a watch may last, in seconds."""
Pause = Callable[[float, asyncio.Event], Awaitable[None]]
"""A function that waits some seconds, or until the event is set."""


async def pause(seconds: float, wake: asyncio.Event) -> None:
    """Wait some seconds, or until the event is set."""
    try:
        async with asyncio.timeout(seconds):  # asyncio.wait_for of Python 3.11 may lose a cancellation
            await wake.wait()
    except TimeoutError:
        return


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _ErrorStatus(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Resource(msgspec.Struct):
    name: str = ""


class _Resources(msgspec.Struct):
    resources: list[_Resource] = []


_RESOURCES = msgspec.json.Decoder(_Resources)
_EVENT, _STATUS = msgspec.json.Decoder(_Event), msgspec.json.Decoder(_ErrorStatus)


class Reflector:
    """One kind in one scope. ``objects`` and ``state`` are the result; ``changed`` is called after every change.

    A failed watch or list never empties ``objects``: they stay, and ``state`` is stale, until a new list replaces them.
    """

    def __init__(
        self,
        kind: Kind,
        api: Api,
        timeouts: Timeouts,
        changed: Callable[[], None],
        namespace: str = "",
        wait: Pause = pause,
    ) -> None:
        self.kind = kind
        self.objects: dict[Uid, Any] = {}
        self.problems: dict[Uid, Problem] = {}
        self.state = KindState(KindStatus.LOADING, scope=namespace)
        self.namespace = namespace
        self.names: tuple[str, ...] = ()
        """Objects to read by name, if the kind may not be listed."""
        self.remaining = 0
        """How many objects of the list haven't been read yet, according to the server."""
        self.seen_at: datetime | None = None
        self.api = api
        self._timeouts = timeouts
        self._changed = changed
        self._version = kind.versions[0]
        self._wake = asyncio.Event()
        self._pause = wait

    def retry_now(self) -> None:
        """End a wait for the next retry."""
        self._wake.set()

    @property
    def _path(self) -> str:
        return self.kind.path_in(self._version, self.namespace)

    async def run(self) -> None:
        """List and watch until cancelled. Errors are reported in ``state``, and retried after a delay."""
        backoff = Backoff(asyncio.get_running_loop().time)
        while True:
            self._wake.clear()  # a retry_now() during this attempt applies to the next wait
            listed = False
            try:
                resource_version = await self._list()
                listed = True
                if not self.names:
                    await self._watch(resource_version, backoff)
                backoff.succeeded()
                wait_s = _READ_AGAIN_S  # who may only get Namespaces can't watch them
            except Exception as error:  # noqa: BLE001  (the boundary of one kind: whatever a server sends, it ends nothing)
                if isinstance(error, NotServedError) and self._next_version():
                    continue
                wait_s = backoff.next_s()
                if not (listed and isinstance(error, GoneError)):  # only the history of the watch has expired
                    wait_s = self._failed(error, wait_s)
            await self._pause(wait_s, self._wake)

    async def list_once(self) -> None:
        """List once without watching, for commands. Errors are reported in ``state``."""
        patience_s = self._timeouts.request_s
        while True:
            try:
                await self._list()
            except ThrottledError as error:
                asked_s = max(1.0 if error.retry_after_s is None else error.retry_after_s, _LEAST_WAIT_S)
                patience_s -= asked_s
                if patience_s >= 0:
                    await asyncio.sleep(asked_s)
                    continue
                self._failed(error, 0)
            except Exception as error:  # noqa: BLE001  (as in run)
                if isinstance(error, NotServedError) and self._next_version():
                    continue
                self._failed(error, 0)
            return

    def _failed(self, error: Exception, backoff_s: float) -> float:
        """Report an error in ``state``. Returns the seconds to wait before the next attempt."""
        wait_s = backoff_s
        match error:
            case NotServedError() if not self.kind.optional:
                self._set(KindStatus.BROKEN, str(not_served(self.kind, error)), wait_s)
            case NotServedError():
                wait_s = _NOT_INSTALLED_RETRY_S
                self._set(KindStatus.NOT_INSTALLED, f"{self.kind.resource} isn't installed in this cluster", wait_s)
                self._forget()
            case ForbiddenError():
                wait_s = _FORBIDDEN_RETRY_S
                self._set(KindStatus.FORBIDDEN, error.message, wait_s, verb=error.verb)
                self._forget()
            case SessionExpiredError():
                self._set(KindStatus.EXPIRED, error.message, wait_s)
            case NonsenseError():
                self._set(KindStatus.BROKEN, str(error), wait_s)
            case ClusterError():
                asked = error.retry_after_s if isinstance(error, ThrottledError) else None
                wait_s = max(backoff_s, asked or 0.0)
                self._set(KindStatus.STALE if self.seen_at else KindStatus.UNREACHABLE, str(error), wait_s)
            case _:
                log.debug("reading %s", self.kind.resource, exc_info=error)
                self._set(KindStatus.BROKEN, _unexpected(error), wait_s)
        return wait_s

    def _next_version(self) -> bool:
        later = self.kind.versions[self.kind.versions.index(self._version) + 1 :]
        self._version = later[0] if later else self.kind.versions[0]
        return bool(later)

    async def _list(self) -> str:
        """Read all pages, then replace all objects at once. Returns the resourceVersion from which to watch.

        A long list waits for its turn once, not for each page: behind lists that are read again and again it would never end.
        """
        async with self.api.listing:
            return await (self._read_each() if self.names else self._read_pages())

    async def _read_pages(self) -> str:
        objects: dict[Uid, Any] = {}
        problems: dict[Uid, Problem] = {}
        resource_version = ""
        async for page in pages(self._page, self.kind.plural):
            for raw in page.items:
                self._take(raw, objects, problems)
            resource_version = page.metadata.resource_version
            self.remaining = max(0, page.metadata.remaining_item_count or 0)
            if self.state.status is KindStatus.LOADING and page.metadata.continue_:
                self.objects = dict(objects)
                self._changed()
            await asyncio.sleep(0)
        self.objects, self.problems = objects, problems
        self._synced()
        return resource_version

    async def _read_each(self) -> str:
        """Read objects by name, as far as that is allowed. Raises ForbiddenError if none of them may be read."""
        objects: dict[Uid, Any] = {}
        problems: dict[Uid, Problem] = {}
        read, refused = [], None
        for name in self.names:
            try:
                self._take(msgspec.Raw(await self.api.get(f"{self._path}/{segment(name)}")), objects, problems)
            except ForbiddenError as error:
                refused = error
            except NotServedError:
                read.append(name)  # it was seen that it doesn't exist
            else:
                read.append(name)
        if refused is not None and not read:
            raise refused
        self.objects, self.problems = objects, problems
        self._synced(", ".join(read))
        return ""

    async def _page(self, params: Mapping[str, str]) -> bytes:
        """Read one page.

        A user who may not list a kind gets 403 even if it isn't installed. Discovery, which everybody may read, distinguishes
        the two.
        """
        try:
            return await self.api.get(self._path, params)
        except ForbiddenError:
            if self.kind.optional and not await self._is_served():
                raise NotServedError(f"{self.kind.resource} isn't served") from None
            raise

    async def _is_served(self) -> bool:
        """Whether the API server's discovery has the kind. If discovery can't be read, True."""
        root = f"/apis/{self.kind.group}" if self.kind.group else "/api"
        try:
            found = decode_with(_RESOURCES, await self.api.get(f"{root}/{self._version}"))
        except NotServedError:
            return False
        except ClusterError:
            return True
        return any(resource.name == self.kind.plural for resource in found.resources)

    async def _watch(self, resource_version: str, backoff: Backoff) -> NoReturn:
        """Watch for changes, with one watch after another. Raises GoneError when the history has expired, and other errors."""
        clock, short = asyncio.get_running_loop().time, 0
        while True:
            began, opened = clock(), False
            params = {
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": resource_version,
                "timeoutSeconds": str(int(self._timeouts.watch_s)),
            }
            longest_s = self._timeouts.watch_s + _GRACE_S
            try:
                async with (
                    asyncio.timeout(longest_s),
                    self.api.stream(self._path, params, read_timeout_s=longest_s) as response,
                ):
                    opened = True
                    if self.state.status is not KindStatus.SYNCED:
                        self._synced()
                    async for line in events(response.aiter_bytes(), EVENT_BYTES, self._timeouts.request_s):
                        resource_version = self._apply(line) or resource_version
            except TimeoutError:
                pass  # the server didn't end the watch at the requested time
            except ConnectionLostError:
                if not opened:
                    raise  # no answer: the data is stale. A watch that was only interrupted is resumed
            if clock() - began > _SETTLED_S:
                backoff.succeeded()
                short = 0
                continue
            short += 1
            if short > _SHORT_WATCHES:
                raise ConnectionLostError(f"the watch of {self.kind.plural} is cut off at once, again and again")
            self._wake.clear()
            await self._pause(backoff.next_s(), self._wake)

    def _apply(self, line: bytes) -> str:
        """Apply one event and return its resourceVersion."""
        event = decode_with(_EVENT, line)
        self.seen_at = datetime.now(UTC)
        if event.type == "ERROR":
            status = decode_with(_STATUS, event.object)
            if status.code == 410:
                raise GoneError(status.message)
            raise ClusterError(f"watch of {self.kind.resource}: {redact(status.message)[:MESSAGE_CHARS]}")
        if event.type not in _EVENT_TYPES:
            raise NonsenseError(f"a watch event of type {event.type[:40]!r}: an API server sends no such thing")
        meta = decode_with(IDENTIFIED, event.object).metadata
        if event.type == "BOOKMARK":
            return meta.resource_version
        if event.type == "DELETED":
            self.objects.pop(Uid(meta.uid), None)
            self.problems.pop(Uid(meta.uid), None)
        else:
            self._take(event.object, self.objects, self.problems)
            check_amount(len(self.objects), self.kind.plural)
        if self.problems or self.state.missing:
            self.state = replace(self.state, missing=self._missing())
        self._changed()
        return meta.resource_version

    def _take(self, raw: msgspec.Raw, objects: dict[Uid, Any], problems: dict[Uid, Problem]) -> None:
        """Store one object. One that can't be decoded becomes a Problem, and the others are unaffected."""
        try:
            decoded = decode_json(self.kind, raw)
        except Exception as error:
            if isinstance(error, UnicodeError | RecursionError) or type(error) is msgspec.DecodeError:
                raise nonsense(raw, error) from error  # not JSON: nothing in this answer can be trusted
            if not isinstance(error, ValueError):
                log.debug("an object of %s", self.kind.resource, exc_info=error)
            meta, plain = decode_with(IDENTIFIED, raw).metadata, _plain(raw)
            why = problem(f"{self.kind.name} {_name(plain) or meta.uid}", ValueError(str(error)))
            problems[Uid(meta.uid)] = why
            objects.pop(Uid(meta.uid), None)
            stand_in = decode_unreadable(self.kind, plain, why)
            if stand_in is not None:
                objects[stand_in.meta.uid] = stand_in
            return
        objects[decoded.meta.uid] = decoded
        problems.pop(decoded.meta.uid, None)

    def _synced(self, scope: str = "") -> None:
        self.seen_at = datetime.now(UTC)
        self.state = KindState(KindStatus.SYNCED, scope=scope or self.namespace, missing=self._missing())
        self._changed()

    def _missing(self) -> str:
        """Why objects are missing: the first one that can't be decoded, and for which nothing stands in."""
        if self.seen_at is None:
            return "none were read yet"
        return next((undecoded(why) for uid, why in self.problems.items() if uid not in self.objects), "")

    def _forget(self) -> None:
        self.objects, self.seen_at = {}, None
        self._changed()

    def _set(self, status: KindStatus, message: str, retry_in_s: float, verb: str = "") -> None:
        now = datetime.now(UTC)
        same = self.state.status is status or {self.state.status, status} <= OUT_OF_REACH
        since = self.state.since if same and self.state.since else (self.seen_at or now)
        retry_at = now + timedelta(seconds=retry_in_s)
        missing = "" if status is KindStatus.NOT_INSTALLED else self._missing()
        self.state = KindState(status, message, verb, since, retry_at, self.namespace, missing)
        self._changed()


def _plain(raw: msgspec.Raw) -> Any:
    """An object as plain data. Raises NonsenseError."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise nonsense(raw, error) from error


def _name(plain: Any) -> str:
    """``namespace/name`` of an object, or as much of it as is there."""
    metadata = plain.get("metadata") if isinstance(plain, dict) else None
    parts = (metadata.get("namespace"), metadata.get("name")) if isinstance(metadata, dict) else ()
    return "/".join(part for part in parts if part and isinstance(part, str))


def _unexpected(error: Exception) -> str:
    """An unexpected error in one line."""
    said = redact(" ".join(str(error).split()))[:MESSAGE_CHARS]
    return f"an error in meshtui while it read this: {type(error).__name__}{': ' if said else ''}{said}"
