"""The event stream: GET /events as server-sent events, replayed from a cursor and then followed.

The reader pulls: an event is taken from the ledger when the one before it has been written, so a
slow reader costs nothing but its place. The cursor is the event's sequence number.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from codencer.api.access import PREFIX, is_local
from codencer.api.answers import encode_json
from codencer.api.feed import following
from codencer.api.openapi import stream
from codencer.engine import Engine
from codencer.errors import InvalidInput
from codencer.model.event import Event, EventKind

PULSE_SECONDS = 20.0
"""Over TCP a comment keeps middle boxes from closing a silent connection."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in the record a reader is, and what it is about."""

    after: int
    run: str | None
    step: str | None


def router(engine: Engine) -> APIRouter:
    routes = APIRouter(prefix=PREFIX, tags=["events"])

    @routes.get("/events", responses=stream("text/event-stream", "One event each, for ever."))
    async def follow(
        request: Request,
        after: Annotated[int, Query(ge=0)] = 0,
        run: str | None = None,
        step: str | None = None,
        kinds: str | None = None,
        last_event_id: Annotated[int | None, Header(ge=0)] = None,
    ) -> Response:
        """Replay the events behind `after` (or Last-Event-ID), then follow.

        `kinds` is a comma-separated choice of event kinds.
        """
        wanted = _kinds(kinds)
        if run is not None:
            run = (await engine.get_run(run)).id
        if step is not None:
            step = (await engine.get_step(step)).id
        cursor = after if last_event_id is None else last_event_id
        pulse = None if is_local(request.scope) else PULSE_SECONDS
        return StreamingResponse(
            _stream(engine, Place(after=cursor, run=run, step=step), wanted, pulse),
            media_type="text/event-stream",
            headers={"cache-control": "no-store"},
        )

    return routes


async def _stream(
    engine: Engine, place: Place, wanted: frozenset[EventKind], pulse: float | None
) -> AsyncIterator[bytes]:
    yield b": events\n\n"
    async with following(engine, after=place.after, run=place.run, step=place.step) as events:
        async for event in events if pulse is None else _pulsing(events, pulse):
            if event is None:
                yield b": still here\n\n"
            elif event.kind in wanted:
                yield b"id: %d\nevent: %s\ndata: %s\n\n" % (
                    event.seq,
                    event.kind.value.encode(),
                    encode_json(event),
                )


async def _pulsing(source: AsyncIterator[Event], seconds: float) -> AsyncIterator[Event | None]:
    """Yield from `source`, and None after each so many idle seconds."""
    following: asyncio.Task[Event | None] = asyncio.ensure_future(_next(source))
    try:
        while True:
            done, _ = await asyncio.wait((following,), timeout=seconds)
            if not done:
                yield None
            elif (event := following.result()) is None:
                return
            else:
                yield event
                following = asyncio.ensure_future(_next(source))
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _next(source: AsyncIterator[Event]) -> Event | None:
    return await anext(source, None)


def _kinds(text: str | None) -> frozenset[EventKind]:
    if text is None:
        return frozenset(EventKind)
    try:
        return frozenset(EventKind(name) for name in text.split(","))
    except ValueError as problem:
        raise InvalidInput(f"{problem}; the kinds are {', '.join(EventKind)}") from problem
