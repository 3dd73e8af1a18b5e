"""The engine's events as a block: however it is left, the follower is gone afterwards."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from codencer.engine import Engine
from codencer.model.event import Event


@asynccontextmanager
async def following(
    engine: Engine, *, after: int = 0, run: str | None = None, step: str | None = None
) -> AsyncIterator[AsyncIterator[Event]]:
    """Every event behind `after`, then each new one, until the daemon stops."""
    events = engine.events(after=after, run=run, step=step)
    assert isinstance(events, AsyncGenerator)
    async with aclosing(events):
        yield events
