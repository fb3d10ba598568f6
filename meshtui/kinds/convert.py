"""Conversions that several kinds share: metadata, selectors, and paths of unknown fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from meshtui.kinds import wire
from meshtui.model.condition import Condition
from meshtui.model.ids import Uid
from meshtui.model.meta import NO_LABELS, Meta
from meshtui.model.policy import TargetRef
from meshtui.model.selectors import LabelSelector, Requirement

T = TypeVar("T")
_MESH_ANNOTATIONS = (
    "ambient.istio.io/",
    "sidecar.istio.io/",
    "istio.io/",
    "gateway.istio.io/",
    "meshtui.dev/",
    "traffic.sidecar.",
    "prometheus.io/",
    "networking.istio.io/exportTo",
)


def meta(kind: str, raw: wire.ObjectMeta, *, namespaced: bool = True, origin: str = "") -> Meta:
    """Convert metadata; a namespaced object without a namespace is in ``default``.

    The UID of an object from a manifest is made from its kind and name, even if the manifest has a UID (an old dump).
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


def conditions(status: Any) -> tuple[Condition, ...]:
    """The conditions in a status, those of its listeners, parents and ancestors included. What isn't one is left out."""
    found = [_condition(each, "") for each in _maps(_get(status, "conditions"))]
    for listener in _maps(_get(status, "listeners")):
        found += [_condition(each, f"listener {listener.get('name', '')}") for each in _maps(listener.get("conditions"))]
    for field, name, word in (("parents", "parentRef", "parent"), ("ancestors", "ancestorRef", "ancestor")):
        for above in _maps(_get(status, field)):
            ref = _get(above, name)
            place = "/".join(str(part) for part in (_get(ref, "namespace"), _get(ref, "name")) if part)
            section = _get(ref, "sectionName")
            of = f"{word} {place}{f', section {section}' if section else ''}"
            found += [_condition(each, of) for each in _maps(above.get("conditions"))]
    return tuple(each for each in found if each.type)


def _condition(raw: Mapping[str, Any], of: str) -> Condition:
    """One condition; YAML may have read an unquoted status as a bool."""
    kind, reason, message = (raw.get(key) for key in ("type", "reason", "message"))
    return Condition(
        type=kind if isinstance(kind, str) else "",
        status=str(raw.get("status", "")),
        reason=reason if isinstance(reason, str) else "",
        message=message if isinstance(message, str) else "",
        observed=whole(raw.get("observedGeneration")),
        of=of,
    )


def whole(value: Any) -> int | None:
    """A whole number, or None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def tolerant(wanted: type[T], raw: Any) -> T | None:
    """A part of a status in its wire type; None if it hasn't the type's structure: what a controller wrote breaks no object."""
    try:
        return msgspec.convert(raw, wanted)
    except msgspec.ValidationError:
        return None


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _maps(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _mesh_annotations(annotations: Mapping[str, str] | None) -> Mapping[str, str]:
    """The annotations that the mesh or meshtui reads.

    Keeping kubectl's last-applied annotation would double a snapshot's size.
    """
    if not annotations:
        return NO_LABELS
    return {key: value for key, value in annotations.items() if key.startswith(_MESH_ANNOTATIONS)} or NO_LABELS


def selector(raw: wire.LabelSelector | None) -> LabelSelector:
    """Convert metav1.LabelSelector; an absent one selects everything."""
    if raw is None:
        return LabelSelector()
    return LabelSelector(
        labels=tuple(sorted((raw.match_labels or {}).items())),
        requirements=tuple(Requirement(r.key, r.operator, tuple(r.values or ())) for r in raw.match_expressions or ()),
    )


def optional_selector(raw: wire.LabelSelector | None) -> LabelSelector | None:
    """Convert a selector, for fields in which absent (None) and empty (everything) differ."""
    return None if raw is None else selector(raw)


def strings(values: Sequence[str] | None) -> tuple[str, ...]:
    """A list as a tuple; an absent one is empty."""
    return tuple(values or ())


def istio_selector(raw: wire.WorkloadSelector | None) -> LabelSelector | None:
    """Convert Istio's selector, whose labels must all match; an absent one is None: everything in the namespace or mesh."""
    return None if raw is None else LabelSelector(tuple(sorted((raw.match_labels or {}).items())))


def target_refs(one: wire.TargetRef | None, many: Sequence[wire.TargetRef] | None, group: str = "") -> tuple[TargetRef, ...]:
    """Convert targetRefs, or the deprecated single targetRef. ``group`` is that of a reference without one."""
    refs = list(many or ()) or ([one] if one else [])
    groups = [group if r.group is None else r.group for r in refs]
    return tuple(
        TargetRef(r.kind, r.name, of, r.namespace or "", r.section_name or "", r.port) for r, of in zip(refs, groups, strict=True)
    )


@lru_cache(maxsize=256)
def _known(struct: type) -> Mapping[str, Any]:
    """Encoded field names of a wire type, each with the wire type of its value, or None."""
    hints = get_type_hints(struct)
    return {f.encode_name: _inner(hints[f.name]) for f in msgspec.structs.fields(struct)}


def _inner(hint: Any) -> type | None:
    if get_origin(hint) in {Union, UnionType, list}:
        return next((found for arg in get_args(hint) if (found := _inner(arg))), None)
    return hint if isinstance(hint, type) and issubclass(hint, wire.Wire) else None


def unknown_fields(raw: Any, struct: type, path: str = "spec") -> tuple[str, ...]:
    """Paths of the fields in ``raw`` (plain JSON) that the wire type doesn't have. Each makes verdicts unknown."""
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


def fields_beside(struct: type, path: str) -> tuple[str, ...]:
    """The fields that a wire type has where ``path`` names one that it hasn't; ``unknown_fields`` writes such paths."""
    found: type | None = struct
    for step in path.split(".")[1:-1]:
        found = _known(found).get(step.partition("[")[0]) if found is not None else None
    return tuple(_known(found)) if found is not None else ()


@lru_cache(maxsize=16)
def field_places(struct: type, path: str = "spec") -> Mapping[str, str]:
    """All fields of a wire type and of those within it, each with the path of the first that has it."""
    found: dict[str, str] = {}
    for name, inner in _known(struct).items():
        found.setdefault(name, path)
        if inner is not None:
            found = {**field_places(inner, f"{path}.{name}"), **found}
    return found
