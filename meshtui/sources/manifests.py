"""A folder of manifests as a Snapshot: the state of a cluster after they were applied."""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from meshtui.cni import config_map_namespaces, config_maps
from meshtui.kinds import (
    BY_GROUP_KIND,
    KINDS,
    Kind,
    decode_json,
    decode_plain,
    decode_unreadable,
    problem,
    undecoded,
)
from meshtui.kinds.foreign import other_policy
from meshtui.kinds.installation import REVISION, both, is_installer, of_config_map, of_installer, of_webhooks
from meshtui.kinds.mesh_config import ConfigMap, Written, is_mesh_config, together, written_in
from meshtui.kinds.scalars import with_texts
from meshtui.kinds.unread import labels_of_pods, makes_pods, may_matter
from meshtui.model.errors import ManifestError
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.injection import with_injected_labels
from meshtui.model.membership import Installation
from meshtui.model.meta import Meta
from meshtui.model.own_probe import own_jobs, own_pods
from meshtui.model.policy import ForeignPolicy
from meshtui.model.reading import KindCount, Reading, Skipped
from meshtui.model.snapshot import KindState, KindStatus, MeshConfig, Problem, Snapshot
from meshtui.model.workload import Controller, Namespace
from meshtui.sources.manifest_files import Input
from meshtui.sources.manifest_packages import TEMPLATE, unprocessed
from meshtui.sources.manifest_pods import derive_pods
from meshtui.sources.manifest_text import JsonList, decode_head, documents, parsed, reason_of, refuse_depth

if TYPE_CHECKING:
    from meshtui.sources.manifest_yaml import Twice

_WEBHOOKS = ("admissionregistration.k8s.io", "MutatingWebhookConfiguration")
_IN_PART = frozenset({"foreign", "other_routes"})
"""The mappings of kinds of which only the scope is read."""
_NAMED_TWICE = 3
"""Maximum number of objects that an error about duplicates names."""


def load_manifests(paths: Sequence[str], *, render: bool = False) -> Snapshot:
    """Read files, folders (recursively) and ``-`` (standard input) into one Snapshot, whose ``reading`` says what was read.

    A file in a folder that can't be read or parsed is skipped, and so are kustomizations and charts, unless ``render`` allows
    to run kubectl and helm on them. Raises ManifestError with file, line and reason if a file that is given itself can't be
    read or parsed, and with both places if two different objects have one identity. An object that can't be decoded to its
    kind becomes a Problem of the Snapshot, and the others are still evaluated.
    """
    builder, source = _Builder(), Input(paths, render=render)
    files = 0
    with _no_collection():
        for text in source.texts():
            twice: list[Twice] = []
            try:
                found = parsed(text.name, text.content, twice)
            except ManifestError as error:
                if text.given:
                    raise
                source.skip(text.name, reason_of(error, text.name))
                continue
            files += 1
            builder.problems += [_said_twice(text.name, each) for each in twice]
            builder.add_all(found, text.name)
        builder.refuse_duplicates()
        skipped = (*source.skipped, *builder.templates)
        reading = replace(builder.reading(), files=files, skipped=skipped, rendered=tuple(source.rendered))
        return replace(builder.snapshot(), reading=reading)


def read_documents(documents: Iterable[Mapping[str, Any]], origin: str) -> Snapshot:
    """A Snapshot of objects as plain data; ``origin`` replaces the file name in messages."""
    builder = _Builder()
    for document in documents:
        builder.add(dict(document), origin)
    return builder.snapshot()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the garbage collector: there are no reference cycles here, and it would visit all objects again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def documents_of(paths: Sequence[str], *, render: bool = False) -> list[dict[str, Any]]:
    """All objects of files and folders as plain data, with Lists expanded; what ``load_manifests`` skips is left out.

    Raises ManifestError.
    """
    found: list[dict[str, Any]] = []
    for text in Input([path for path in paths if path != "-"], render=render).texts():
        try:
            several = documents(text.name, text.content)
        except ManifestError:
            if text.given:
                raise
            continue
        for document in several:
            if isinstance(document, dict):
                items = document.get("items")
                found += [item for item in items if isinstance(item, dict)] if isinstance(items, list) else [document]
    return found


