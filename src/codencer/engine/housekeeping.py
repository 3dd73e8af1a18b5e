"""Giving disk space back on a schedule: a while after the start, then once a day.

One timer, re-armed. What fails is logged and tried again the next day: nothing depends on it.
"""

import asyncio

import structlog

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
    pause = first_after
    while True:
        await asyncio.sleep(pause)
        pause = every
        try:
            lines = await collect_garbage(rooms, dry_run=False)
        except (Infrastructure, OSError):
            log.exception("Garbage could not be collected; it is tried again", event_name="gc.failed")
            continue
        for line in lines:
            log.info(line, event_name="gc.line")
