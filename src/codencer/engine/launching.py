"""Starting supervised processes and waiting for them, with a stop that reaches the whole tree."""

import asyncio
from pathlib import Path

from codencer.engine.rooms import Trip
from codencer.model.launch import ExitRecord, LaunchStatus
from codencer.process.launches import Launcher, Order


async def supervise(trip: Trip, folder: Path, order: Order) -> ExitRecord | None:
    """Start one tree and return its exit record, or None when its supervisor left none."""
    await asyncio.to_thread(trip.rooms.launcher.start, folder, order)
    return await watch(trip, folder, order.marker)


async def watch(trip: Trip, folder: Path, marker: str) -> ExitRecord | None:
    """Wait until a launch is over; a stop of the trip stops its whole tree."""
    launcher = trip.rooms.launcher
    finished = asyncio.ensure_future(launcher.finished(folder))
    stopping = asyncio.ensure_future(trip.stop.wait())
    try:
        await asyncio.wait({finished, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not finished.done():
            launcher.stop(folder)
        record = await finished
    finally:
        stopping.cancel()
        finished.cancel()
    if record is None:
        await asyncio.to_thread(launcher.sweep, marker)
    return record


async def clear_away(trip: Trip, kind: str) -> int:
    """End every earlier launch of a kind that may be repeated; return the next number.

    A hook or a validation that an interruption left behind is stopped and done again; an
    unclaimed one is entombed, so that a late supervisor finds its place taken.
    """
    launcher = trip.rooms.launcher
    folders = trip.rooms.layout.launches(trip.attempt.id, kind)
    for folder in folders:
        if launcher.status(folder) is LaunchStatus.UNCLAIMED and launcher.entomb(folder):
            continue
        await _stop(launcher, folder)
        if launcher.status(folder) is LaunchStatus.LOST:
            await asyncio.to_thread(launcher.sweep, marker_of(trip, folder))
    return 1 + max((int(folder.name.rpartition("-")[2]) for folder in folders), default=0)


async def _stop(launcher: Launcher, folder: Path) -> None:
    if launcher.status(folder) is LaunchStatus.ALIVE:
        launcher.stop(folder)
        await launcher.finished(folder)


def marker_of(trip: Trip, folder: Path) -> str:
    """What every process of this launch carries in its environment."""
    return f"{trip.attempt.id}/{folder.name}"
