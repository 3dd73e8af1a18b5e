"""The kernel's word on changed files (inotify, Linux): one instance per event loop, shared by all who listen.

A user has only 128 instances, but many thousands of watches. The numbers are those of inotify(7).
"""

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from codencer.errors import StorageFailed

MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
OVERFLOW, IGNORED = 0x4000, 0x8000
ONLYDIR, DONT_FOLLOW, MASK_ADD, ISDIR = 0x01000000, 0x02000000, 0x20000000, 0x40000000

_HEADER = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows
_READ_BYTES = 64 * 1024
_LIBC = ctypes.CDLL(None, use_errno=True)

Listener = Callable[[int, int, bytes], None]
"""Called on the event loop with the watch, what happened (a mask), and in a folder the name."""


def available() -> bool:
    return hasattr(_LIBC, "inotify_init1")


class Watcher:
    """Listeners are counted, as one file has only one watch however many want it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._handle = _LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._handle < 0:
            raise StorageFailed(f"files cannot be watched: {os.strerror(ctypes.get_errno())}")
        self._listeners: dict[int, list[Listener]] = {}
        self.users = 0
        self._loop = loop
        loop.add_reader(self._handle, self._read)

    def add(self, path: bytes, mask: int, listener: Listener) -> int:
        """Listen to a file or a folder from now on; from any thread.

        Raises:
            OSError: it is not there (ENOENT), or the user has no watches left (ENOSPC).
        """
        watch: int = _LIBC.inotify_add_watch(self._handle, path, mask | MASK_ADD)
        if watch < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        listeners = self._listeners.setdefault(watch, [])
        if listener not in listeners:
            listeners.append(listener)
        return watch

    def remove(self, watch: int, listener: Listener) -> None:
        listeners = self._listeners.get(watch, [])
        if listener in listeners:
            listeners.remove(listener)
        if not listeners and self._listeners.pop(watch, None) is not None:
            _LIBC.inotify_rm_watch(self._handle, watch)  # fails when the file is deleted: gone as well

    def close(self) -> None:
        self._loop.remove_reader(self._handle)
        os.close(self._handle)

    def _read(self) -> None:
        try:
            data = os.read(self._handle, _READ_BYTES)
        except BlockingIOError:
            return
        offset = 0
        while offset < len(data):
            watch, mask, _, length = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size
            name = data[offset : offset + length].rstrip(b"\0")
            offset += length
            self._tell(watch, mask, name)

    def _tell(self, watch: int, mask: int, name: bytes) -> None:
        # Watch -1: the queue overflowed, so anything may have changed.
        several = list(self._listeners.values()) if watch < 0 else [self._listeners.get(watch, [])]
        listeners = dict.fromkeys(each for some in several for each in some)
        if mask & IGNORED:
            self._listeners.pop(watch, None)
        for listener in listeners:
            listener(watch, mask, name)


_watchers: dict[asyncio.AbstractEventLoop, Watcher] = {}
"""Kept only while somebody listens in that loop."""


@contextmanager
def shared() -> Iterator[Watcher]:
    """The instance of the running loop, for as long as the block lasts.

    Raises:
        StorageFailed: the user has no instance left.
    """
    loop = asyncio.get_running_loop()
    watcher = _watchers.get(loop) or Watcher(loop)
    _watchers[loop] = watcher
    watcher.users += 1
    try:
        yield watcher
    finally:
        watcher.users -= 1
        if not watcher.users:
            watcher.close()
            _watchers.pop(loop, None)
