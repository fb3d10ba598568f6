"""A folder of manifests as a Snapshot: what a cluster would hold once they were applied."""

from __future__ import annotations

import gc
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from meshtui.model.errors import ManifestError
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.meta import Meta
from meshtui.model.own_probe import own_jobs, own_pods
from meshtui.model.snapshot import MeshConfig, Problem, Snapshot
from meshtui.model.workload import Controller, Namespace, OwnerRef, Pod
from meshtui.sources.decode import (
    BY_GROUP_KIND,
    KINDS,
    Kind,
    decode_json,
    decode_plain,
    decode_unreadable,
    mesh_config,
    problem,
    wire,
)

SUFFIXES = {".yaml", ".yml", ".json"}
"""What is read from a folder, as kubectl does; a file of JSON lines must be named itself."""
_MOST_DERIVED = 10
"""Pods that are derived from one template at the most: they are all alike."""


def load_manifests(paths: Sequence[str]) -> Snapshot:
    """Read files, folders (whole) and ``-`` (standard input) into one Snapshot.

    Raises ManifestError with file, line and reason when a file can't be read or parsed: nothing is half-read. An object
    that parses but isn't of its kind's shape becomes a Problem in the Snapshot, and the others are still judged.
    """
    builder = _Builder()
    with _no_collection():
        for file, text in _texts(paths):
            members = _members(text)
            if members is not None:
                for raw in members.items:
                    builder.add_raw(raw, members, file)
                continue
            for document in _documents(file, text):
                builder.add(document, file)
        return builder.snapshot()


def read_documents(documents: Iterable[Mapping[str, Any]], origin: str) -> Snapshot:
    """The same from objects as plain data; ``origin`` stands in messages where a file's name would."""
    builder = _Builder()
    for document in documents:
        builder.add(dict(document), origin)
    return builder.snapshot()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without Python's search for garbage in circles: there is none here, and it would walk all objects again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Head(msgspec.Struct, rename="camel"):
    """What says how the rest is to be read."""

    kind: Any = None
    api_version: Any = None


class _List(_Head, kw_only=True):
    """A List whose members are left as they are, to be decoded straight into their kind's type."""

    items: list[msgspec.Raw]

    @property
    def member_kind(self) -> str | None:
        """What members are that don't say it themselves."""
        return str(self.kind)[:-4] if self.kind and self.kind != "List" else None


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_list = msgspec.json.Decoder(_List).decode


