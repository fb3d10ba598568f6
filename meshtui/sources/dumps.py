"""Saved config dumps: files from ztunnel itself, from ``istioctl ztunnel-config all -o json|yaml``, and bug reports.

A bug report is a folder or an archive in which dumps of ztunnels lie beside those of Envoys, which are passed over.
"""

from __future__ import annotations

import json
import sys
import tarfile
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import yaml

from meshtui.model.errors import ManifestError, MeshtuiError
from meshtui.sources.manifest_yaml import yaml_documents
from meshtui.ztunnel.dump import NodeDump
from meshtui.ztunnel.look import MeshLook, NodeLook
from meshtui.ztunnel.reading import DumpError, Shared, read_dump

LARGEST = 1 << 29
"""Maximum size of one dump in bytes, also after it is unpacked."""
_MOST_MEMBERS = 200_000
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_NAMES = ("config_dump", "ztunnel")
_OTHERS = (".log", ".txt", ".gz")
"""A file in a folder or an archive is looked at if its path has one of these words, or ends in .json; others are logs."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file's name, content and time."""

    name: str
    content: bytes
    at: datetime | None
    too_large: bool = False


def read_dumps(paths: Iterable[str]) -> MeshLook:
    """The dumps in files, folders and archives; ``-`` is standard input.

    Raises ManifestError if one can't be read, or if a folder or archive has none. A node's time is its file's.
    """
    shared = Shared()
    found: list[NodeLook] = []
    missing: list[str] = []
    for path in paths:
        before = len(found)
        single = path == "-" or (Path(path).is_file() and not _is_archive(path))
        for file in _files(path):
            try:
                dump = read_dump(_as_json(file), shared)
            except DumpError as error:
                if single:
                    raise ManifestError(
                        f"{file.name}: {error.message}", "give what GET /config_dump of a ztunnel says"
                    ) from error
                if file.too_large or _is_broken(error):
                    missing.append(f"{file.name}: {error.message}")
                continue
            found.append(_look(file, dump))
        if len(found) == before:
            raise ManifestError(f"{path} holds no config dump of a ztunnel", "a dump is what GET /config_dump says")
    return MeshLook(
        max((each.at for each in found if each.at), default=datetime.now(UTC)),
        tuple(_named_apart(found)),
        missing=tuple(missing),
        saved=True,
    )


def _is_broken(error: DumpError) -> bool:
    """Whether a file is cut off or damaged, as opposed to one of another kind."""
    return isinstance(error.__cause__, msgspec.DecodeError) and not isinstance(error.__cause__, msgspec.ValidationError)


def _look(file: _File, dump: NodeDump) -> NodeLook:
    node = dump.node or Path(file.name).name.removesuffix(".json")
    return NodeLook(node, at=file.at, dump=dump, origin=file.name)


def _named_apart(looks: list[NodeLook]) -> Iterator[NodeLook]:
    """The dumps with the newest of each node only: two of one node show time, not drift."""
    newest: dict[str, NodeLook] = {}
    for look in looks:
        known = newest.get(look.node)
        if known is None or (look.at is not None and (known.at is None or look.at >= known.at)):
            newest[look.node] = look
    for look in looks:
        if newest[look.node] is look:
            yield look


def _is_archive(path: str) -> bool:
    return path.endswith(_ARCHIVES)


def _files(path: str) -> Iterator[_File]:
    try:
        if path == "-":
            content = sys.stdin.buffer.read(LARGEST + 1)
            yield _File("standard input", content, datetime.now(UTC), too_large=len(content) > LARGEST)
        elif Path(path).is_dir():
            for each in sorted(Path(path).rglob("*")):
                if each.is_file() and _may_be_dump(str(each.relative_to(path))):
                    yield _file(each)
        elif _is_archive(path):
            yield from _members(path)
        else:
            yield _file(Path(path))
    except (OSError, tarfile.TarError, EOFError) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ManifestError(f"{path}: {words}") from error


def _file(path: Path) -> _File:
    found = path.stat()
    if found.st_size > LARGEST:
        return _File(str(path), b"", None, too_large=True)
    with path.open("rb") as stream:
        content = stream.read(LARGEST + 1)
    return _File(str(path), content, _time(found.st_mtime), too_large=len(content) > LARGEST)


def _time(seconds: float) -> datetime | None:
    """The time of a file; None for one that no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _members(path: str) -> Iterator[_File]:
    """The files of an archive that may be dumps. Nothing is unpacked to the disk."""
    with tarfile.open(path, "r|*") as archive:
        for number, member in enumerate(archive):
            if number >= _MOST_MEMBERS:
                raise ManifestError(f"{path} has more than {_MOST_MEMBERS:,} files", "unpack it, and name the dumps")
            if not member.isfile() or not _may_be_dump(member.name):
                continue
            name, large = f"{path}:{member.name}", member.size > LARGEST
            stream = None if large else archive.extractfile(member)
            if large or stream is not None:
                yield _File(name, stream.read() if stream else b"", _time(member.mtime), too_large=large)


def _may_be_dump(name: str) -> bool:
    return name.endswith(".json") or (not name.endswith(_OTHERS) and any(word in name for word in _NAMES))


def _as_json(file: _File) -> bytes:
    """A dump as JSON: istioctl also writes YAML. Raises DumpError."""
    if file.too_large:
        raise DumpError(f"it is larger than {LARGEST >> 20} MiB")
    content = file.content.removeprefix(BOM_UTF8)
    if content[:64].lstrip()[:1] in {b"", b"{", b"["}:  # a list is no dump, and YAML takes seconds for megabytes of JSON
        return content
    try:
        found = next(iter(yaml_documents(file.name, content)), None)
        return json.dumps(found).encode() if isinstance(found, dict) else content
    except (MeshtuiError, yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise DumpError(f"neither JSON nor YAML: {' '.join(str(error).split())[:200]}") from error
