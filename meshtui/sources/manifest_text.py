"""Parses the text of one file: JSON, JSON lines, JSON documents one after the other, or YAML."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from meshtui.model.errors import ManifestError

if TYPE_CHECKING:
    from meshtui.sources.manifest_yaml import Twice

_DEEPEST = 100
"""How many levels of lists and objects a document may have: the same as for YAML."""


class Head(msgspec.Struct, rename="camel"):
    """The fields that determine how the rest of an object is decoded."""

    kind: Any = None
    api_version: Any = None


class JsonList(Head, kw_only=True):
    """A List whose members stay raw JSON, to be decoded to their kinds' types."""

    items: list[msgspec.Raw]

    @property
    def member_kind(self) -> str | None:
        """The kind of members that don't have one."""
        return str(self.kind)[:-4] if self.kind and self.kind != "List" else None


decode_head = msgspec.json.Decoder(Head).decode
_decode_list = msgspec.json.Decoder(JsonList).decode


def parsed(file: str, text: bytes, twice: list[Twice] | None = None) -> JsonList | list[Any]:
    """A JSON List, or all documents of any other text as plain data. Raises ManifestError with file, line and reason.

    Keys that a mapping of a YAML text has twice are added to ``twice``.
    """
    return json_list(text.removeprefix(codecs.BOM_UTF8)) or documents(file, text, twice)


def reason_of(error: ManifestError, file: str) -> str:
    """The message of an error about a file without the file's name: ``line 3: …``."""
    rest = error.message.removeprefix(file)
    numbered = re.match(r":(\d+): ", rest)
    return f"line {numbered[1]}: {rest[numbered.end() :]}" if numbered else rest.removeprefix(": ")


def json_list(text: bytes) -> JsonList | None:
    """A JSON text as a List, or None for any other text (broken JSON is reported by another reader)."""
    if text.lstrip()[:1] != b"{":
        return None
    try:
        found = _decode_list(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if found.kind is None or str(found.kind).endswith("List") else None


def documents(file: str, text: bytes, twice: list[Twice] | None = None) -> list[Any]:
    """All documents of a text as plain data. Raises ManifestError with file, line and reason."""
    try:
        return list(_documents(file, text.removeprefix(codecs.BOM_UTF8), twice))
    except RecursionError as error:  # a parser that follows deeper than lists can be taken apart
        raise ManifestError(f"{file}: nested too deeply") from error


def _documents(file: str, text: bytes, twice: list[Twice] | None) -> Iterator[Any]:
    """Text that looks like JSON is parsed as JSON first, which is ten times faster than YAML."""
    if file.endswith(".jsonl"):
        yield from _json_lines(file, text)
        return
    if text.lstrip()[:1] in {b"{", b"["}:
        found = _json_documents(file, text)
        if found is not None:
            yield from found
            return
    from meshtui.sources.manifest_yaml import yaml_documents  # PyYAML is slow to import, and not needed for JSON

    if b"{{" not in text:
        yield from yaml_documents(file, text, twice)
        return
    try:
        found = yaml_documents(file, text, twice)
    except ManifestError as error:
        raise ManifestError(
            f"{file}: a template that has to be rendered ({error.message.removeprefix(file).lstrip(':')})"
        ) from error
    if any(map(_named_by_template, found)):
        raise ManifestError(f"{file}: a template that has to be rendered (a name with {{{{ }}}})")
    yield from found


def _named_by_template(document: Any) -> bool:
    """Whether an object's name or namespace is an expression of a template language."""
    metadata = document.get("metadata") if isinstance(document, dict) else None
    return isinstance(metadata, dict) and any("{{" in str(metadata.get(key)) for key in ("name", "namespace"))


def refuse_depth(document: Any, place: str) -> Any:
    """The document itself. Raises ManifestError if it is nested deeper than any object of Kubernetes.

    How deep a parser itself follows depends on the version of Python.
    """
    level: list[Any] = [[document]]
    for _ in range(_DEEPEST + 1):
        level = [
            item for one in level for item in (one.values() if isinstance(one, dict) else one) if isinstance(item, (dict, list))
        ]
        if not level:
            return document
    raise ManifestError(f"{place}: nested too deeply")


def _json_documents(file: str, text: bytes) -> list[Any] | None:
    """JSON documents one after the other, as kubectl reads them; None if the text isn't JSON."""
    try:
        found = [msgspec.json.decode(text)]
    except RecursionError as error:
        raise ManifestError(f"{file}: nested too deeply") from error
    except msgspec.DecodeError:
        several = _several(text)
        if several is None:
            return None
        found = several
    return [refuse_depth(document, file) for document in found]


def _several(text: bytes) -> list[Any] | None:
    import json

    decoder, found, place = json.JSONDecoder(), [], 0
    try:
        whole = text.decode()
        while place < len(whole):
            if whole[place].isspace():
                place += 1
                continue
            document, place = decoder.raw_decode(whole, place)
            found.append(document)
    except ValueError:
        return None
    return found


def _json_lines(file: str, text: bytes) -> Iterator[Any]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                document = msgspec.json.decode(line)
            except RecursionError as error:
                raise ManifestError(f"{file}:{number}: nested too deeply") from error
            except msgspec.DecodeError as error:
                raise ManifestError(f"{file}:{number}: {error}") from error
            yield refuse_depth(document, f"{file}:{number}")
