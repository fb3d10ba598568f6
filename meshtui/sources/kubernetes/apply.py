"""Changes of live objects: computed from their current state, tried with a dry run, applied, and undone (docs/adr/0004)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from meshtui.kinds import KINDS
from meshtui.model.errors import ClusterError, ForbiddenError, NotFoundError, ReadOnlyError, UsageError
from meshtui.model.finding import Edit, Operation
from meshtui.model.ids import ObjectRef
from meshtui.sources.edits import diff_of, edited, written
from meshtui.sources.kubernetes.api import Api, segment
from meshtui.sources.kubernetes.writes import Confirmation, Writes


class ConflictError(ClusterError):
    """The object was changed in between (409)."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One change of the current object. ``before`` is None if it creates the object; ``said`` is the server's refusal.

    ``tried`` says whether the server checked the change (a dry run); if that isn't allowed, ``said`` is the reason.
    """

    edit: Edit
    path: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]
    diff: str
    tried: bool = False
    said: str = ""

    @property
    def ref(self) -> ObjectRef:
        """The object."""
        return self.edit.ref


@dataclass(frozen=True, slots=True)
class Applied:
    """A change that was applied: the object before it (None: it didn't exist) and after it, as read from the server."""

    ref: ObjectRef
    path: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


def path_of(ref: ObjectRef) -> str:
    """The path of an object in the API. Raises UsageError for a kind that meshtui doesn't know."""
    return f"{_list_path(ref)}/{segment(ref.name)}"


def _list_path(ref: ObjectRef) -> str:
    kind = KINDS.get(ref.kind)
    if kind is None:
        raise UsageError(f"{ref.kind} is a kind that meshtui doesn't read")
    return kind.path_in(kind.versions[0], segment(ref.namespace))


async def prepare(api: Api, writes: Writes, edit: Edit) -> Prepared:
    """The change on the object as it is now, and what the server says to it. Raises ClusterError, EditError."""
    path = path_of(edit.ref)
    before = None if edit.create is not None else await api.get_object(path)
    after = edited(before or {}, edit)
    diff = diff_of(written(before) if before else {}, written(after), str(edit.ref))
    made = Prepared(edit, path, before, after, diff)
    try:
        await _send(writes, made, None, dry_run=True)
    except (ForbiddenError, ReadOnlyError) as error:
        return Prepared(edit, path, before, after, diff, tried=False, said=str(error))
    except ClusterError as error:
        return Prepared(edit, path, before, after, diff, tried=True, said=str(error))
    return Prepared(edit, path, before, after, diff, tried=True)


async def apply(writes: Writes, prepared: Prepared, confirmation: Confirmation) -> Applied:
    """Apply the change if the object hasn't changed since. Raises ConflictError, ClusterError, ReadOnlyError."""
    after = await _send(writes, prepared, confirmation, dry_run=False)
    return Applied(prepared.ref, prepared.path, prepared.before, after)


async def _send(writes: Writes, prepared: Prepared, confirmation: Confirmation | None, *, dry_run: bool) -> dict[str, Any]:
    edit, before = prepared.edit, prepared.before
    try:
        if before is None:
            return await writes.add(_list_path(edit.ref), prepared.after, confirmation, dry_run=dry_run)
        if _is_of_fields(edit.operations):
            return await writes.apply(prepared.path, _fields(before, edit.operations), confirmation, dry_run=dry_run)
        return await writes.replace(prepared.path, prepared.after, confirmation, dry_run=dry_run)
    except ClusterError as error:
        raise _conflict(error, edit.ref) from error


def _conflict(error: ClusterError, ref: ObjectRef) -> ClusterError:
    """Convert a 409 to a ConflictError; other errors are returned unchanged."""
    if not error.message.startswith("HTTP 409"):
        return error
    return ConflictError(f"{ref} was changed in between: nothing is written ({error.message})", "look at it again")


def _is_of_fields(operations: Iterable[Operation]) -> bool:
    """Whether server-side apply can express the change: it only sets fields of maps, with no list on the path."""
    return all(
        operation.op != "remove" and not any(isinstance(piece, int) or piece == "-" for piece in operation.path)
        for operation in operations
    )


def _fields(before: Mapping[str, Any], operations: Iterable[Operation]) -> dict[str, Any]:
    """The object's name, resourceVersion and changed fields only."""
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
    """Restore the object as it was before. Raises ConflictError if it was changed since, and ClusterError."""
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
    """The old object with the resourceVersion of the new one, and without status."""
    metadata = {**before["metadata"], "resourceVersion": now["metadata"]["resourceVersion"]}
    metadata.pop("managedFields", None)
    return {**before, "metadata": metadata} | ({"status": now["status"]} if "status" in now else {})
