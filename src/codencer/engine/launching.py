"""Starting supervised processes and waiting for them, with a stop that reaches the whole tree."""

import asyncio
from pathlib import Path

from codencer.engine.layout import launch_number
from codencer.engine.memory_cap import explained
from codencer.engine.rooms import Trip
from codencer.model.launch import ExitReason, ExitRecord
from codencer.process.launches import Launcher, Order

MOST_TRIES = 3
"""For a launch whose supervisor is killed again and again, as by a lack of memory."""


class Interrupted(Exception):
    """A hook or a validation was cut off and left no exit record: it is to be done once more."""


async def supervise(trip: Trip, folder: Path, order: Order) -> ExitRecord | None:
    """Start one tree that may be repeated and return its exit record, or None when there is none.

    Raises:
        Interrupted: its supervisor left none or never came up, for the first times.
    """
    await asyncio.to_thread(trip.rooms.launcher.start, folder, order)
    record = await watch(trip, folder, order.marker)
    vanished = record is None and launch_number(folder.name) < MOST_TRIES
    if not trip.cancelled and (vanished or await never_came_up(trip, folder, record)):
        raise Interrupted
    return record


async def never_came_up(trip: Trip, folder: Path, record: ExitRecord | None) -> bool:
    """Whether a launch is to be made again: its supervisor died before its claim, for the first times."""
    if record is None or record.reason is not ExitReason.NOT_STARTED:
        return False
    if launch_number(folder.name) >= MOST_TRIES:
        return False
    return await asyncio.to_thread(never_began, trip.rooms.launcher, folder)


async def watch(trip: Trip, folder: Path, marker: str) -> ExitRecord | None:
    """Wait until a launch is over; a stop of the trip, or the memory cap, stops its whole tree."""
    launcher = trip.rooms.launcher
    finished = asyncio.ensure_future(launcher.finished(folder))
    stopping = asyncio.ensure_future(trip.stop.wait())
    try:
        with trip.rooms.memory_cap.over(folder, trip.step.frozen.memory_cap_mb):
            await asyncio.wait({finished, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not finished.done():
            await asyncio.to_thread(launcher.stop, folder)
        record = await finished
    finally:
        stopping.cancel()
        finished.cancel()
    if record is None:
        if await asyncio.to_thread(never_began, launcher, folder):
            return await launcher.finished(folder)  # the tombstone's word: nothing was started
        await asyncio.to_thread(launcher.sweep, folder, marker)
    elif record.reason is ExitReason.STOPPED:
        return await asyncio.to_thread(explained, folder, record)
    return record


async def clear_away(trip: Trip, kind: str) -> int:
    """End every earlier launch of a kind that may be repeated; return the next number.

    A hook or a validation that an interruption left behind is stopped and done again; an
    unclaimed one is entombed, so that a late supervisor finds its place taken.
    """
    launcher = trip.rooms.launcher
    folders = trip.rooms.layout.launches(trip.attempt.id, kind)
    for folder in folders:
        if await asyncio.to_thread(never_began, launcher, folder):
            continue
        await asyncio.to_thread(launcher.stop, folder)
        if await launcher.finished(folder) is None:
            await asyncio.to_thread(launcher.sweep, folder, marker_of(trip, folder))
    return 1 + max((launch_number(each.name) for each in folders), default=0)


def never_began(launcher: Launcher, folder: Path) -> bool:
    """Whether a launch is certain never to start: its place was free, and now has our tombstone.

    The tombstone may be that of an earlier daemon, killed before it did anything about it.
    """
    return launcher.entomb(folder)


def marker_of(trip: Trip, folder: Path) -> str:
    """What every process of this launch carries in its environment.

    The instance is in it because a copied state folder has the same attempts: whoever opens the
    copy must not kill what belongs to the original.
    """
    return marker_in(trip.rooms.instance_id, folder)


def marker_in(instance_id: str, folder: Path) -> str:
    """The same, of the launch folder itself: it lies in that of its attempt."""
    return f"{instance_id}/{folder.parent.name}/{folder.name}"
