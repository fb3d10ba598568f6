"""``meshtui schema``: the JSON Schema of what the commands read and answer."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any, get_args, get_origin

from meshtui.cli.command import Command
from meshtui.model.errors import UsageError

if TYPE_CHECKING:
    from meshtui.settings import Settings


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="which answer; without it, the names are listed")


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an answer. Raises UsageError for a name that isn't one."""
    import msgspec

    from meshtui.cli.schemas import SCHEMAS

    if name not in SCHEMAS:
        raise UsageError(f"no schema {name!r}", f"there are {', '.join(sorted(SCHEMAS))}")
    described, words = SCHEMAS[name]
    choices, wrap = _objects(described)
    parts, components = msgspec.json.schema_components(choices, ref_template="#/$defs/{name}")
    shapes = [{"type": "array", "items": part} if many else part for part, many in zip(parts, wrap, strict=True)]
    body = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"meshtui {name}",
        "description": words,
        **body,
        "$defs": components,
    }


def _objects(described: Any) -> tuple[list[Any], list[bool]]:
    """The structs of a union, each with whether it comes as an array (msgspec itself takes no unions of structs)."""
    if isinstance(described, type) and get_origin(described) is None:
        return [described], [False]
    parts = [described] if get_origin(described) is list else list(get_args(described))
    many = [get_origin(part) is list for part in parts]
    return [get_args(part)[0] if is_many else part for part, is_many in zip(parts, many, strict=True)], many


def _run(args: argparse.Namespace, _settings: Settings) -> int:
    from meshtui.cli.schemas import SCHEMAS

    if args.name is None:
        for name, (_, words) in sorted(SCHEMAS.items()):
            sys.stdout.write(f"{name:<10} {words}\n")
        return 0
    sys.stdout.write(json.dumps(schema_of(args.name), ensure_ascii=False, indent=2) + "\n")
    return 0


COMMAND = Command("schema", "the JSON Schema of what the commands answer", _arguments, _run, needs_cluster=False)
