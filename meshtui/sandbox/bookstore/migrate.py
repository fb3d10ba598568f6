"""Numbered SQL changesets, and the table that records which of them a database has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

_LOCK = 728_114
"""The number of the advisory lock that makes replicas migrate one after the other."""


@dataclass(frozen=True, slots=True)
class Changeset:
    """One changeset: ``number`` is its order, ``name`` that of its file without the suffix."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """A checksum, which detects changesets that were edited after they ran."""
        return hashlib.sha256(self.sql.encode()).hexdigest()[:16]


def changesets(service: str, last: int | None = None) -> list[Changeset]:
    """The changesets of a service in order, up to number ``last``."""
    found = []
    for entry in files("meshtui.sandbox.bookstore").joinpath("migrations", service).iterdir():
        if not entry.name.endswith(".sql"):
            continue
        number = int(entry.name.split("-", 1)[0])
        if last is None or number <= last:
            found.append(Changeset(number, entry.name.removesuffix(".sql"), entry.read_text("utf-8")))
    return sorted(found, key=lambda changeset: changeset.number)


def migrate(connection: Connection[Any], steps: list[Changeset]) -> list[str]:
    """Run the missing changesets, each in its own transaction, and return their names.

    Raises ValueError if a changeset was edited after it ran.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(
            "create table if not exists changelog ("
            " name text primary key, checksum text not null, executed_at timestamptz not null default now())"
        )
    ran = []
    for step in steps:
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            row = connection.execute("select checksum from changelog where name = %s", (step.name,)).fetchone()
            if row is None:
                connection.execute(step.sql.encode())
                connection.execute("insert into changelog (name, checksum) values (%s, %s)", (step.name, step.checksum))
                ran.append(step.name)
            elif row[0] != step.checksum:
                raise ValueError(f"changeset {step.name} was edited after it ran")
    return ran
