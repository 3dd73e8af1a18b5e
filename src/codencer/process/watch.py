"""Waking up when a file grows, for following logs without looking at them all the time.

One inotify instance per event loop serves all files (a user has only 128 instances). Where
there is no inotify (macOS) the file's size is looked at four times a second instead: the only
place that polls, because the kernel there offers nothing for a file that others append to.
"""

import asyncio
import ctypes
import os
import struct
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from codencer.errors import NotFound, StorageFailed
from codencer.process.waiting import off_loop

POLL_SECONDS = 0.25

_IN_MODIFY, _IN_CLOSE_WRITE = 0x2, 0x8
_HEADER = struct.Struct("iIII")  # inotify(7): watch, mask, cookie, length of the name that follows
_READ_BYTES = 64 * 1024
_LIBC = ctypes.CDLL(None, use_errno=True)


class _Watcher:
    """The inotify instance of one event loop; watches are counted, as one file has only one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._handle = _LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._handle < 0:
            raise StorageFailed(f"files cannot be watched: {os.strerror(ctypes.get_errno())}")
        self._wakes: dict[int, list[asyncio.Event]] = {}
        self._loop = loop

    def add(self, path: Path, wake: asyncio.Event) -> int:
        watch: int = _LIBC.inotify_add_watch(self._handle, os.fsencode(path), _IN_MODIFY | _IN_CLOSE_WRITE)
        if watch < 0:
            raise NotFound(f"{path} cannot be watched: {os.strerror(ctypes.get_errno())}")
        if not self._wakes:
            self._loop.add_reader(self._handle, self._read)
        self._wakes.setdefault(watch, []).append(wake)
        return watch

    def remove(self, watch: int, wake: asyncio.Event) -> None:
        waiting = self._wakes.get(watch, [])
        if wake in waiting:
            waiting.remove(wake)
        if not waiting and self._wakes.pop(watch, None) is not None:
            _LIBC.inotify_rm_watch(self._handle, watch)  # fails when the file is deleted: gone as well
        if not self._wakes:
            self._loop.remove_reader(self._handle)

    @property
    def unused(self) -> bool:
        return not self._wakes

    def close(self) -> None:
        os.close(self._handle)

    def _read(self) -> None:
        try:
            data = os.read(self._handle, _READ_BYTES)
        except BlockingIOError:
            return
        offset = 0
        while offset < len(data):
            watch, _, _, length = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size + length
            # Watch -1: the queue overflowed, so anything may have changed.
            for wakes in self._wakes.values() if watch < 0 else (self._wakes.get(watch, ()),):
                for wake in wakes:
                    wake.set()


_watchers: dict[asyncio.AbstractEventLoop, _Watcher] = {}
"""Kept only while something is watched in that loop."""


async def changed(path: Path) -> AsyncGenerator[None]:
    """Yield once at once, and then whenever the file has been written to since the last yield.

    The first yield comes after the watch is in place: who reads the whole file after each
    yield misses nothing. Writes between two yields count as one. Never ends by itself;
    close the generator (`contextlib.aclosing`) when done.

    Raises:
        NotFound: there is no such file.
    """
    if not hasattr(_LIBC, "inotify_init1"):
        async with aclosing(_polled(path)) as looks:
            async for _ in looks:
                yield
        return
    loop = asyncio.get_running_loop()
    if loop not in _watchers:
        _watchers[loop] = _Watcher(loop)
    watcher, wake = _watchers[loop], asyncio.Event()
    try:
        watch = watcher.add(path, wake)
        try:
            while True:
                yield
                await wake.wait()
                wake.clear()
        finally:
            watcher.remove(watch, wake)
    finally:
        if watcher.unused:
            watcher.close()
            _watchers.pop(loop, None)


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
