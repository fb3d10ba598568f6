"""A service's database: connections, and a thread that migrates it whenever it is empty."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from meshtui.sandbox.bookstore.migrate import Changeset, migrate
from meshtui.sandbox.bookstore.web import log
from meshtui.sandbox.podnet import PodNetwork, UnknownNameError

_RETRY_S = 0.25
_RETRY_AT_MOST_S = 1.0


class DatabaseUnavailableError(Exception):
    """The database can't be reached, or isn't migrated."""


class Database:
    """One database behind a URL ``postgresql://USER@HOST:PORT/NAME``.

    A thread holds a connection open (``keep``): when it breaks, the database was restarted, and is empty. Each request opens
    its own connection, so that policies apply to it as they are at that moment.
    """

    def __init__(self, network: PodNetwork, url: str, steps: list[Changeset]) -> None:
        self._network = network
        self._url = url
        self._steps = steps
        self._ready = threading.Event()

    @property
    def ready(self) -> bool:
        """Whether the database is reachable and has all changesets."""
        return self._ready.is_set()

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection for one request; committed at the end, rolled back on an exception."""
        try:
            connection = self._connect()
        except (psycopg.OperationalError, UnknownNameError) as error:
            raise DatabaseUnavailableError(f"{self._url}: {error}") from error
        try:
            with connection:
                yield connection
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable) as error:
            raise DatabaseUnavailableError(f"{self._url}: {error}") from error

    def keep(self, on_ready: Callable[[psycopg.Connection[Any]], None] | None = None) -> None:
        """Start the thread. ``on_ready`` is called after each migration, with the thread's connection."""
        threading.Thread(target=self._keep, args=(on_ready,), name="database-keeper", daemon=True).start()

    def _connect(self, **options: Any) -> psycopg.Connection[Any]:
        connection: psycopg.Connection[Any] = psycopg.connect(**self._network.postgres(self._url), **options)
        connection.prepare_threshold = None
        return connection

    def _keep(self, on_ready: Callable[[psycopg.Connection[Any]], None] | None) -> None:
        pause = threading.Event()
        wait_s, last_words = _RETRY_S, ""
        while True:
            try:
                with self._connect(autocommit=True) as connection:
                    for name in migrate(connection, self._steps):
                        log(f"ran changeset {name}", database=self._url)
                    if on_ready is not None:
                        on_ready(connection)
                    self._ready.set()
                    wait_s, last_words = _RETRY_S, ""
                    for _ in connection.notifies():
                        pass
            except (psycopg.Error, UnknownNameError, ValueError) as error:
                words = " ".join(str(error).split())
                if words != last_words:
                    log(f"no database: {words}", level="WARN", database=self._url)
                    last_words = words
            finally:
                self._ready.clear()
            pause.wait(wait_s)
            wait_s = min(wait_s * 2, _RETRY_AT_MOST_S)
