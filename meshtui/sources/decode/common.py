"""What every conversion needs: metadata, selectors, and fields that no wire type knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from meshtui.model.ids import Uid
from meshtui.model.meta import NO_LABELS, Meta
from meshtui.model.selectors import LabelSelector, Requirement
from meshtui.sources.decode import wire

METADATA_NAME = "kubernetes.io/metadata.name"
_MESH_ANNOTATIONS = (
    "ambient.istio.io/",
    "sidecar.istio.io/",
    "istio.io/",
    "gateway.istio.io/",
    "meshtui.dev/",
    "traffic.sidecar.",
    "prometheus.io/",
)


def meta(kind: str, raw: wire.ObjectMeta, *, namespaced: bool = True, origin: str = "") -> Meta:
    """Convert metadata; an object without a namespace is in ``default``.

    Manifests identify an object by its name, so that is its UID there, whatever UID an old dump carries.
    """
    namespace = (raw.namespace or "default") if namespaced else ""
    changed, manager = raw.creation_timestamp, ""
    for entry in raw.managed_fields or ():
        if entry.subresource != "status" and entry.time and (changed is None or entry.time >= changed):
            changed, manager = entry.time, entry.manager
    return Meta(
        kind=kind,
        namespace=namespace,
        name=raw.name,
        uid=Uid(raw.uid if raw.uid and not origin else f"{kind}/{namespace}/{raw.name}"),
        labels=raw.labels or NO_LABELS,
        annotations=_mesh_annotations(raw.annotations),
        created=raw.creation_timestamp,
        changed=changed,
        manager=manager,
        resource_version=raw.resource_version,
        origin=origin,
    )


def _mesh_annotations(annotations: Mapping[str, str] | None) -> Mapping[str, str]:
    """Only those that the mesh or meshtui reads: kubectl's last-applied copy alone would double a snapshot."""
    if not annotations:
        return NO_LABELS
    return {key: value for key, value in annotations.items() if key.startswith(_MESH_ANNOTATIONS)} or NO_LABELS


def selector(raw: wire.LabelSelector | None) -> LabelSelector:
    """Convert metav1.LabelSelector; absent selects everything."""
    if raw is None:
        return LabelSelector()
    return LabelSelector(
        labels=tuple(sorted((raw.match_labels or {}).items())),
        requirements=tuple(Requirement(r.key, r.operator, tuple(r.values or ())) for r in raw.match_expressions or ()),
    )


def optional_selector(raw: wire.LabelSelector | None) -> LabelSelector | None:
    """Convert a selector where absent and empty differ."""
    return None if raw is None else selector(raw)


def strings(values: Sequence[str] | None) -> tuple[str, ...]:
    """A list that may be absent."""
    return tuple(values or ())


@lru_cache(maxsize=256)
def _known(struct: type) -> Mapping[str, Any]:
    """Encoded field names of a wire type, with the wire type (or None) that each of them holds."""
    hints = get_type_hints(struct)
    return {f.encode_name: _inner(hints[f.name]) for f in msgspec.structs.fields(struct)}


def _inner(hint: Any) -> type | None:
    if get_origin(hint) in {Union, UnionType, list}:
        return next((found for arg in get_args(hint) if (found := _inner(arg))), None)
    return hint if isinstance(hint, type) and issubclass(hint, wire.Wire) else None


def unknown_fields(raw: Any, struct: type, path: str = "spec") -> tuple[str, ...]:
    """Paths of the fields in ``raw`` (plain JSON) that the wire type doesn't model: each is a reason for doubt."""
    if isinstance(raw, list):
        return tuple(p for i, item in enumerate(raw) for p in unknown_fields(item, struct, f"{path}[{i}]"))
    if not isinstance(raw, dict):
        return ()
    known, found = _known(struct), []
    for key, value in raw.items():
        if key not in known:
            found.append(f"{path}.{key}")
        elif known[key] is not None:
            found.extend(unknown_fields(value, known[key], f"{path}.{key}"))
    return tuple(found)
