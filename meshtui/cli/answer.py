"""An answer before it has a form: what it says as data, as rows, and in the forms that are its command's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: what it says of a record. ``wide``: only in the wide table and in CSV."""

    title: str
    cell: Callable[[Record], str]
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found.

    ``document`` is the JSON answer of the contracts; ``records`` are its rows, for tables and JSON lines; ``names`` gives the
    references of what a record is about (NS/KIND/NAME, as other commands take them); ``own`` are forms that only this command
    has, as functions that give the text.
    """

    document: Any = None
    records: Sequence[Record] = ()
    columns: Sequence[Column] = ()
    names: Callable[[Record], Iterable[str]] = lambda _: ()
    own: Mapping[str, Callable[[], str]] = field(default_factory=dict)

    def rows(self, *, wide: bool) -> list[list[str]]:
        """The titles, then a row a record."""
        shown = [column for column in self.columns if wide or not column.wide]
        return [[column.title for column in shown], *([column.cell(record) for column in shown] for record in self.records)]


def key(name: str) -> Callable[[Record], str]:
    """The cell that shows one member of a record; null is an empty cell."""

    def cell(record: Record) -> str:
        found = record.get(name)
        return "" if found is None else str(found)

    return cell


def object_name(found: Mapping[str, Any] | None) -> str:
    """An object of the JSON answers as a reference, with its rule where it has one."""
    if not found:
        return ""
    parts = (found.get("namespace"), found.get("kind"), found.get("name"))
    rule = f" {found['rule']}" if found.get("rule") else ""
    return "/".join(str(part) for part in parts if part) + rule


def end_name(found: Mapping[str, Any] | None) -> str:
    """One end of a flow of the JSON answers, as a reference with its port."""
    if not found:
        return ""
    port = f":{found['port']}" if found.get("port") else ""
    if found.get("external"):
        return "external"
    if "service" in found:
        namespace, _, name = str(found["service"]).partition("/")
        return f"{namespace}/svc/{name}{port}"
    return str(found.get("pod") or found.get("workload") or found.get("ip") or "") + port
