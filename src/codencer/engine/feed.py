"""Lets any number of readers follow the ledger without polling and without buffers.

A commit wakes the followers it concerns; each then reads the ledger from its own cursor, so
a slow one costs nothing but its own delay.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from codencer.ledger import Ledger
from codencer.model.event import Event

BATCH = 500


@dataclass(eq=False)
class Follower:
    run_id: str | None
    step_id: str | None
    signal: asyncio.Event = field(default_factory=asyncio.Event)

    def concerns(self, event: Event) -> bool:
        return self.run_id in (None, event.run_id) and self.step_id in (None, event.step_id)


class Feed:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._followers: set[Follower] = set()
        self._closed = False

    def observe(self, events: Sequence[Event]) -> None:
        """Wake whom these events concern; called on the event loop."""
        for follower in self._followers:
            if any(follower.concerns(event) for event in events):
                follower.signal.set()

    def close(self) -> None:
        """End every follower's iteration."""
        self._closed = True
        for follower in self._followers:
            follower.signal.set()

    async def follow(
        self, *, after: int, run_id: str | None = None, step_id: str | None = None
    ) -> AsyncIterator[Event]:
        """Yield every event after a sequence number, then each new one as it is committed."""
        follower = Follower(run_id, step_id)
        self._followers.add(follower)
        try:
            while not self._closed:
                follower.signal.clear()
                cursor = after
                batch = await self._ledger.read(
                    lambda queries, cursor=cursor: queries.events(  # type: ignore[misc]  # bound now
                        after=cursor, run_id=run_id, step_id=step_id, limit=BATCH
                    )
                )
                for event in batch:
                    yield event
                    after = event.seq
                if not batch:
                    await follower.signal.wait()
        finally:
            self._followers.discard(follower)
