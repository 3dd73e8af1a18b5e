"""The most memory that one process tree of an attempt may use; a tree that uses more is stopped.

Trees are looked at, all in one go, once a second while one with a cap runs. Why a tree is stopped is
in its launch folder before it is stopped, so that a later daemon tells the same.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import structlog

from codencer.errors import CodencerError
from codencer.model.launch import ExitReason, ExitRecord
from codencer.process import tree
from codencer.process.folder import write_file
from codencer.process.launches import Launcher

log = structlog.get_logger()

LOOK_SECONDS = 1.0
"""The kernel tells of a process tree's memory only where it has a cgroup of its own."""
NOTE = "memory_cap"
MIB = 1024 * 1024


class MemoryCap:
    """One for a daemon; used on its event loop."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._most_mb: dict[Path, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def over(self, folder: Path, most_mb: int) -> Iterator[None]:
        """Stop the launch in `folder` if it uses more than `most_mb` MiB meanwhile; 0 is no cap."""
        if most_mb:
            self._most_mb[folder] = most_mb
            self._arm()
        try:
            yield
        finally:
            self._most_mb.pop(folder, None)
            if not self._most_mb and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _arm(self) -> None:
        if self._timer is None and self._most_mb and (self._looking is None or self._looking.done()):
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        self._looking = asyncio.create_task(asyncio.to_thread(self._enforce, dict(self._most_mb)))
        self._looking.add_done_callback(self._looked)

    def _looked(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._arm()

    def _enforce(self, most_mb: Mapping[Path, int]) -> None:
        try:
            for folder, usage in tree.usages(most_mb).items():
                if usage.rss_bytes > most_mb[folder] * MIB:
                    self._stop(folder, usage.rss_bytes // MIB, most_mb[folder])
        except (CodencerError, OSError):
            # Looked at again in a moment.
            log.exception("the memory cap could not be kept", event_name="memory_cap.failed")

    def _stop(self, folder: Path, used_mb: int, most_mb: int) -> None:
        why = f"its processes used {used_mb} MiB, more than memory_cap_mb = {most_mb} allows"
        if not (folder / NOTE).exists():
            write_file(folder / NOTE, why.encode(), durable=True)
        self._launcher.stop(folder)


def explained(folder: Path, record: ExitRecord) -> ExitRecord:
    """The record of a launch that was stopped, with the cap as the reason if that was it."""
    try:
        why = (folder / NOTE).read_text()
    except FileNotFoundError:
        return record
    return replace(record, reason=ExitReason.MEMORY_LIMIT, error=why)
