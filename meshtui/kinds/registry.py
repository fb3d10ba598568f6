"""All kinds: those in ``KINDS`` of every module of this package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from meshtui.kinds.kind import Kind, Overlay, Pairs, Role
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot


def _found() -> Iterator[Kind]:
    for info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if info.name != "registry":
            yield from getattr(importlib.import_module(f"meshtui.kinds.{info.name}"), "KINDS", ())


KINDS: Mapping[str, Kind] = {kind.name: kind for kind in sorted(_found(), key=lambda kind: kind.name)}
"""All kinds by name."""

BY_GROUP_KIND: Mapping[tuple[str, str], Kind] = {(kind.group, kind.name.split(".")[0]): kind for kind in KINDS.values()}
"""All kinds by (API group, kind as written in a manifest)."""


def kind_of(document: Mapping[str, Any]) -> Kind | None:
    """The kind of an object as plain data, by its API group; None for one that no verdict reads."""
    from meshtui.kinds.foreign import other_policy

    kind, (group, _, version) = str(document.get("kind")), str(document.get("apiVersion") or "").rpartition("/")
    namespaced = bool(_metadata(document).get("namespace"))
    return BY_GROUP_KIND.get((group, kind)) or other_policy(group, kind, version, namespaced=namespaced)


def ref_of(document: Mapping[str, Any]) -> ObjectRef:
    """The object that plain data are, named as Snapshots name it: two kinds of different groups may have one name."""
    kind, metadata = kind_of(document), _metadata(document)
    namespace = str(metadata.get("namespace") or "default") if kind is None or kind.namespaced else ""
    return ObjectRef(kind.name if kind else str(document.get("kind")), namespace, str(metadata.get("name")))


def _metadata(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found = document.get("metadata")
    return found if isinstance(found, Mapping) else {}


FIELDS: Mapping[str, tuple[Kind, ...]] = {
    field: tuple(kind for kind in KINDS.values() if kind.field == field) for field in sorted({k.field for k in KINDS.values()})
}
"""The kinds that each mapping of a Snapshot contains."""


MODELLED_POLICIES = tuple(field for field, kinds in FIELDS.items() if any(k.role is Role.POLICY and k.checked for k in kinds))
"""The Snapshot's mappings of policies that are evaluated."""

POLICY_KINDS = frozenset(kind.name for kind in KINDS.values() if kind.role is Role.POLICY)
"""The kinds of all policies, including those that aren't evaluated."""


def objects_in(snapshot: Snapshot, fields: Iterable[str]) -> Iterator[Any]:
    """The objects in some of a Snapshot's mappings."""
    for field in fields:
        yield from getattr(snapshot, field).values()


def fields_of(*ways: Overlay | Pairs | Role) -> tuple[str, ...]:
    """The Snapshot's mappings, sorted by name, with a kind that has at least one of these properties."""
    wanted = set(ways)
    return tuple(f for f, kinds in FIELDS.items() if any(wanted & {k.overlay, k.pairs, k.role} for k in kinds))
