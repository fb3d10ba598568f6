"""Reads an expectations file (docs/guide/verify.md). Errors name the line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from meshtui.cli.flowfile import request_from_json, token_from_json
from meshtui.engine.expect.expectations import Entry
from meshtui.engine.expect.verification import is_expectable
from meshtui.model.errors import UsageError
from meshtui.model.flow import HttpRequest, Jwt

API_VERSION = "meshtui/v1"
BOOKSTORE = "bookstore"
"""The name of the file that comes with meshtui. ``./bookstore`` is a file of that name."""

_FIELDS = {"id", "name", "from", "to", "protocol", "http", "jwt", "expect"}
_HTTP = {"method", "path", "host", "headers"}
_JWT = {"iss", "sub", "aud", "claims"}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A method or a header's name (RFC 9110, 5.6.2)."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


def find(name: str) -> tuple[str, bytes]:
    """The name and the text of a file, of the one that comes with meshtui, or of standard input (``-``). Raises UsageError."""
    if name == "-":
        import sys

        return "-", sys.stdin.buffer.read()
    path = Path(name)
    if name == BOOKSTORE:
        import meshtui.sandbox.bookstore

        path = Path(meshtui.sandbox.bookstore.__path__[0]) / "flows.yaml"
    try:
        return str(path), path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error


def read_expectations(file: str, text: bytes) -> list[Entry]:
    """All entries. Raises UsageError that begins with ``FILE:LINE:``."""
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            raise UsageError(f"{file}: is empty")
        return list(_document(file, root, loader.construct_document))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(f"{file}:{line}: {error.problem or 'not YAML'}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"{file}: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise UsageError(f"{file}: nested too deeply") from error
    finally:
        if loader is not None:
            loader.dispose()


def _document(file: str, root: yaml.Node, plain: Callable[[yaml.Node], Any]) -> list[Entry]:
    top = _members(file, root, "the file", {"apiVersion", "flows"})
    version = top.get("apiVersion")
    if version is None or plain(version) != API_VERSION:
        raise UsageError(f"{file}:{_line(version or root)}: apiVersion is {API_VERSION}")
    flows = top.get("flows")
    if not isinstance(flows, yaml.SequenceNode) or not flows.value:
        raise UsageError(f"{file}:{_line(flows or root)}: flows is a list with at least one expectation")
    return [_entry(file, node, plain) for node in flows.value]


def _entry(file: str, node: yaml.Node, plain: Callable[[yaml.Node], Any]) -> Entry:
    members = _members(file, node, "an expectation", _FIELDS)
    where = f"{file}:{_line(node)}"
    for name in ("from", "to", "expect"):
        if name not in members:
            raise UsageError(f"{where}: {name!r} is missing")
    for name in ("http", "jwt"):
        if name in members:
            _members(file, members[name], name, _HTTP if name == "http" else _JWT)

    def read(name: str, convert: Callable[[Any], Any], absent: Any) -> Any:
        if name not in members:
            return absent
        try:
            return convert(plain(members[name]))
        except UsageError as error:
            raise UsageError(f"{file}:{_line(members[name])}: {error.message}", error.hint) from error

    return Entry(
        sources=read("from", lambda value: _references(value, "from"), ()),
        destinations=read("to", lambda value: _references(value, "to"), ()),
        expected=read("expect", _expected, ""),
        name=read("name", _words, ""),
        id=read("id", _words, ""),
        protocol=read("protocol", _protocol, "TCP"),
        http=read("http", _request, None),
        jwt=read("jwt", _token, None),
        where=where,
    )


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _members(file: str, node: yaml.Node, what: str, known: set[str]) -> Mapping[str, yaml.Node]:
    """The values of a mapping by key. Duplicate and unknown keys are errors."""
    if not isinstance(node, yaml.MappingNode):
        raise UsageError(f"{file}:{_line(node)}: {what} is a mapping of {', '.join(sorted(known))}")
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        name = str(key.value)
        if name not in known:
            raise UsageError(f"{file}:{_line(key)}: {what} has no field {name!r}", f"there are {', '.join(sorted(known))}")
        if name in found:
            raise UsageError(f"{file}:{_line(key)}: {name!r} is there twice")
        found[name] = value
    return found


def _references(value: Any, side: str) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise UsageError(f"{side!r} is a reference or a list of them", 'NS/KIND/NAME, "*/svc/*-db:5432", external')
    return tuple(texts)


def _expected(value: Any) -> str:
    word = str(value)
    if not is_expectable(word):
        raise UsageError(
            f"expect: {word!r} isn't a possible expectation",
            "allow, deny, connected, timeout, refused, closed, dns, tls, or http_ with a status",
        )
    return word


def _words(value: Any) -> str:
    if isinstance(value, dict | list) or value is None:
        raise UsageError("a name and an id are text")
    return _UNPRINTABLE.sub(" ", str(value)).strip()


def _protocol(value: Any) -> str:
    if value not in {"TCP", "UDP", "SCTP"}:
        raise UsageError(f"protocol {value!r} isn't one of TCP, UDP, SCTP")
    return str(value)


def _request(value: dict[str, Any]) -> HttpRequest:
    if not isinstance(value.get("headers") or {}, dict):
        raise UsageError("http.headers is a mapping")
    request = request_from_json(value)
    if not _TOKEN.fullmatch(request.method):
        raise UsageError(f"http.method {request.method!r} isn't a method")
    if not request.path.startswith("/") or not request.path.isprintable() or " " in request.path:
        raise UsageError(f"http.path {request.path!r} isn't a path", "it begins with / and has no spaces")
    for name, said in (("host", request.host), *request.headers):
        if not _TOKEN.fullmatch(name) or _UNPRINTABLE.search(said):
            raise UsageError(f"http: {name!r} isn't a header, or its value spans lines")
    return request


def _token(value: dict[str, Any]) -> Jwt:
    if not isinstance(value.get("claims") or {}, dict):
        raise UsageError("jwt.claims is a mapping")
    if not isinstance(value.get("aud") or [], str | list):
        raise UsageError("jwt.aud is an audience or a list of them")
    return token_from_json(value)
