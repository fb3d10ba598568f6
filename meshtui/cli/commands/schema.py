"""``meshtui schema``: the JSON Schema of the answers, and of the input of ``predict``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args, get_origin

import click

from meshtui.cli.command import command
from meshtui.cli.complete import schema_names

if TYPE_CHECKING:
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    name: str | None
    output: str


PARAMS = [
    click.Argument(
        ["name"],
        metavar="NAME",
        required=False,
        help="which answer; without it, the names are listed",
        shell_complete=schema_names,
    )
]


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an answer. Raises UsageError for an unknown name."""
    import msgspec

    from meshtui.cli.closest import did_you_mean
    from meshtui.cli.schemas import SCHEMAS
    from meshtui.model.errors import UsageError

    if name not in SCHEMAS:
        raise UsageError(f"no schema {name!r}{did_you_mean(name, SCHEMAS)}", f"there are {', '.join(sorted(SCHEMAS))}")
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
    """The structs of a union, each with whether it is in an array (msgspec doesn't support unions of structs)."""
    if isinstance(described, type) and get_origin(described) is None:
        return [described], [False]
    parts = [described] if get_origin(described) is list else list(get_args(described))
    many = [get_origin(part) is list for part in parts]
    return [get_args(part)[0] if is_many else part for part, is_many in zip(parts, many, strict=True)], many


def _run(words: Words, _settings: Settings) -> int:
    from meshtui.cli.answer import Answer, Column, key
    from meshtui.cli.formats import write
    from meshtui.cli.schemas import SCHEMAS
    from meshtui.model.errors import UsageError

    if words.name is None:
        rows = [{"name": name, "description": described} for name, (_, described) in sorted(SCHEMAS.items())]
        listing = "".join(f"{row['name']:<13} {row['description']}\n" for row in rows)
        columns = (Column("NAME", key("name")), Column("DESCRIPTION", key("description")))
        write(Answer(rows, rows, columns, lambda row: [row["name"]], {"text": lambda: listing}), words.output)
        return 0
    schema = schema_of(words.name)
    output = "json" if words.output == "text" else words.output
    if output not in {"json", "yaml"}:
        raise UsageError(f"a schema can't be printed as {output}", "-o json or yaml")
    write(Answer(schema), output)
    return 0


COMMAND = command(
    "schema",
    "the JSON Schema of what the commands answer",
    PARAMS,
    Words,
    _run,
    outputs=("text", "table", "json", "yaml", "name"),
)