def _members(text: bytes) -> _List | None:
    """A JSON text as a List, or None when it is anything else (also when it is broken: that is found out elsewhere)."""
    if text.lstrip()[:1] != b"{":
        return None
    try:
        found = _decode_list(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if found.kind is None or str(found.kind).endswith("List") else None


def documents_of(paths: Sequence[str]) -> list[dict[str, Any]]:
    """All objects of files and folders as they are written, Lists taken apart. Raises ManifestError."""
    found: list[dict[str, Any]] = []
    for file, text in _texts([path for path in paths if path != "-"]):
        for document in _documents(file, text):
            if isinstance(document, dict):
                items = document.get("items")
                found += [item for item in items if isinstance(item, dict)] if isinstance(items, list) else [document]
    return found


def _texts(paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for given in paths:
        if given == "-":
            yield "-", sys.stdin.buffer.read()
            continue
        path = Path(given)
        if not path.exists():
            raise ManifestError(f"{given}: no such file or folder")
        for file in _files(path):
            try:
                yield str(file), file.read_bytes()
            except OSError as error:
                raise ManifestError(f"{file}: {error.strerror}") from error


def _files(path: Path) -> list[Path]:
    """A file, or all manifests below a folder. Raises ManifestError for a folder that can't be read whole."""
    if not path.is_dir():
        return [path]

    def refuse(error: OSError) -> None:
        raise ManifestError(f"{error.filename}: {error.strerror}") from error

    found = (Path(folder) / name for folder, _, names in os.walk(path, onerror=refuse) for name in names)
    return sorted(file for file in found if file.suffix in SUFFIXES and file.is_file())


def _documents(file: str, text: bytes) -> Iterator[Any]:
    """JSON is tried first where it looks like JSON: it is ten times faster, and YAML reads what remains."""
    if file.endswith(".jsonl"):
        yield from _json_lines(file, text)
        return
    if text.lstrip()[:1] in {b"{", b"["}:
        try:
            yield msgspec.json.decode(text)
        except RecursionError as error:
            raise ManifestError(f"{file}: nested too deeply") from error
        except msgspec.DecodeError:
            pass
        else:
            return
    from meshtui.sources.manifest_yaml import yaml_documents  # PyYAML is slow to import, and JSON alone doesn't need it

    yield from yaml_documents(file, text)


def _json_lines(file: str, text: bytes) -> Iterator[Any]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError) as error:
                raise ManifestError(f"{file}:{number}: {error}") from error


class _Builder:
    """Collects objects by kind, then completes what manifests leave out: namespaces, and pods of templates."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[Uid, Any]] = defaultdict(dict)
        self.problems: list[Problem] = []
        self.mesh: MeshConfig | None = None

    def add(self, document: Any, file: str) -> None:
        """Take one document: an object, or a List of them."""
        if document is None:
            return
        if isinstance(document, list):
            for item in document:
                self.add(item, file)
            return
        if not isinstance(document, dict):
            self.problems.append(Problem(file, "", f"not an object but {type(document).__name__}"))
            return
        kind, version = document.get("kind"), document.get("apiVersion")
        if isinstance(document.get("items"), list) and (kind is None or str(kind).endswith("List")):
            member = str(kind)[:-4] if kind and kind != "List" else None
            for item in document["items"]:
                self.add(_as_member(item, member, version), file)
            return
        if not isinstance(kind, str) or not isinstance(version, str):
            self.problems.append(Problem(file, "kind", "no kind or apiVersion"))
            return
        group = version.rpartition("/")[0]
        known = BY_GROUP_KIND.get((group, kind))
        if known is not None:
            self._decode(known, document, file)
        elif (group, kind) == ("", "ConfigMap"):
            self._config(document, file)

    def add_raw(self, raw: msgspec.Raw, members: _List, file: str) -> None:
        """Take one member of a JSON List: straight into its type where its kind is known."""
        try:
            head = _decode_head(raw)
        except msgspec.ValidationError:
            self.add(_decoded(raw, file), file)
            return
        kind, version = head.kind, head.api_version
        if kind is None and members.member_kind:
            kind, version = members.member_kind, version or members.api_version
        known = BY_GROUP_KIND.get((version.rpartition("/")[0], kind)) if isinstance(version, str) else None
        if known is None:
            self.add(_as_member(_decoded(raw, file), members.member_kind, members.api_version), file)
            return
        try:
            converted = decode_json(known, raw, file)
        except (ValueError, OverflowError) as error:
            self._reject(known, _decoded(raw, file), error, file)
        else:
            self._keep(known, converted, file)

    def _decode(self, kind: Kind, document: Mapping[str, Any], file: str) -> None:
        try:
            converted = decode_plain(kind, document, file)
        except (ValueError, OverflowError) as error:
            self._reject(kind, document, error, file)
        else:
            self._keep(kind, converted, file)

    def _reject(self, kind: Kind, document: Mapping[str, Any], error: Exception, file: str) -> None:
        why = problem(f"{file}: {kind.name} {_name(document)}", ValueError(str(error)))
        self.problems.append(why)
        stand_in = decode_unreadable(kind, document, why, file)
        if stand_in is not None:
            self._keep(kind, stand_in, file)

    def _keep(self, kind: Kind, converted: Any, file: str) -> None:
        meta: Meta = converted.meta
        if not meta.name:
            self.problems.append(Problem(f"{file}: {kind.name}", "metadata.name", "no name"))
            return
        known = self.objects[kind.field]
        if meta.uid in known:
            self.problems.append(Problem(f"{file}: {meta.ref}", "metadata.name", "defined twice: the last one counts"))
        known[meta.uid] = converted

    def _config(self, document: Mapping[str, Any], file: str) -> None:
        try:
            raw = msgspec.convert(document, wire.ConfigMap)
        except msgspec.ValidationError as error:
            self.problems.append(problem(f"{file}: ConfigMap {_name(document)}", ValueError(str(error))))
            return
        if raw.metadata.name == "istio" and "mesh" in (raw.data or {}):
            self.mesh = mesh_config(raw)

    def snapshot(self) -> Snapshot:
        """Everything together."""
        objects: dict[str, Any] = {kind.field: self.objects[kind.field] for kind in KINDS.values()}
        probes, jobs = own_pods(objects["pods"]), own_jobs(objects["controllers"])
        for field, own in (("pods", probes), ("controllers", jobs)):
            for uid in own:
                del objects[field][uid]
        self._derive_pods(objects["pods"], objects["controllers"])
        namespaces = objects["namespaces"]
        named = {namespace.name for namespace in namespaces.values()}
        members = (o.meta.namespace for field in objects for o in objects[field].values() if field != "namespaces")
        for name in sorted({member for member in members if member} - named):
            meta = Meta("Namespace", "", name, Uid(f"Namespace//{name}"), {"kubernetes.io/metadata.name": name})
            namespaces[meta.uid] = Namespace(meta)
        return Snapshot(**objects, own_probes=probes, mesh=self.mesh or MeshConfig(), problems=tuple(self.problems))

    def _derive_pods(self, pods: dict[Uid, Pod], controllers: dict[Uid, Controller]) -> None:
        """Pods for each topmost controller that has none in the manifests."""
        if not controllers:
            return
        by_ref = {c.meta.ref: c for c in controllers.values()}
        owned = _owned(pods.values(), by_ref)
        taken = {pod.key for pod in pods.values()}
        bare: dict[str, list[Pod]] = defaultdict(list)
        for pod in pods.values():
            if pod.controller is None:
                bare[pod.namespace].append(pod)
        for controller in controllers.values():
            if any(owner.controller for owner in controller.owners) or controller.meta.ref in owned:
                continue
            if _selects_any(controller, bare.get(controller.meta.namespace, ())):
                continue
            for number in range(min(max(controller.replicas, 1), _MOST_DERIVED)):
                derived = _derived(controller, number)
                if derived.key not in taken:
                    pods[derived.uid] = derived


def _owned(pods: Iterable[Pod], controllers: Mapping[ObjectRef, Controller]) -> set[ObjectRef]:
    """Everything that owns pods; siblings are asked once."""
    siblings: dict[tuple[str, OwnerRef, str], Pod] = {}
    for pod in pods:
        owner = pod.controller
        if owner is not None:
            siblings[pod.namespace, owner, pod.labels.get("pod-template-hash", "")] = pod
    return {ref for pod in siblings.values() for ref in _chain(pod, controllers)}


def _selects_any(controller: Controller, bare: Sequence[Pod]) -> bool:
    """Whether bare pods of the folder are this controller's: they carry its template's labels."""
    wanted = controller.selector.labels if controller.selector and not controller.selector.requirements else ()
    return bool(wanted) and any(all(pod.labels.get(key) == value for key, value in wanted) for pod in bare)


def _chain(pod: Pod, by_ref: Mapping[ObjectRef, Controller]) -> Iterator[ObjectRef]:
    owner, seen = pod.controller, 0
    while owner is not None and seen < 4:
        ref = ObjectRef(owner.kind, pod.namespace, owner.name)
        yield ref
        controller = by_ref.get(ref)
        owner = next((o for o in controller.owners if o.controller), None) if controller else None
        seen += 1
    template_hash = pod.labels.get("pod-template-hash")
    if pod.controller and pod.controller.kind == "ReplicaSet" and template_hash:
        yield ObjectRef("Deployment", pod.namespace, pod.controller.name.removesuffix(f"-{template_hash}"))


def _derived(controller: Controller, number: int) -> Pod:
    meta, template = controller.meta, controller.template
    name = f"{meta.name}-{number}"
    return Pod(
        meta=replace(
            meta,
            kind="Pod",
            name=name,
            uid=Uid(f"Pod/{meta.namespace}/{name}"),
            labels=template.labels,
            annotations=template.annotations,
        ),
        service_account=template.service_account,
        host_network=template.host_network,
        ports=template.ports,
        images=template.images,
        env=template.env,
        has_sidecar=template.has_sidecar,
        probe_ports=template.probe_ports,
        owners=(OwnerRef(meta.kind, meta.name, meta.uid, controller=True),),
        derived=True,
    )


def _as_member(item: Any, kind: str | None, version: Any) -> Any:
    """Members of a typed List may leave out what the List says."""
    if isinstance(item, dict) and kind and "kind" not in item:
        return {"kind": kind, "apiVersion": version, **item}
    return item


def _decoded(raw: msgspec.Raw, file: str) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file}: {error}") from error


def _name(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        return "(no name)"
    return f"{metadata.get('namespace') or 'default'}/{metadata.get('name') or '(no name)'}"
