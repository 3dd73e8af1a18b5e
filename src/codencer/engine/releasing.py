"""Last stage: the workspace goes, once nothing in it is anybody's only copy.

It may be interrupted anywhere: what is recorded as released is gone, and what is not is released
again at the next start.
"""

import asyncio

import structlog

from codencer.engine.layout import Layout, snapshot_ref
from codencer.engine.rooms import Rooms, Trip, the_step
from codencer.errors import CodencerError, StorageFailed
from codencer.ledger import Queries
from codencer.model.event import EventKind
from codencer.process.folder import discard
from codencer.workspace.refs import read_ref
from codencer.workspace.release import empty_trash, release

log = structlog.get_logger()


async def release_workspace(trip: Trip) -> None:
    """Give the disk space back, unless the snapshot is not whole or something may still be at work."""
    snapshot, record = trip.attempt.snapshot, trip.attempt.exit
    if trip.attempt.released or snapshot is None or not snapshot.complete:
        return
    if record is not None and record.survivors:
        return
    await asyncio.to_thread(_clear, trip.rooms.layout, trip.attempt.id)
    await trip.record((EventKind.WORKSPACE_RELEASED, {}))


def _clear(layout: Layout, attempt_id: str) -> None:
    release(layout.workspace(attempt_id), layout.trash)
    discard(layout.attempt_folder(attempt_id))
    try:
        empty_trash(layout.trash)
    except StorageFailed as problem:
        log.warning("not all trash could be deleted", event_name="trash.left", problem=str(problem))


async def finish_releases(rooms: Rooms) -> None:
    """Release what an earlier daemon settled and had no time to release."""

    def read(queries: Queries) -> list[Trip]:
        attempts = queries.unreleased_attempts()
        return [Trip(rooms, the_step(queries, attempt.step_id), attempt) for attempt in attempts]

    for trip in await rooms.ledger.read(read):
        try:
            if await asyncio.to_thread(_is_safe, trip):
                await release_workspace(trip)
        except (CodencerError, OSError):
            log.exception("a workspace is kept", event_name="release.failed", attempt=trip.attempt.id)


def _is_safe(trip: Trip) -> bool:
    """Whether the snapshot still has its ref; that was certain only while the attempt was under way."""
    snapshot, ref = trip.attempt.snapshot, snapshot_ref(trip.attempt.id)
    return snapshot is not None and read_ref(trip.rooms.store, ref) == snapshot.commit
