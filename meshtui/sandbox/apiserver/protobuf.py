r"""Kubernetes' protobuf bodies, for the few kinds that kubectl's typed clients send (``create namespace``, ``auth can-i``).

The envelope is the magic ``k8s\\0`` and a ``runtime.Unknown``; field numbers are those of the ``generated.proto`` files.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from meshtui.sandbox.apiserver.errors import ApiError

MAGIC = b"k8s\0"

# What a field holds: "s" string, "i" integer, "b" boolean, "ss" strings, "map" string to string, "bytes" string to bytes,
# a dict: one message; a list of one dict: repeated messages.
_Fields = dict[int, tuple[str, Any]]

_META: _Fields = {
    1: ("name", "s"),
    2: ("generateName", "s"),
    3: ("namespace", "s"),
    5: ("uid", "s"),
    6: ("resourceVersion", "s"),
    11: ("labels", "map"),
    12: ("annotations", "map"),
    14: ("finalizers", "ss"),
}
_METADATA: tuple[str, Any] = ("metadata", _META)
_DELETE: _Fields = {
    1: ("gracePeriodSeconds", "i"),
    2: ("preconditions", {1: ("uid", "s"), 2: ("resourceVersion", "s")}),
    3: ("orphanDependents", "b"),
    4: ("propagationPolicy", "s"),
    5: ("dryRun", "ss"),
}
_RULES: tuple[str, Any] = (
    "rules",
    [
        {
            1: ("verbs", "ss"),
            2: ("apiGroups", "ss"),
            3: ("resources", "ss"),
            4: ("resourceNames", "ss"),
            5: ("nonResourceURLs", "ss"),
        }
    ],
)
_BINDING: _Fields = {
    1: _METADATA,
    2: ("subjects", [{1: ("kind", "s"), 2: ("apiGroup", "s"), 3: ("name", "s"), 4: ("namespace", "s")}]),
    3: ("roleRef", {1: ("apiGroup", "s"), 2: ("kind", "s"), 3: ("name", "s")}),
}
_RESOURCE: _Fields = {
    1: ("namespace", "s"),
    2: ("verb", "s"),
    3: ("group", "s"),
    4: ("version", "s"),
    5: ("resource", "s"),
    6: ("subresource", "s"),
    7: ("name", "s"),
}
_ACCESS: _Fields = {1: ("resourceAttributes", _RESOURCE), 2: ("nonResourceAttributes", {1: ("path", "s"), 2: ("verb", "s")})}

_KINDS: dict[str, _Fields] = {
    "Namespace": {1: _METADATA},
    "ServiceAccount": {1: _METADATA},
    "ConfigMap": {1: _METADATA, 2: ("data", "map"), 3: ("binaryData", "bytes"), 4: ("immutable", "b")},
    "Secret": {1: _METADATA, 2: ("data", "bytes"), 3: ("type", "s"), 4: ("stringData", "map")},
    "Role": {1: _METADATA, 2: _RULES},
    "ClusterRole": {1: _METADATA, 2: _RULES},
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": _BINDING,
    "DeleteOptions": _DELETE,
    "Eviction": {1: _METADATA, 2: ("deleteOptions", _DELETE)},
    "SelfSubjectAccessReview": {1: _METADATA, 2: ("spec", _ACCESS)},
    "SelfSubjectRulesReview": {1: _METADATA, 2: ("spec", {1: ("namespace", "s")})},
    "SelfSubjectReview": {1: _METADATA},
    "TokenRequest": {1: _METADATA, 2: ("spec", {1: ("audiences", "ss"), 4: ("expirationSeconds", "i")})},
}
_ENVELOPE: _Fields = {1: ("type", {1: ("apiVersion", "s"), 2: ("kind", "s")}), 2: ("raw", "raw")}


def decode(data: bytes) -> dict[str, Any]:
    """Decode a protobuf body to the JSON object. Raises ``ApiError`` 415 for an unknown kind."""
    try:
        envelope = _message(data.removeprefix(MAGIC), _ENVELOPE)
        about: dict[str, Any] = envelope.get("type", {})
        fields = _KINDS.get(about.get("kind", ""))
        body = None if fields is None or not data.startswith(MAGIC) else _message(envelope.get("raw", b""), fields)
    except (IndexError, UnicodeDecodeError) as error:
        raise ApiError(400, f"the protobuf body can't be read: {error}") from error
    if body is None:
        raise ApiError(
            415,
            "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml",
        )
    return about | body


def _message(data: bytes, fields: _Fields) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for number, value in _pairs(data):
        if number in fields:
            name, holds = fields[number]
            _put(result, name, holds, value)
    return result


def _put(result: dict[str, Any], name: str, holds: Any, value: int | bytes) -> None:
    if isinstance(value, int):
        if holds in ("i", "b"):
            result[name] = bool(value) if holds == "b" else value
    elif isinstance(holds, dict):
        result[name] = _message(value, holds)
    elif isinstance(holds, list):
        result.setdefault(name, []).append(_message(value, holds[0]))
    elif holds == "ss":
        result.setdefault(name, []).append(value.decode())
    elif holds in ("map", "bytes"):
        pair = dict(_pairs(value))
        key, item = (part if isinstance(part, bytes) else b"" for part in (pair.get(1, b""), pair.get(2, b"")))
        text = item.decode() if holds == "map" else base64.b64encode(item).decode()
        result.setdefault(name, {})[key.decode()] = text
    elif holds == "raw":
        result[name] = value
    elif value:
        result[name] = value.decode()


def _pairs(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Pairs of field number and value: varints as int, length-delimited values as bytes; fixed-size values are skipped."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
        elif wire == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise IndexError("it ends too early")
            yield tag >> 3, data[at : at + size]
            at += size
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise IndexError(f"wire type {wire}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return value, at
