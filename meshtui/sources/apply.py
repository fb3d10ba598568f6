"""Changes of live objects: prepared from what is there now, tried by the server, applied, undone (docs/adr/0004)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from meshtui.model.errors import ClusterError, ForbiddenError, NotFoundError, ReadOnlyError, UsageError
from meshtui.model.finding import Change, Operation
from meshtui.model.ids import ObjectRef
from meshtui.sources.api import Api, segment
from meshtui.sources.changes import changed, diff_of, written
from meshtui.sources.decode import KINDS
from meshtui.sources.writes import Confirmation, Writes


class ConflictError(ClusterError):
    """Somebody changed the object in between."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One change on the object as it is now. ``before`` is None where it creates one; ``said`` is the server's refusal.

    ``tried`` tells whether the server looked at it (a dry run); where it may not be asked, ``said`` says so.
    """

    change: Change
    path: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]
    diff: str
    tried: bool = False
    said: str = ""

    @property
    def ref(self) -> ObjectRef:
        """The object."""
        return self.change.ref


@dataclass(frozen=True, slots=True)
class Applied:
    """A change that was made: the object before it (None: it wasn't there) and after it, as the server has them."""

    ref: ObjectRef
    path: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


def path_of(ref: ObjectRef) -> str:
    """Where the API server has an object. Raises UsageError for a kind that meshtui doesn't know."""
    return f"{_list_path(ref)}/{segment(ref.name)}"


def _list_path(ref: ObjectRef) -> str:
    kind = KINDS.get(ref.kind)
    if kind is None:
        raise UsageError(f"{ref.kind} is a kind that meshtui doesn't read")
    return kind.path_in(kind.versions[0], segment(ref.namespace))


async def prepare(api: Api, writes: Writes, change: Change) -> Prepared:
    """The change on the object as it is now, and what the server says to it. Raises ClusterError, ChangeError."""
    path = path_of(change.ref)
    before = None if change.create is not None else await api.get_object(path)
    after = changed(before or {}, change)
    diff = diff_of(written(before) if before else {}, written(after), str(change.ref))
    made = Prepared(change, path, before, after, diff)
    try:
        await _send(writes, made, None, dry_run=True)
    except (ForbiddenError, ReadOnlyError) as error:
        return Prepared(change, path, before, after, diff, tried=False, said=str(error))
    except ClusterError as error:
        return Prepared(change, path, before, after, diff, tried=True, said=str(error))
    return Prepared(change, path, before, after, diff, tried=True)


async def apply(writes: Writes, prepared: Prepared, confirmation: Confirmation) -> Applied:
    """Make the change, if the object still is as it was. Raises ConflictError, ClusterError, ReadOnlyError."""
    after = await _send(writes, prepared, confirmation, dry_run=False)
    return Applied(prepared.ref, prepared.path, prepared.before, after)


async def _send(writes: Writes, prepared: Prepared, confirmation: Confirmation | None, *, dry_run: bool) -> dict[str, Any]:
    change, before = prepared.change, prepared.before
    try:
        if before is None:
            return await writes.add(_list_path(change.ref), prepared.after, confirmation, dry_run=dry_run)
        if _is_of_fields(change.operations):
            return await writes.apply(prepared.path, _fields(before, change.operations), confirmation, dry_run=dry_run)
        return await writes.replace(prepared.path, prepared.after, confirmation, dry_run=dry_run)
    except ClusterError as error:
        raise _conflict(error, change.ref) from error


def _conflict(error: ClusterError, ref: ObjectRef) -> ClusterError:
    """A 409 in words; any other error is itself."""
    if not error.message.startswith("HTTP 409"):
        return error
    return ConflictError(f"{ref} was changed in between: nothing is written ({error.message})", "look at it again")


def _is_of_fields(operations: Iterable[Operation]) -> bool:
    """Whether server-side apply can say it: fields of maps are set, none is removed, and no list is on the way."""
    return all(
        operation.op != "remove" and not any(isinstance(piece, int) or piece == "-" for piece in operation.path)
        for operation in operations
    )


def _fields(before: Mapping[str, Any], operations: Iterable[Operation]) -> dict[str, Any]:
    """The object with nothing but its name, its version, and the fields that change."""
    metadata = before["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "resourceVersion") if key in metadata}
    document: dict[str, Any] = {"apiVersion": before["apiVersion"], "kind": before["kind"], "metadata": kept}
    for operation in operations:
        place = document
        for piece in operation.path[:-1]:
            place = place.setdefault(str(piece), {})
        place[str(operation.path[-1])] = copy.deepcopy(operation.value)
    return document


async def undo(api: Api, writes: Writes, applied: Applied, confirmation: Confirmation) -> None:
    """Put the object back as it was before. Raises ConflictError when somebody changed it since, and ClusterError."""
    try:
        now = await api.get_object(applied.path)
    except NotFoundError as error:
        if applied.before is None:
            return
        raise ConflictError(f"{applied.ref} was deleted since: it isn't made again") from error
    if written(now) != written(applied.after):
        raise ConflictError(f"{applied.ref} was changed by somebody else since: it is left as it is", "look at its YAML")
    metadata = now["metadata"]
    try:
        if applied.before is None:
            await writes.remove(applied.path, metadata["uid"], metadata["resourceVersion"], confirmation)
            return
        await writes.replace(applied.path, _restored(applied.before, now), confirmation)
    except ClusterError as error:
        raise _conflict(error, applied.ref) from error


def _restored(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The old object as the next version of the new one; its status is the server's."""
    metadata = {**before["metadata"], "resourceVersion": now["metadata"]["resourceVersion"]}
    metadata.pop("managedFields", None)
    return {**before, "metadata": metadata} | ({"status": now["status"]} if "status" in now else {})
