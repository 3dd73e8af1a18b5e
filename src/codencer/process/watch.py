"""Waking up when a file grows, for following logs without looking at them all the time.

Where there is no inotify (macOS) the file's size is looked at four times a second instead: the only
place that polls, because the kernel there offers nothing for a file that others append to.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from codencer.errors import NotFound
from codencer.process import inotify
from codencer.process.waiting import off_loop

POLL_SECONDS = 0.25

_WRITTEN = inotify.MODIFY | inotify.CLOSE_WRITE


async def changed(path: Path) -> AsyncGenerator[None]:
    """Yield once at once, and then whenever the file has been written to since the last yield.

    The first yield comes after the watch is in place: who reads the whole file after each
    yield misses nothing. Writes between two yields count as one. Never ends by itself;
    close the generator (`contextlib.aclosing`) when done.

    Raises:
        NotFound: there is no such file.
    """
    if not inotify.available():
        async with aclosing(_polled(path)) as looks:
            async for _ in looks:
                yield
        return
    wake = asyncio.Event()

    def heard(_watch: int, _mask: int, _name: bytes) -> None:
        wake.set()

    with inotify.shared() as watcher:
        try:
            watch = watcher.add(os.fsencode(path), _WRITTEN, heard)
        except OSError as problem:
            raise NotFound(f"{path} cannot be watched: {problem.strerror}") from problem
        try:
            while True:
                yield
                await wake.wait()
                wake.clear()
        finally:
            watcher.remove(watch, heard)


async def _polled(path: Path) -> AsyncGenerator[None]:
    size = -1
    while True:
        try:
            now = (await off_loop(path.stat)).st_size
        except FileNotFoundError as problem:
            raise NotFound(f"{path} cannot be watched: there is no such file") from problem
        if now != size:
            size = now
            yield
        await asyncio.sleep(POLL_SECONDS)
