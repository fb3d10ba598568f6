"""Limits how many bytes of answers are in memory at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class InFlight:
    """Room for bytes. The reader that began first always gets what it asks for, so that readers never wait for each other."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[object, int] = {}
        self._changed = asyncio.Condition()

    @property
    def held(self) -> int:
        """How many bytes all readers hold."""
        return sum(self._held.values())

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
        """A function that waits until this reader may hold so many bytes. At the end it holds none."""
        me = object()
        self._held[me] = 0

        async def hold(total: int) -> None:
            async with self._changed:
                await self._changed.wait_for(lambda: self._may_hold(me, total))
                self._held[me] = max(self._held[me], total)

        try:
            yield hold
        finally:
            del self._held[me]
            async with self._changed:
                self._changed.notify_all()

    def _may_hold(self, reader: object, total: int) -> bool:
        return next(iter(self._held)) is reader or self.held - self._held[reader] + total <= self._limit
