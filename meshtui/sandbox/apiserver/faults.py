"""Switches that make the API server misbehave, for tests and demonstrations."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

from meshtui.sandbox.apiserver.errors import ApiError


class FaultSwitches(BaseModel):
    """The active faults; none by default.

    ``error``: HTTP status for every request on a kind (500, 503, …); ``too_many``: 429 with ``retry_after_s``, for that many
    requests (-1: always); ``delay_s``: delay before each answer; ``unauthorized_after_s``: 401 after that time; ``hidden``:
    plurals that are not installed; ``forbidden``: ``verb plural`` pairs, ``*`` for any verb. ``only``: plurals to which
    ``error``, ``too_many`` and ``delay_s`` are limited.
    """

    model_config = ConfigDict(extra="forbid")

    error: int | None = None
    too_many: int = 0
    retry_after_s: int = 1
    delay_s: float = 0.0
    unauthorized_after_s: float | None = None
    hidden: list[str] = []
    forbidden: list[str] = []
    only: list[str] = []


class Faults:
    """The switches, and two actions: breaking watches, and expiring the history."""

    def __init__(self, compact: Callable[[], None], cut_streams: Callable[[], None]) -> None:
        self.switches = FaultSwitches()
        self._compact = compact
        self._cut_streams = cut_streams
        self._since = time.monotonic()

    def set(self, **switches: Any) -> None:
        """Set some switches (see ``FaultSwitches``); the others keep their values."""
        self.switches = FaultSwitches.model_validate(self.switches.model_dump() | switches)
        if "unauthorized_after_s" in switches:
            self._since = time.monotonic()

    def clear(self) -> None:
        """Turn all faults off."""
        self.switches = FaultSwitches()

    def cut_watches(self) -> None:
        """Break every open watch and log stream, as a broken connection does."""
        self._cut_streams()

    def compact(self) -> None:
        """Expire the history: watches and list pages from before get 410."""
        self._compact()

    def is_hidden(self, plural: str) -> bool:
        """Whether a kind should appear as not installed."""
        return plural in self.switches.hidden

    def is_forbidden(self, verb: str, plural: str) -> bool:
        """Whether a switch forbids this verb on this kind."""
        return f"{verb} {plural}" in self.switches.forbidden or f"* {plural}" in self.switches.forbidden

    def session_is_over(self) -> bool:
        """Whether credentials have expired."""
        after_s = self.switches.unauthorized_after_s
        return after_s is not None and time.monotonic() - self._since >= after_s

    def trip(self, plural: str) -> None:
        """Raise the error that the switches require for a request on a kind."""
        switches = self.switches
        if switches.only and plural not in switches.only:
            return
        if switches.too_many:
            switches.too_many -= switches.too_many > 0
            details = {"retryAfterSeconds": switches.retry_after_s}
            raise ApiError(429, "the server has received too many requests, please try again later", details=details)
        if switches.error:
            raise ApiError(switches.error, "Internal error occurred: a fault that was asked for")

    def delay_for(self, plural: str) -> float:
        """The delay before answering a request on a kind, in seconds."""
        switches = self.switches
        return 0.0 if switches.only and plural not in switches.only else switches.delay_s
