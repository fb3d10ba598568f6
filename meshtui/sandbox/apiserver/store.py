"""The cluster's state in memory: objects, one revision counter, and recent changes for watches.

All methods run on one event loop. Objects are never changed in place: a write stores a new dict, so objects that were returned
stay the same, and their JSON is encoded at most once.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from weakref import WeakSet

import msgspec

from meshtui.sandbox.apiserver import errors
from meshtui.sandbox.apiserver.apply import Applied
from meshtui.sandbox.apiserver.kinds import BY_PLURAL, Kind
from meshtui.sandbox.apiserver.subscription import Subscription
from meshtui.sandbox.ports import Obj, StoreEvent

Key = tuple[str, str]
Objs = list[Obj]
Hook = Callable[[str, Obj, Obj | None], None]
"""Called before a write with the plural, the new object (which it may change) and the old one."""

HISTORY = 20_000
"""How many changes of one kind are kept for watches."""

_encode = msgspec.json.Encoder().encode


def now() -> str:
    """The time as Kubernetes writes it: UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Entry:
    """One stored version of an object and its JSON."""

    __slots__ = ("_encoded", "obj", "rv")

    def __init__(self, obj: Obj, rv: int) -> None:
        self.obj = obj
        self.rv = rv
        self._encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        """The object as JSON, encoded once."""
        if self._encoded is None:
            self._encoded = _encode(self.obj)
        return self._encoded


@dataclass(slots=True)
class Change:
    """One change: the object after it and before it (for watches with selectors)."""

    rv: int
    type: str
    plural: str
    entry: Entry
    before: Obj | None


class _Table:
    """All objects of one kind, their keys in order, and their history."""

    def __init__(self) -> None:
        self.entries: dict[Key, Entry] = {}
        self.keys: list[Key] = []
        self.history: deque[Change] = deque(maxlen=HISTORY)
        self.compacted = 0

    def record(self, change: Change) -> None:
        if len(self.history) == HISTORY:
            self.compacted = self.history[0].rv
        self.history.append(change)


