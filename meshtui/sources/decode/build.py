"""Decode one object, and put objects together into a Snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from meshtui.model.errors import ClusterError
from meshtui.model.snapshot import Problem
from meshtui.sources.decode.common import unknown_fields
from meshtui.sources.decode.registry import Kind

_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {}
_SPECS: dict[str, type[Any]] = {}


def decode_json(kind: Kind, raw: bytes | msgspec.Raw, origin: str = "") -> Any:
    """One object of a kind from its JSON, with where it comes from.

    Raises msgspec.ValidationError (a ValueError) whose message names the path, for an object that isn't of that shape.
    """
    decoder = _DECODERS.get(kind.name)
    if decoder is None:
        decoder = _DECODERS[kind.name] = msgspec.json.Decoder(kind.wire)
    converted = decoder.decode(raw)
    if not kind.checked:
        return kind.convert(converted, origin=origin)
    return kind.convert(converted, origin=origin, unmodelled=_unmodelled(kind, msgspec.json.decode(raw)))


class _Items(msgspec.Struct):
    items: list[msgspec.Raw] | None = None


def decode_list(kind: Kind, raw: bytes) -> list[Any]:
    """All objects of a List that are of their kind's shape; the others are left out."""
    found = []
    for item in msgspec.json.decode(raw, type=_Items).items or ():
        try:
            found.append(decode_json(kind, item))
        except msgspec.ValidationError:
            continue
    return found


def decode_all(kind: Kind, raw: bytes) -> list[Any]:
    """All objects of a List. Raises ClusterError for one that isn't of its kind's shape: who needs all must know."""
    try:
        return [decode_json(kind, item) for item in msgspec.json.decode(raw, type=_Items).items or ()]
    except (msgspec.DecodeError, ValueError) as error:
        raise ClusterError(f"{kind.resource} can't be read: {error}") from error


def decode_plain(kind: Kind, raw: Mapping[str, Any], origin: str = "") -> Any:
    """One object of a kind from plain data (YAML), with where it comes from.

    Raises msgspec.ValidationError (a ValueError) whose message names the path, for an object that isn't of that shape.
    """
    converted = msgspec.convert(raw, kind.wire)
    if not kind.checked:
        return kind.convert(converted, origin=origin)
    return kind.convert(converted, origin=origin, unmodelled=_unmodelled(kind, raw))


_UNREADABLE: Mapping[str, Mapping[str, Any]] = {
    "NetworkPolicy": {"policy_types": ("(unreadable)",)},
    "AuthorizationPolicy": {"action": "(unreadable)"},
    "PeerAuthentication": {},
}


def decode_unreadable(kind: Kind, raw: Any, why: Problem, origin: str = "") -> Any:
    """What stands for a policy whose spec isn't of its kind's shape, or None for other kinds and without a name.

    It isolates and allows nobody, but what it would decide is unknown, and that is said: never a silent allow.
    """
    if kind.name not in _UNREADABLE or not isinstance(raw, Mapping):
        return None
    try:
        bare = msgspec.convert({"metadata": raw.get("metadata")}, kind.wire)
    except msgspec.ValidationError:
        return None
    if not bare.metadata.name:
        return None
    made = kind.convert(bare, origin=origin, unmodelled=(f"{why.path or 'spec'} ({why.reason})",))
    return replace(made, **_UNREADABLE[kind.name])


def _unmodelled(kind: Kind, raw: Mapping[str, Any]) -> tuple[str, ...]:
    spec = _SPECS.get(kind.name)
    if spec is None:
        spec = next(f.type for f in msgspec.structs.fields(kind.wire) if f.name == "spec").__args__[0]
        _SPECS[kind.name] = spec
    return unknown_fields(raw.get("spec"), spec)


def problem(where: str, error: ValueError) -> Problem:
    """A msgspec error as a problem: its message ends in `` - at `$.path```."""
    message, _, path = str(error).partition(" - at `")
    return Problem(where, path.rstrip("`").removeprefix("$."), message)
