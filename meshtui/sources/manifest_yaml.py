"""Reads and writes YAML as Kubernetes does, whose library is sigs.k8s.io/yaml."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from meshtui.kinds.scalars import text_of
from meshtui.model.errors import ManifestError

_TAG = "tag:yaml.org,2002:"
_BOOLEANS = {"y": True, "yes": True, "true": True, "on": True, "n": False, "no": False, "false": False, "off": False}
_BOM_WITHIN = re.compile(b"(?m)^(---[^\n]*\n)\xef\xbb\xbf")
"""A byte order mark at the start of a later document, where files were put together; kubectl splits them before it parses."""
_NUMBER = "-+.0123456789"
_RESOLVERS = (
    ("bool", r"[yYnN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("int", r"(?:[-+]_*)?(?:0[bB][01_]+|0[oO]?[0-7_]+|0[xX][0-9a-fA-F_]+|[1-9][0-9_]*|0)", _NUMBER),
    ("float", r"\.[0-9]+(?:[eE][-+]?[0-9]+)?", "."),
    ("float", r"(?:[-+]\._*[0-9][0-9_]*|(?:[-+]_*)?[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE]_*[-+]?_*[0-9][0-9_]*)?", "-+0123456789"),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", _NUMBER),
    ("merge", "<<", "<"),
    ("null", "~|null|Null|NULL|", ("~", "n", "N", "")),
)
"""The plain scalars that aren't strings (goyaml.v2 resolve.go). ``=``, times and sexagesimal numbers (``22:22``) are strings."""


_Base: Any = yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader


class Twice(NamedTuple):
    """A key that a mapping has twice: the lines of both."""

    key: str
    first: int
    last: int


class _Loader(_Base):  # type: ignore[misc]  # chosen at run time
    """A YAML loader with the scalars of goyaml.v2; tags that it doesn't know are ignored, as there.

    Of two equal keys the last counts, as for kubectl (k8s.io/apimachinery pkg/util/yaml YAMLToJSONDecoder, which isn't strict);
    they are noted in ``twice``, because kustomize and YAML itself refuse them.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  (PyYAML reads it from the class)

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.twice: list[Twice] = []

    def flatten_mapping(self, node: Any) -> None:
        """Merge mappings; keys are compared before, since a mapping's own keys take precedence over merged ones."""
        if not getattr(node, "was_seen", False):
            node.was_seen = True
            self._compare_keys(node)
        super().flatten_mapping(node)

    def _compare_keys(self, node: Any) -> None:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != f"{_TAG}merge":
                line = key.start_mark.line + 1
                if key.value in lines:
                    self.twice.append(Twice(key.value, lines[key.value], line))
                lines[key.value] = line

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        """A mapping with string keys, as in JSON: ``8080:`` and ``on:`` are ``"8080"`` and ``"true"``."""
        self.flatten_mapping(node)
        return {_key(self, key): self.construct_object(value, deep=deep) for key, value in node.value}


def _key(loader: Any, node: Any) -> str:
    """A key as JSON has it. Raises ConstructorError for a mapping, a list, and null."""
    key = loader.construct_object(node, deep=True)
    if isinstance(key, (bool, int, float)):
        return text_of(key)
    if not isinstance(key, str):
        raise yaml.constructor.ConstructorError(None, None, "a key that is neither text nor a number", node.start_mark)
    return key


def _as_written(loader: Any, node: Any) -> Any:
    """A node with an unknown tag, or one of YAML's sets: what it would be without its tag."""
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


def _boolean(loader: Any, node: Any) -> bool:
    return _BOOLEANS[loader.construct_scalar(node).lower()]


def _integer(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node).replace("_", "")
    digits = text.lstrip("+-")
    octal = digits.startswith("0") and digits.isdecimal()
    value = int(digits, 8 if octal else 0)
    return -value if text.startswith("-") else value


def _float(loader: Any, node: Any) -> float | str:
    """A number; text where it exceeds 64 bits, as a hash like ``12e4567`` may."""
    written = loader.construct_scalar(node)
    value: float = loader.construct_yaml_float(node)
    return value if math.isfinite(value) or written.lower().endswith(("inf", "nan")) else str(written)


def _binary(loader: Any, node: Any) -> str:
    found: bytes = loader.construct_yaml_binary(node)
    return found.decode(errors="replace")


for _name, _regexp, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"(?:{_regexp})\\Z"), list(_first))
_Loader.add_constructor(f"{_TAG}bool", _boolean)
_Loader.add_constructor(f"{_TAG}int", _integer)
_Loader.add_constructor(f"{_TAG}float", _float)
_Loader.add_constructor(f"{_TAG}binary", _binary)
for _name in ("merge", "value", "set", "omap", "pairs", "timestamp"):
    _Loader.add_constructor(f"{_TAG}{_name}", _as_written)
_Loader.add_constructor(None, _as_written)


_BaseDumper: Any = yaml.CSafeDumper if hasattr(yaml, "CSafeDumper") else yaml.SafeDumper


class Dumper(_BaseDumper):  # type: ignore[misc]  # chosen at run time
    """Writes YAML in which text that Kubernetes would read as something else (``y``, ``1e3``) is quoted; without anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  (PyYAML's signature)
        """Never write anchors: an object in two places is written twice."""
        return True


for _name, _regexp, _first in _RESOLVERS:
    Dumper.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"(?:{_regexp})\\Z"), list(_first))


def yaml_text(*documents: Any) -> str:
    """Plain data as YAML documents, with keys in their order."""
    text: str = yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text


def yaml_documents(file: str, text: bytes, twice: list[Twice] | None = None) -> list[Any]:
    """All documents of a YAML text as plain data with JSON's keys. Raises ManifestError with file, line and reason.

    Keys that a mapping has twice are added to ``twice``.
    """
    try:
        return list(_loaded(text, [] if twice is None else twice))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ManifestError(f"{file}:{line}: {error.problem or 'not YAML'}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise ManifestError(f"{file}: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ManifestError(f"{file}: nested too deeply") from error


def _loaded(text: bytes, twice: list[Twice]) -> Iterator[Any]:
    loader = _Loader(_BOM_WITHIN.sub(rb"\1", text))
    try:
        while loader.check_data():
            yield _Plain(len(text)).of(loader.get_data())
    finally:
        loader.dispose()
        twice += loader.twice


class _Plain:
    """Copies a document, so that no part of it is in two places.

    Aliases can expand a short text to a huge document: an expansion far beyond the text's size raises ValueError.
    """

    def __init__(self, size: int) -> None:
        self._left = 10_000 + 10 * size

    def of(self, value: Any, depth: int = 0) -> Any:
        """A copy of a node."""
        if isinstance(value, (dict, list)):
            if depth >= 100:
                raise ValueError("nested too deeply")
            self._left -= len(value) + 1
            if self._left < 0:
                raise ValueError("its aliases repeat too much")
        if isinstance(value, dict):
            return {key: self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self.of(item, depth + 1) for item in value]
        return value
