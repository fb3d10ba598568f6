"""A business application known to findings, in a form that a session uses without importing the application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from meshtui.engine import Engine
from meshtui.findings import Rule
from meshtui.model.snapshot import Snapshot
from meshtui.settings import Settings
from meshtui.sources.kubernetes.api import Api


@dataclass(frozen=True, slots=True)
class Application:
    """One application. The code that composes the program (the command line, the app) passes it to a session and to ``check``.

    ``rules`` are its findings; their pages are in the folder ``pages`` of ``package``. ``pods`` returns the UIDs of the pods that
    its evidence is about: the evidence is valid until this set changes. ``gather`` reads evidence for its rules, without changing
    anything. ``unasked`` returns whether the settings permit this without a request by the user. ``key`` and ``helps`` describe
    what the user can do when there is no evidence.
    """

    name: str
    package: str
    rules: tuple[Rule, ...]
    pods: Callable[[Snapshot, Settings], frozenset[str]]
    gather: Callable[[Api, Settings, Engine], Awaitable[object | None]]
    unasked: Callable[[Settings], bool] = lambda _: False
    key: str = ""
    helps: str = ""
