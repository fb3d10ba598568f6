"""A subscription to the store's changes: a queue that never blocks the writer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class Subscription(Generic[T]):
    """Changes from its creation on, one by one (``async for``) or in batches (``batch``)."""

    def __init__(self, plurals: frozenset[str]) -> None:
        self.plurals = plurals
        self._pending: deque[T] = deque()
        self._wake = asyncio.Event()
        self._source: Any = None

    def push(self, item: T) -> None:
        """Add one change."""
        self._pending.append(item)
        self._wake.set()

    async def batch(self, timeout_s: float | None = None) -> list[T]:
        """All pending changes, after waiting for the first; empty after ``timeout_s`` seconds without one."""
        if not self._pending:
            self._wake.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
            except TimeoutError:
                return []
        items = list(self._pending)
        self._pending.clear()
        return items

    def mapped(self, convert: Callable[[T], U]) -> Subscription[U]:
        """The same changes, converted. The new subscription keeps a reference to this one."""
        return _Mapped(self, convert)

    def __aiter__(self) -> Subscription[T]:
        """Iterate over changes."""
        return self

    async def __anext__(self) -> T:
        """Wait for the next change."""
        while not self._pending:
            self._wake.clear()
            await self._wake.wait()
        return self._pending.popleft()


class _Mapped(Subscription[U], Generic[T, U]):
    """A view of another subscription."""

    def __init__(self, source: Subscription[T], convert: Callable[[T], U]) -> None:
        super().__init__(source.plurals)
        self._of = source
        self._convert = convert

    async def batch(self, timeout_s: float | None = None) -> list[U]:
        """See ``Subscription.batch``."""
        return [self._convert(item) for item in await self._of.batch(timeout_s)]

    async def __anext__(self) -> U:
        """Wait for the next change."""
        return self._convert(await self._of.__anext__())
