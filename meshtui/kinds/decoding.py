"""Decodes objects, and builds Snapshots from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from meshtui.kinds.convert import conditions, unknown_fields, whole
from meshtui.kinds.kind import Kind
from meshtui.model.snapshot import Problem

_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {}
_SPECS: dict[str, type[Any]] = {}


def decode_json(kind: Kind, raw: bytes | msgspec.Raw, origin: str = "") -> Any:
    """Decode and convert one object from JSON; ``origin`` is where it comes from.

    Raises msgspec.ValidationError (a ValueError) whose message names the path, if the object doesn't have the kind's structure.
    """
    decoder = _DECODERS.get(kind.name)
    if decoder is None:
        decoder = _DECODERS[kind.name] = msgspec.json.Decoder(kind.wire)
    converted = decoder.decode(raw)
    if not kind.checked and not kind.reports:
        return kind.convert(converted, origin=origin)
    return _converted(kind, converted, msgspec.json.decode(raw), origin)


def decode_plain(kind: Kind, raw: Mapping[str, Any], origin: str = "") -> Any:
    """Convert one object from plain data (YAML); ``origin`` is where it comes from.

    Raises msgspec.ValidationError (a ValueError) whose message names the path, if the object doesn't have the kind's structure.
    """
    converted = msgspec.convert(raw, kind.wire)
    return _converted(kind, converted, raw, origin)


def _converted(kind: Kind, converted: Any, raw: Mapping[str, Any], origin: str) -> Any:
    """The object of the model, with the fields that aren't modelled, and with the conditions of its status."""
    more = {"unmodelled": _unmodelled(kind, raw)} if kind.checked else {}
    made = kind.convert(converted, origin=origin, **more)
    metadata = raw.get("metadata")
    if not kind.reports or not isinstance(metadata, Mapping):
        return made
    found, generation = conditions(raw.get("status")), whole(metadata.get("generation"))
    return replace(made, meta=replace(made.meta, conditions=found, generation=generation)) if found or generation else made


def decode_unreadable(kind: Kind, raw: Any, why: Problem, origin: str = "") -> Any:
    """A stand-in for a policy whose spec can't be decoded; None for other kinds, and for objects without a name.

    The stand-in isolates and allows nothing, and makes every verdict that the policy may affect unknown, never allowed.
    """
    if kind.unreadable is None or not isinstance(raw, Mapping):
        return None
    try:
        bare = msgspec.convert({"metadata": raw.get("metadata")}, kind.wire)
    except msgspec.ValidationError:
        return None
    if not bare.metadata.name:
        return None
    made = kind.convert(bare, origin=origin, unmodelled=(f"{why.path or 'spec'} ({why.reason})",))
    return replace(made, **kind.unreadable)


def _unmodelled(kind: Kind, raw: Mapping[str, Any]) -> tuple[str, ...]:
    spec = _SPECS.get(kind.name)
    if spec is None:
        spec = next(f.type for f in msgspec.structs.fields(kind.wire) if f.name == "spec").__args__[0]
        _SPECS[kind.name] = spec
    return unknown_fields(raw.get("spec"), spec)


def problem(where: str, error: ValueError) -> Problem:
    """Convert a msgspec error, whose message ends in `` - at `$.path```, to a Problem."""
    message, _, path = str(error).partition(" - at `")
    return Problem(where, path.rstrip("`").removeprefix("$."), message)


def undecoded(why: Problem) -> str:
    """What is said of a kind of which an object is missing, because it can't be decoded."""
    return f"{why.where} can't be decoded: {why.path + ': ' if why.path else ''}{why.reason}"