class _Builder:
    """Collects objects by kind, then adds what manifests leave out: Namespaces, and the pods of templates."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[Uid, Any]] = defaultdict(dict)
        self.problems: list[Problem] = []
        self.missing: dict[str, str] = {}
        """By kind: why an object is missing."""
        self.mesh: list[Written] = []
        self.installation = Installation()
        self.cni_config: dict[tuple[str, str], dict[str, str]] = {}
        """The data of ConfigMaps with the name of a CNI's, by namespace and name."""
        self.templates: list[Skipped] = []
        self._file, self._number = "", 0
        self._places: dict[tuple[str, Uid], tuple[str, int]] = {}
        self._twice: list[str] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._makers: list[ObjectRef] = []
        self._made: list[tuple[str, Mapping[str, str]]] = []

    def add_all(self, found: JsonList | list[Any], file: str) -> None:
        """Add everything that one text holds."""
        if isinstance(found, JsonList):
            for raw in found.items:
                try:
                    self.add_raw(raw, found, file)
                except ManifestError as error:
                    self._leave_out(raw, found, Problem(file, "", error.message))
            return
        for document in found:
            self.add(document, file)

    def add(self, document: Any, file: str) -> None:
        """Add one document: an object, or a List."""
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
        self._count_place(file)
        if isinstance(kind, str) and isinstance(version, str):
            self._add_object(document, kind, version, file)
        else:
            self.problems.append(Problem(file, "kind", "no kind or apiVersion"))

    def _add_object(self, document: Mapping[str, Any], kind: str, version: str, file: str) -> None:
        group = version.rpartition("/")[0]
        if (group, kind) == ("", "ConfigMap"):
            self._config(document, file)
            return
        known = BY_GROUP_KIND.get((group, kind)) or _other_policy(document, group, kind, version)
        if known is not None:
            self._decode(known, document, file)
            return
        if (group, kind) == TEMPLATE:
            self.templates.append(unprocessed(_ref(document), file))
            return
        if is_installer(group, kind):
            self._installed(document)
        else:
            self._counts[group, kind] += 1
        if (group, kind) == _WEBHOOKS:
            self.installation = both(self.installation, of_webhooks(document))
        if makes_pods(group, document):
            self._makers.append(_ref(document))
            labels = labels_of_pods(document)
            self._made += [(self._makers[-1].namespace, labels)] if labels else []

    def add_raw(self, raw: msgspec.Raw, members: JsonList, file: str) -> None:
        """Add one member of a JSON List, decoded directly to its type if its kind is known."""
        known = _kind_of(raw, members)
        if known is None:
            self._add_decoded(raw, members, file)
            return
        self._count_place(file)
        try:
            converted = decode_json(known, raw, file)
        except (ValueError, OverflowError):
            self._decode(known, _as_member(_decoded(raw, file), members.member_kind, members.api_version), file)
        else:
            self._keep(known, converted, file)

    def _leave_out(self, raw: msgspec.Raw, members: JsonList, why: Problem) -> None:
        """Note a member of a List that isn't plain data, for example because it is nested too deeply."""
        self.problems.append(why)
        known = _kind_of(raw, members)
        if known is not None:
            self.missing.setdefault(known.name, undecoded(why))

    def _add_decoded(self, raw: msgspec.Raw, members: JsonList, file: str) -> None:
        self.add(_as_member(_decoded(raw, file), members.member_kind, members.api_version), file)

    def _count_place(self, file: str) -> None:
        """Count the objects of a file, so that one of them can be named."""
        self._file, self._number = file, self._number + 1 if file == self._file else 1

    def _decode(self, kind: Kind, document: Mapping[str, Any], file: str) -> None:
        try:
            converted = decode_plain(kind, document, file)
        except (ValueError, OverflowError) as error:
            self._decode_texts(kind, document, file, error)
        else:
            self._keep(kind, converted, file)

    def _decode_texts(self, kind: Kind, document: Mapping[str, Any], file: str, error: Exception) -> None:
        """Decode an object that may have numbers or booleans in place of strings."""
        try:
            converted = decode_plain(kind, with_texts(document, kind.wire), file)
        except (ValueError, OverflowError):
            self._reject(kind, document, error, file)
            return
        why = problem(f"{file}: {kind.name} {_name(document)}", ValueError(str(error)))
        reason = f"{why.reason}: it is taken as text, and the API server refuses it"
        self.problems.append(replace(why, reason=reason, ref=converted.meta.ref))
        self._keep(kind, converted, file)

    def _reject(self, kind: Kind, document: Mapping[str, Any], error: Exception, file: str) -> None:
        why = problem(f"{file}: {kind.name} {_name(document)}", ValueError(str(error)))
        stand_in = decode_unreadable(kind, document, why, file)
        self.problems.append(why if stand_in is None else replace(why, ref=stand_in.meta.ref))
        if stand_in is not None:
            self._keep(kind, stand_in, file)
        else:
            self.missing.setdefault(kind.name, undecoded(why))

    def _keep(self, kind: Kind, converted: Any, file: str) -> None:
        meta: Meta = converted.meta
        if reason := _no_name(meta):
            self.problems.append(why := Problem(f"{file}: {kind.name}", "metadata.name", reason))
            self.missing.setdefault(kind.name, undecoded(why))
            return
        known, identity = self.objects[kind.field], (kind.field, meta.uid)
        if meta.uid in known:
            self._note_twice(known[meta.uid], converted, self._places[identity])
        known[meta.uid] = converted
        self._places[identity] = self._file, self._number

    def _note_twice(self, before: Any, after: Any, first: tuple[str, int]) -> None:
        places = f"in {_place(first)} and in {_place((self._file, self._number))}"
        if _without_origin(before) == _without_origin(after):
            reason = f"defined twice with the same content, {places}"
        else:
            reason = f"defined twice with different content, {places}"
            self._twice.append(f"{after.meta.ref} is {reason}")
        self.problems.append(Problem(f"{self._file}: {after.meta.ref}", "metadata.name", reason))

    def refuse_duplicates(self) -> None:
        """Raises ManifestError with both places if objects of one identity differ: which one applies can't be known."""
        if self._twice:
            more = f"; and {len(self._twice) - _NAMED_TWICE} more" if len(self._twice) > _NAMED_TWICE else ""
            hint = "is one a patch or an overlay? render it: kubectl kustomize DIR | meshtui -f - …; else give one of them"
            raise ManifestError("; ".join(self._twice[:_NAMED_TWICE]) + more, hint)

    def _config(self, document: Mapping[str, Any], file: str) -> None:
        by = f"ConfigMap {_name(document)}"
        namespace, _, name = _name(document).partition("/")
        if name in config_maps():
            data = document.get("data")
            self.cni_config[namespace, name] = {str(k): str(v) for k, v in data.items()} if isinstance(data, dict) else {}
        if not name.startswith("istio"):
            self._counts["", "ConfigMap"] += 1
            return
        try:
            raw = msgspec.convert(document, ConfigMap)
        except msgspec.ValidationError as error:
            self.problems.append(why := problem(f"{file}: {by}", ValueError(str(error))))
            self.mesh.append(Written(by, MeshConfig(found=True, doubt=undecoded(why))))
            return
        self.installation = both(self.installation, of_config_map(raw, by))
        if not is_mesh_config(raw):
            self._counts["", "ConfigMap"] += 1
            return
        self._read_config(written_in(raw), file)

    def _cni_config(self, controllers: Iterable[Controller]) -> dict[str, dict[str, str]]:
        """The ConfigMaps of CNIs by name, each from the first namespace that has it."""
        found: dict[str, dict[str, str]] = {}
        for wanted in config_map_namespaces(controllers):
            for (namespace, name), data in self.cni_config.items():
                if namespace == wanted:
                    found.setdefault(name, data)
        return found

    def _installed(self, document: Mapping[str, Any]) -> None:
        """Read how an operator installs the mesh."""
        found, written = of_installer(document, str(_ref(document)))
        self.installation = both(self.installation, found)
        if written is not None:
            self._read_config(written, self._file)

    def _read_config(self, written: Written, file: str) -> None:
        self.mesh.append(written)
        if written.config.doubt:
            self.problems.append(Problem(f"{file}: {written.by}", "meshConfig", written.config.doubt))

    def reading(self) -> Reading:
        """What was read, apart from files. Kinds of which only the scope is read count as not read."""
        unread: Counter[tuple[str, str]] = Counter()
        for foreign in self.objects["foreign"].values():
            if foreign.own is None:  # of the others, the CNI decides (with_unjudged)
                unread[_kind_and_group(foreign)] += 1
        for route in self.objects["other_routes"].values():
            unread[KINDS[route.meta.kind].group, route.meta.kind] += 1
        ignored: Counter[tuple[str, str]] = Counter()
        for (group, kind), count in self._counts.items():
            (unread if may_matter(group, kind) else ignored)[group, kind] += count
        kept = sum(len(objects) for field, objects in self.objects.items() if field not in _IN_PART) + len(self.mesh)
        kept += sum(foreign.own is not None for foreign in self.objects["foreign"].values())
        return Reading(
            objects=kept,
            problems=len(self.problems),
            unread=_counted(unread),
            ignored=_counted(ignored),
            makers=tuple(sorted(set(self._makers))),
            made=tuple(self._made),
        )

    def snapshot(self) -> Snapshot:
        """The Snapshot of all objects."""
        objects: dict[str, Any] = {kind.field: self.objects[kind.field] for kind in KINDS.values()}
        probes, jobs = own_pods(objects["pods"]), own_jobs(objects["controllers"])
        for field, own in (("pods", probes), ("controllers", jobs)):
            for uid in own:
                del objects[field][uid]
        derive_pods(objects["pods"], objects["controllers"])
        namespaces = objects["namespaces"]
        named = {namespace.name for namespace in namespaces.values()}
        members = (o.meta.namespace for field in objects for o in objects[field].values() if field != "namespaces")
        for name in sorted({member for member in members if member} - named):
            meta = Meta("Namespace", "", name, Uid(f"Namespace//{name}"), {"kubernetes.io/metadata.name": name})
            namespaces[meta.uid] = Namespace(meta, known=False)
        kinds = {name: KindState(KindStatus.SYNCED, missing=why) for name, why in self.missing.items()}
        made = Snapshot(
            **objects,
            own_probes=probes,
            mesh=together(self.mesh),
            cni_config=self._cni_config(objects["controllers"].values()),
            installation=both(self.installation, _revisions(objects["controllers"].values())),
            kinds=kinds,
            problems=tuple(self.problems),
        )
        return with_injected_labels(made)


