"""Watching a folder and everything below it, as a program changes it: by inotify, without looking around.

New folders are told, and watched only once whoever listens says so: it knows which ones do not matter.
Links are not followed. What happened before a folder was watched, whoever listens has to look up.
"""

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache

from codencer.errors import StorageFailed
from codencer.process import inotify

MOST_FOLDERS = 20_000
"""Watches of one tree: each takes about a kilobyte of the kernel's memory, and a user's are limited."""
MOST_TOUCHED = 5_000
"""Paths that are kept apart between two looks; beyond that anything may have changed."""

_MASK = (
    inotify.MODIFY
    | inotify.ATTRIB
    | inotify.CLOSE_WRITE
    | inotify.MOVED_FROM
    | inotify.MOVED_TO
    | inotify.CREATE
    | inotify.DELETE
    | inotify.ONLYDIR
    | inotify.DONT_FOLLOW
)


@dataclass
class Touched:
    """Paths relative to the top that something happened to; `folders` are new, and not yet watched.

    `everything`: anything may have happened and any folder be new, so look at all and watch all of it.
    """

    paths: set[bytes] = field(default_factory=set)
    folders: set[bytes] = field(default_factory=set)
    everything: bool = False

    def add(self, other: "Touched") -> None:
        self.paths |= other.paths
        self.folders |= other.folders
        self.everything |= other.everything


class TreeWatch:
    """One tree; its methods on the event loop, but for `add`. `shortfall` says why it does not see all."""

    def __init__(self, watcher: inotify.Watcher, top: bytes, matters: Callable[[bytes], bool]) -> None:
        self._watcher, self._top = watcher, top
        self._matters = lru_cache(MOST_TOUCHED)(matters)
        self._folders: dict[int, bytes] = {}
        self._touched = Touched()
        self._news = asyncio.Event()
        self._closed = False
        self._lock = threading.Lock()
        self.shortfall = ""

    def add(self, folder: bytes, skip: Callable[[bytes], bool]) -> None:
        """Watch a folder (relative, `b""` is the top) and those below that are not skipped. Blocks."""
        waiting = [folder]
        while waiting and not self.shortfall:
            here = waiting.pop()
            with self._lock:
                if self._closed:
                    return
                added = self._add_one(here)
            if added:
                waiting += [each for each in _folders_in(self._top, here) if not skip(each)]

    def _add_one(self, folder: bytes) -> bool:
        if len(self._folders) >= MOST_FOLDERS:
            self.shortfall = f"there are more than {MOST_FOLDERS} folders to watch"
            return False
        try:
            watch = self._watcher.add(os.path.join(self._top, folder), _MASK, self._heard)
        except OSError as problem:
            if problem.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return False  # it was quicker
            reason = "no more files can be watched (fs.inotify.max_user_watches)"
            self.shortfall = reason if problem.errno == errno.ENOSPC else f"{folder!a}: {problem.strerror}"
            return False
        self._folders[watch] = folder
        return True

    async def changes(self, gather_seconds: float = 0) -> Touched:
        """Wait until something has happened, and return all of it, with what follows in so many seconds."""
        found = await self._take()
        found.add(await self.within(gather_seconds))
        return found

    async def within(self, seconds: float) -> Touched:
        """What happens in the next seconds; maybe nothing."""
        found = Touched()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    found.add(await self._take())
        return found

    async def _take(self) -> Touched:
        await self._news.wait()
        self._news.clear()
        touched, self._touched = self._touched, Touched()
        return touched

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for watch in self._folders:
                self._watcher.remove(watch, self._heard)
            self._folders.clear()

    def _heard(self, watch: int, mask: int, name: bytes) -> None:
        if mask & inotify.IGNORED:
            self._folders.pop(watch, None)
            return
        if mask & inotify.OVERFLOW:
            self._touched = Touched(everything=True)
        elif (folder := self._folders.get(watch)) is not None and name:
            self._note(os.path.join(folder, name), mask)
        if self._touched != Touched():
            self._news.set()

    def _note(self, path: bytes, mask: int) -> None:
        touched = self._touched
        if not mask & inotify.ISDIR:
            if self._matters(path):
                touched.paths.add(path)
        elif mask & (inotify.CREATE | inotify.MOVED_TO):
            touched.folders.add(path)
        elif mask & (inotify.DELETE | inotify.MOVED_FROM):
            self._forget(path)
            touched.paths.add(path)
        if len(touched.paths) + len(touched.folders) > MOST_TOUCHED:
            self._touched = Touched(everything=True)

    def _forget(self, folder: bytes) -> None:
        """A folder that went away takes along what is below it; in another place it is a new one."""
        self._touched.folders.discard(folder)
        below = folder + b"/"
        folders = list(self._folders.items())
        for watch in [watch for watch, each in folders if each == folder or each.startswith(below)]:
            del self._folders[watch]
            self._watcher.remove(watch, self._heard)


def _folders_in(top: bytes, folder: bytes) -> Iterator[bytes]:
    try:
        with os.scandir(os.path.join(top, folder)) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield os.path.join(folder, entry.name)
    except OSError:
        return  # it went away, or cannot be read: then nobody but its owner changes what is in it


@contextmanager
def watched(top: bytes, matters: Callable[[bytes], bool]) -> Iterator[TreeWatch]:
    """A watch over a tree, of which nothing is watched yet; told are the files that matter.

    Raises:
        StorageFailed: this system has nothing to watch with, or no more of it.
    """
    if not inotify.available():
        raise StorageFailed("this system has no inotify")
    with inotify.shared() as watcher:
        watch = TreeWatch(watcher, top, matters)
        try:
            yield watch
        finally:
            watch.close()