def key_of(obj: Obj) -> Key:
    """The key of an object: namespace ("" for cluster-wide kinds) and name."""
    metadata = obj["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


class Store:
    """The store of the API server; ``ports.ClusterStore`` is its interface for controllers.

    ``deferred`` names plurals whose deletion another component completes (pods: the kubelet; namespaces: their controller);
    ``hooks`` run before each write and may complete or refuse it (they raise ``ApiError``).
    """

    def __init__(self) -> None:
        self.revision = 0
        self.deferred: set[str] = set()
        self.hooks: list[Hook] = []
        self.applied = Applied()
        self._tables: dict[str, _Table] = {plural: _Table() for plural in BY_PLURAL}
        self._subscriptions: WeakSet[Subscription[Change]] = WeakSet()
        self._dependants: dict[str, set[tuple[str, Key]]] = {}
        self._uids: set[str] = set()

    # Reading

    def get(self, plural: str, namespace: str | None, name: str) -> Obj | None:
        """One object, or None. It must not be edited."""
        entry = self.entry(plural, namespace, name)
        return entry.obj if entry else None

    def entry(self, plural: str, namespace: str | None, name: str) -> Entry | None:
        """One object with its JSON, or None."""
        return self._tables[plural].entries.get((namespace or "", name))

    def require(self, plural: str, namespace: str | None, name: str) -> Obj:
        """One object, or ``ApiError`` 404."""
        obj = self.get(plural, namespace, name)
        if obj is None:
            raise errors.not_found(BY_PLURAL[plural], name)
        return obj

    def entries(self, plural: str, namespace: str | None = None, after: Key | None = None) -> Iterable[Entry]:
        """Stored objects in key order, of one namespace or all, after a key (for pages)."""
        table = self._tables[plural]
        start = bisect_left(table.keys, (namespace, "")) if namespace else 0
        if after is not None:
            start = max(start, bisect_left(table.keys, (after[0], after[1] + "\0")))
        keys = table.keys
        for index in range(start, len(keys)):
            key = keys[index]
            if namespace and key[0] != namespace:
                return
            yield table.entries[key]

    def count(self, plural: str) -> int:
        """How many objects of a kind there are."""
        return len(self._tables[plural].keys)

    def compacted(self, plural: str) -> int:
        """Watches from a revision before this one get 410."""
        return self._tables[plural].compacted

    def since(self, plural: str, revision: int) -> Iterable[Change]:
        """The changes of a kind after a revision. Raises ``ApiError`` 410 if they have expired."""
        table = self._tables[plural]
        if revision < table.compacted:
            raise errors.expired(f"too old resource version: {revision} ({table.compacted})")
        recent: list[Change] = []
        for change in reversed(table.history):
            if change.rv <= revision:
                break
            recent.append(change)
        return reversed(recent)

    def subscribe(self, *plurals: str) -> Subscription[Change]:
        """A subscription to changes of some kinds (none: all) from now on. It ends when it is garbage collected."""
        subscription: Subscription[Change] = Subscription(frozenset(plurals))
        self._subscriptions.add(subscription)
        return subscription

    def events(self, *plurals: str) -> Subscription[StoreEvent]:
        """Changes as ``StoreEvent``, from this call on."""
        subscription = self.subscribe(*plurals)
        return subscription.mapped(lambda change: StoreEvent(change.type, change.plural, change.entry.obj))

    # Writing

    def create(self, plural: str, obj: Obj, manager: str = "meshtui-sandbox", *, dry_run: bool = False) -> Obj:
        """Store a new object; uid, creationTimestamp, generation and resourceVersion are filled in."""
        kind = BY_PLURAL[plural]
        metadata = dict(obj.get("metadata") or {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = f"{metadata['generateName']}{uuid.uuid4().hex[:5]}"
        metadata.pop("selfLink", None)
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
        metadata.pop("deletionTimestamp", None)
        if not kind.namespaced:
            metadata.pop("namespace", None)
        obj = {"kind": kind.kind, "apiVersion": kind.api_version} | obj | {"metadata": metadata}
        obj["kind"], obj["apiVersion"] = kind.kind, kind.api_version
        self._admit(plural, obj, None)
        if key_of(obj) in self._tables[plural].entries:
            raise errors.already_exists(kind, metadata["name"])
        _stamp(obj, kind, manager, "Update")
        if dry_run:
            metadata["resourceVersion"] = str(self.revision)
            return obj
        return self._commit("ADDED", plural, obj, None)

    def update(
        self,
        plural: str,
        obj: Obj,
        manager: str = "meshtui-sandbox",
        *,
        operation: str = "Update",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Obj:
        """Replace an object. A stale resourceVersion in ``obj`` is a 409. Without a change there is no event."""
        kind = BY_PLURAL[plural]
        old = self.require(plural, obj["metadata"].get("namespace"), obj["metadata"]["name"])
        was = old["metadata"]
        metadata = dict(obj["metadata"])
        if metadata.get("resourceVersion") not in (None, "", was["resourceVersion"]):
            raise errors.conflict(kind, was["name"])
        if metadata.get("uid") not in (None, "", was["uid"]):
            why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {was['uid']}"
            raise errors.conflict(kind, was["name"], why)
        kept = ("uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp", "managedFields")
        metadata |= {field: was[field] for field in kept if field in was}
        obj = obj | {"metadata": metadata, "kind": kind.kind, "apiVersion": kind.api_version}
        self._admit(plural, obj, old)
        if obj == old:
            return old
        if _intent(obj) != _intent(old):
            metadata["generation"] = was.get("generation", 1) + 1
        _stamp(obj, kind, manager, operation, subresource)
        if dry_run:
            return obj
        if "deletionTimestamp" in metadata and not metadata.get("finalizers") and plural not in self.deferred:
            return self._remove(plural, obj, old)
        return self._commit("MODIFIED", plural, obj, old)

    def delete(self, plural: str, namespace: str | None, name: str) -> Obj | None:
        """Remove an object now, despite finalizers, and its dependents. Returns None if it doesn't exist."""
        old = self.get(plural, namespace, name)
        return None if old is None else self._remove(plural, old, old)

    def begin_delete(self, plural: str, namespace: str | None, name: str, grace_s: int | None, *, orphan: bool) -> Obj:
        """Delete as the API does: mark it first if a component has to complete it (grace period, finalizers), else remove it."""
        old = self.require(plural, namespace, name)
        metadata = dict(old["metadata"])
        waits = bool(metadata.get("finalizers")) or (plural in self.deferred and grace_s != 0)
        if not waits:
            return self._remove(plural, old, old, orphan=orphan)
        if "deletionTimestamp" in metadata and metadata.get("deletionGracePeriodSeconds") == grace_s:
            return old
        metadata["deletionTimestamp"] = now()
        if grace_s is not None:
            metadata["deletionGracePeriodSeconds"] = grace_s
        obj = old | {"metadata": metadata}
        if plural == "namespaces":
            obj["status"] = {"phase": "Terminating"}
        return self._commit("MODIFIED", plural, obj, old)

    def compact(self) -> None:
        """Expire the history: every watch or page from before gets 410."""
        self.revision += 1
        for table in self._tables.values():
            table.history.clear()
            table.compacted = self.revision

    # Inside

    def _admit(self, plural: str, obj: Obj, old: Obj | None) -> None:
        for hook in self.hooks:
            hook(plural, obj, old)

    def _commit(self, change: str, plural: str, obj: Obj, old: Obj | None) -> Obj:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        table, key = self._tables[plural], key_of(obj)
        entry = Entry(obj, self.revision)
        if key not in table.entries:
            insort(table.keys, key)
        table.entries[key] = entry
        self._uids.add(obj["metadata"]["uid"])
        self._link(plural, key, obj, old)
        self._publish(Change(self.revision, change, plural, entry, old))
        return obj

    def _remove(self, plural: str, obj: Obj, old: Obj, *, orphan: bool = False) -> Obj:
        self.revision += 1
        obj = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.revision)}}
        table, key = self._tables[plural], key_of(obj)
        del table.entries[key]
        del table.keys[bisect_left(table.keys, key)]
        self._uids.discard(obj["metadata"]["uid"])
        self._unlink(plural, key, old)
        self._publish(Change(self.revision, "DELETED", plural, Entry(obj, self.revision), old))
        self._collect(obj["metadata"]["uid"], orphan=orphan)
        return obj

    def _publish(self, change: Change) -> None:
        self._tables[change.plural].record(change)
        for subscription in list(self._subscriptions):
            if not subscription.plurals or change.plural in subscription.plurals:
                subscription.push(change)

    def _link(self, plural: str, key: Key, obj: Obj, old: Obj | None) -> None:
        owners = obj["metadata"].get("ownerReferences")
        if old is not None and old["metadata"].get("ownerReferences") != owners:
            self._unlink(plural, key, old)
        for owner in owners or []:
            self._dependants.setdefault(owner["uid"], set()).add((plural, key))

    def _unlink(self, plural: str, key: Key, obj: Obj) -> None:
        for owner in obj["metadata"].get("ownerReferences") or []:
            dependants = self._dependants.get(owner["uid"])
            if dependants:
                dependants.discard((plural, key))

    def _collect(self, owner_uid: str, *, orphan: bool) -> None:
        """Garbage collection: dependents without another owner are deleted; orphans lose the reference."""
        for plural, (namespace, name) in sorted(self._dependants.pop(owner_uid, ())):
            obj = self.get(plural, namespace, name)
            if obj is None:
                continue
            owners = [o for o in obj["metadata"].get("ownerReferences") or [] if o["uid"] != owner_uid]
            if orphan or any(o["uid"] in self._uids for o in owners):
                self.update(plural, obj | {"metadata": obj["metadata"] | {"ownerReferences": owners}}, "gc")
            else:
                grace = (obj.get("spec") or {}).get("terminationGracePeriodSeconds", 30) if plural == "pods" else None
                self.begin_delete(plural, namespace, name, grace, orphan=False)

    def list(self, plural: str, namespace: str | None = None) -> Objs:
        """Every object of a kind, in all namespaces or one, in key order."""
        return [entry.obj for entry in self.entries(plural, namespace)]


def _intent(obj: Obj) -> dict[str, Any]:
    """The parts of an object that users write: all except metadata and status."""
    return {field: value for field, value in obj.items() if field not in ("metadata", "status")}


def _stamp(obj: Obj, kind: Kind, manager: str, operation: str, subresource: str = "") -> None:
    """Record the manager and the time in ``managedFields`` (one entry per manager, the newest last)."""
    entry: dict[str, Any] = {
        "manager": manager,
        "operation": operation,
        "apiVersion": kind.api_version,
        "time": now(),
        "fieldsType": "FieldsV1",
        "fieldsV1": {},
    }
    if subresource:
        entry["subresource"] = subresource
    identity = (manager, operation, subresource)
    kept = [
        item
        for item in obj["metadata"].get("managedFields") or []
        if (item.get("manager"), item.get("operation"), item.get("subresource", "")) != identity
    ]
    obj["metadata"]["managedFields"] = [*kept, entry]