def with_unjudged(reading: Reading, policies: Iterable[ForeignPolicy]) -> Reading:
    """What was read, with policies of CNIs among the kinds that weren't: those that this cluster's CNI doesn't evaluate."""
    found = Counter({(each.group, each.kind): each.count for each in reading.unread})
    unjudged = [_kind_and_group(policy) for policy in policies]
    found.update(unjudged)
    return replace(reading, objects=reading.objects - len(unjudged), unread=_counted(found))


def _kind_and_group(policy: ForeignPolicy) -> tuple[str, str]:
    return policy.api_version.rpartition("/")[0], policy.meta.kind.partition(".")[0]


def _revisions(controllers: Iterable[Controller]) -> Installation:
    """The revisions of the control planes that are in the manifests themselves."""
    istiods = (each for each in controllers if each.template.labels.get("app") == "istiod")
    return Installation(frozenset(each.template.labels.get(REVISION, "default") for each in istiods))


def _said_twice(file: str, twice: Twice) -> Problem:
    said = f"a key twice, in line {twice.first} and in line {twice.last}: the last counts for kubectl, and kustomize refuses it"
    return Problem(f"{file}:{twice.last}", twice.key, said)


def _place(place: tuple[str, int]) -> str:
    file, number = place
    return f"{file} (object {number})"


