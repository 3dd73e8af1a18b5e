"""A lock that many may hold together, or one alone.

Whoever waits to be alone is not starved: nobody joins the others meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class SharedLock:
    """Used from one event loop."""

    def __init__(self) -> None:
        self._door = asyncio.Lock()
        self._holders = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Hold it beside others."""
        async with self._door:
            self._holders += 1
            self._empty.clear()
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold it when nobody else does."""
        async with self._door:
            await self._empty.wait()
            yield
