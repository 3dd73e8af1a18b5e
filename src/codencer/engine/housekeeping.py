"""What is done on a schedule: gates that have expired are closed, and disk space is given back.

A while after the start, then once a day, by one timer that is re-armed. What fails is logged and tried
again the next day: nothing depends on it.
"""

import asyncio

import structlog

from codencer.engine.approval import expire_gates
from codencer.engine.rooms import Rooms
from codencer.engine.storage import collect_garbage
from codencer.errors import Infrastructure

log = structlog.get_logger()

FIRST_AFTER_SECONDS = 60.0
"""A daemon that has just started has agents to adopt and clients to answer."""
EVERY_SECONDS = 24 * 3600.0


async def keep_house(
    rooms: Rooms, *, first_after: float = FIRST_AFTER_SECONDS, every: float = EVERY_SECONDS
) -> None:
    """Collect garbage again and again until cancelled."""
    due = asyncio.Event()
    loop = asyncio.get_running_loop()
    timer = loop.call_later(first_after, due.set)
    try:
        while await due.wait():
            due.clear()
            await _once(rooms)
            timer = loop.call_later(every, due.set)
    finally:
        timer.cancel()


async def _once(rooms: Rooms) -> None:
    try:
        lines = [*await expire_gates(rooms), *await collect_garbage(rooms, dry_run=False)]
    except (Infrastructure, OSError):
        log.exception("Garbage could not be collected; it is tried again", event_name="gc.failed")
        return
    for line in lines:
        log.info(line, event_name="gc.line")