def _without_origin(obj: Any) -> Any:
    """An object without what differs between two copies of it: where it was read, and what the server keeps about it."""
    return replace(obj, meta=replace(obj.meta, origin="", created=None, changed=None, manager="", resource_version=""))


def _counted(counts: Mapping[tuple[str, str], int]) -> tuple[KindCount, ...]:
    """The most frequent kinds first."""
    found = (KindCount(kind, group, count) for (group, kind), count in counts.items())
    return tuple(sorted(found, key=lambda each: (-each.count, each.kind, each.group)))


def _ref(document: Mapping[str, Any]) -> ObjectRef:
    """A custom resource. Its namespace is empty where it has none: it is created in any."""
    metadata = document.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    return ObjectRef(str(document.get("kind")), str(known.get("namespace") or ""), str(known.get("name") or "?"))


def _as_member(item: Any, kind: str | None, version: Any) -> Any:
    """A member of a typed List, with the apiVersion and kind that it may leave out."""
    if isinstance(item, dict) and kind and "kind" not in item:
        return {"kind": kind, "apiVersion": version, **item}
    return item


def _kind_of(raw: msgspec.Raw, members: JsonList) -> Kind | None:
    """The kind of a List's member; None for one that isn't known, or whose kind can't be told before it is decoded."""
    try:
        head = decode_head(raw)
    except msgspec.DecodeError:
        return None
    kind, version = head.kind, head.api_version
    if kind is None and members.member_kind:
        kind, version = members.member_kind, version or members.api_version
    return BY_GROUP_KIND.get((version.rpartition("/")[0], kind)) if isinstance(version, str) and isinstance(kind, str) else None


def _decoded(raw: msgspec.Raw, file: str) -> Any:
    try:
        return refuse_depth(msgspec.json.decode(raw), file)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file}: {error}") from error


def _name(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        return "(no name)"
    return f"{metadata.get('namespace') or 'default'}/{metadata.get('name') or '(no name)'}"


def _other_policy(document: Mapping[str, Any], group: str, kind: str, version: str) -> Kind | None:
    metadata = document.get("metadata")
    namespaced = isinstance(metadata, Mapping) and bool(metadata.get("namespace"))
    return other_policy(group, kind, version.rpartition("/")[2], namespaced=namespaced)


def _no_name(meta: Meta) -> str:
    """Why no object can have this name, or be in this namespace; else empty.

    Source: kubernetes/apimachinery pkg/api/validation/path/name.go: names are segments of paths.
    """
    for name in filter(None, (meta.name, meta.namespace)):
        if name in {".", ".."} or "/" in name or "%" in name:
            return f"{name!r} can be no name: no API server takes it"
    return "" if meta.name else "no name"
