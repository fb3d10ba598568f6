"""Where in files objects and their fields are written: file, line and column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from meshtui.kinds import ref_of
from meshtui.kinds.registry import FIELDS, objects_in
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot

LARGEST = 2 << 20
"""The largest file whose lines are looked for, in bytes: of a larger one only the name is told."""
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]")
_Base: Any = yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file. Lines and columns count from 1; 0 where the line isn't known, as in very large files."""

    file: str
    line: int = 0
    column: int = 0


def places_of(snapshot: Snapshot, wanted: Iterable[tuple[ObjectRef, str]]) -> dict[tuple[ObjectRef, str], Place]:
    """The places of objects and of their fields, as ``spec.rules[0].from``, in the files from which a Snapshot was read.

    An empty field is the object's beginning; for a field that isn't there, it is the place of what is there of its path. Objects
    that don't come from a file on disk, as those of a cluster, of standard input or of a rendered chart, have none.
    """
    asked: dict[ObjectRef, set[str]] = {}
    for ref, field in wanted:
        asked.setdefault(ref, set()).add(field)
    files: dict[str, set[ObjectRef]] = {}
    for meta in (each.meta for each in objects_in(snapshot, FIELDS)):
        if meta.origin and meta.ref in asked:
            files.setdefault(meta.origin, set()).add(meta.ref)
    found: dict[tuple[ObjectRef, str], Place] = {}
    for file, refs in files.items():
        if not Path(file).is_file():
            continue
        nodes = dict(nodes_of(Path(file)))
        for ref in refs:
            for field in asked[ref]:
                mark = _mark(nodes[ref], field) if ref in nodes else None
                found[ref, field] = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
    return found


def nodes_of(file: Path) -> Iterator[tuple[ObjectRef, Any]]:
    """The objects of a file as YAML nodes; of two with one name, the last counts."""
    try:
        content = file.read_bytes()
        if len(content) > LARGEST:
            return
        documents = list(yaml.compose_all(content, Loader=_Base))
    except (OSError, yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        return  # it could be read as manifests, in another way
    for document in documents:
        yield from _objects(document, None)


def _objects(node: Any, members: tuple[str, str] | None) -> Iterator[tuple[ObjectRef, Any]]:
    """The objects of a node; ``members`` are kind and apiVersion that those of a typed List may leave out."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _objects(item, members)
    if not isinstance(node, yaml.MappingNode):
        return
    fields = _fields(node)
    kind, version = _text(fields.get("kind")), _text(fields.get("apiVersion"))
    items = fields.get("items")
    if isinstance(items, yaml.SequenceNode) and (not kind or kind.endswith("List")):
        yield from _objects(items, (kind.removesuffix("List"), version) if kind not in {"", "List"} else None)
        return
    if not kind and members:
        kind, version = members
    metadata = _fields(fields.get("metadata"))
    named = {"name": _text(metadata.get("name")), "namespace": _text(metadata.get("namespace"))}
    yield ref_of({"kind": kind, "apiVersion": version, "metadata": named}), node


def _fields(node: Any) -> Mapping[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def _text(node: Any) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _mark(node: Any, field: str) -> Any:
    """The mark of a field, or of as much of its path as is there."""
    mark = node.start_mark
    for key, index, quoted in _STEP.findall(field):
        if index and isinstance(node, yaml.SequenceNode) and int(index) < len(node.value):
            node = node.value[int(index)]
            mark = node.start_mark
            continue
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        pair = next(((k, v) for k, v in pairs if isinstance(k, yaml.ScalarNode) and k.value == (key or quoted)), None)
        if index or pair is None:
            break
        mark, node = pair[0].start_mark, pair[1]
    return mark
