"""The answer of a command, before it is formatted: JSON data, rows, and formats of the command's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: the cell of a record. ``wide``: only in the wide table and in CSV."""

    title: str
    cell: Callable[[Record], str]
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found.

    ``document`` is the JSON answer (docs/contracts.md, JSON answers); ``records`` are its rows, for tables and JSON lines;
    ``names`` returns the references to the objects of a record (NS/KIND/NAME, as other commands accept them); ``own`` are
    formats that only this command has, as functions that return the text.
    """

    document: Any = None
    records: Sequence[Record] = ()
    columns: Sequence[Column] = ()
    names: Callable[[Record], Iterable[str]] = lambda _: ()
    own: Mapping[str, Callable[[], str]] = field(default_factory=dict)

    def rows(self, *, wide: bool) -> list[list[str]]:
        """The titles, then one row per record."""
        shown = [column for column in self.columns if wide or not column.wide]
        return [[column.title for column in shown], *([column.cell(record) for column in shown] for record in self.records)]


def key(name: str) -> Callable[[Record], str]:
    """A function that returns the cell of one member of a record; null is an empty cell."""

    def cell(record: Record) -> str:
        found = record.get(name)
        return "" if found is None else str(found)

    return cell


def object_name(found: Mapping[str, Any] | None) -> str:
    """An object of a JSON answer as a reference, with its rule if it has one."""
    if not found:
        return ""
    kind = f"{found['kind']}.{found['group']}" if found.get("group") else found.get("kind")
    parts = (found.get("namespace"), kind, found.get("name"))
    rule = f" {found['rule']}" if found.get("rule") else ""
    return "/".join(str(part) for part in parts if part) + rule


def end_name(found: Mapping[str, Any] | None) -> str:
    """One end of a flow of a JSON answer as a reference with its port."""
    if not found:
        return ""
    port = f":{found['port']}" if found.get("port") else ""
    if found.get("external"):
        return "external"
    if "service" in found:
        namespace, _, name = str(found["service"]).partition("/")
        return f"{namespace}/svc/{name}{port}"
    return str(found.get("pod") or found.get("workload") or found.get("ip") or "") + port
