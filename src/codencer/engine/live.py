"""Facts about an attempt under way: computed when somebody asks, never kept, never interpreted.

A look costs at most `LONGEST_SECONDS`; what it has not found out by then is unknown. At most
`LOOKS_AT_ONCE` of the costly ones happen at a time, on threads of their own.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from codencer.engine.litter import without_litter
from codencer.engine.rooms import Rooms, Trip
from codencer.errors import CodencerError
from codencer.model.attempt import Attempt, AttemptState
from codencer.model.launch import LaunchStatus
from codencer.model.step import Step
from codencer.process import tree
from codencer.workspace.glance import count_changes

LONGEST_SECONDS = 2.0
LOOKS_AT_ONCE = 2
TAIL_BYTES = 8 * 1024
LONGEST_LINE = 400
"""Characters of the last line that are shown: its end."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Live:
    """An attempt under way at one moment; None is unknown.

    `launch` is the process tree at work: `hook-N`, `agent-N`, `validation-N-N`, `baseline-N-N` or
    `fresh_hook-N` (of a checkout for validations). `last_output` is
    the last line that is not blank of whichever of its outputs was written to last,
    `last_output_ms` how long ago that was. `cpu_ms` includes processes that have ended.
    `files_changed` counts paths that differ from the base.
    """

    stage: AttemptState
    launch: str | None = None
    last_output: str | None = None
    last_output_ms: int | None = None
    cpu_ms: int | None = None
    memory_bytes: int | None = None
    processes: int | None = None
    files_changed: int | None = None


class Lookout:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._threads = ThreadPoolExecutor(LOOKS_AT_ONCE, thread_name_prefix="look")

    async def live(self, step: Step) -> Live | None:
        """What the step's attempt is doing; None when none is under way."""
        attempt_id = step.latest_attempt_id
        if step.settled or attempt_id is None:
            return None
        attempt = await self._rooms.ledger.read(lambda queries: queries.attempt(attempt_id))
        if attempt is None or attempt.state is AttemptState.ENDED:
            return None
        files, live = await asyncio.gather(
            self._bounded(partial(_files_changed, self._rooms, step, attempt)),
            self._bounded(partial(_at_work, self._rooms, attempt)),
        )
        return replace(live or Live(stage=attempt.state), files_changed=files)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _bounded(self, look: Callable[[], T]) -> T | None:
        looking = asyncio.get_running_loop().run_in_executor(self._threads, look)
        try:
            return await asyncio.wait_for(looking, LONGEST_SECONDS)
        except (CodencerError, OSError):  # TimeoutError is one of the latter
            return None


def _files_changed(rooms: Rooms, step: Step, attempt: Attempt) -> int | None:
    if attempt.snapshot is not None:
        return attempt.snapshot.files_changed
    if attempt.workspace is None:
        return None
    trip = Trip(rooms, step, attempt)
    index = rooms.layout.index(attempt.id)
    return count_changes(rooms.store, without_litter(trip), workspace=Path(attempt.workspace), index=index)


def _at_work(rooms: Rooms, attempt: Attempt) -> Live:
    """What the launch that is alive says of itself; at most one is at a time."""
    for kind in ("validation", "baseline", "fresh_hook", "agent", "hook"):
        for folder in reversed(rooms.layout.launches(attempt.id, kind)):
            if rooms.launcher.status(folder) is LaunchStatus.ALIVE:
                return _look(folder, attempt.state)
    return Live(stage=attempt.state)


def _look(folder: Path, stage: AttemptState) -> Live:
    usage = tree.usage(folder)
    line, ago_ms = last_output(folder)
    return Live(
        stage=stage,
        launch=folder.name,
        last_output=line,
        last_output_ms=ago_ms,
        cpu_ms=usage.cpu_us // 1000 if usage else None,
        memory_bytes=usage.rss_bytes if usage else None,
        processes=usage.processes if usage else None,
    )


def last_output(folder: Path) -> tuple[str | None, int | None]:
    """The last line a launch printed and how many milliseconds ago it printed something."""
    written: list[tuple[int, Path]] = []
    for name in ("stdout", "stderr"):
        try:
            stat = (folder / name).stat()
        except FileNotFoundError:
            continue
        if stat.st_size:
            written.append((stat.st_mtime_ns, folder / name))
    if not written:
        return None, None
    newest, path = max(written)
    return _last_line(path), max(0, time.time_ns() - newest) // 1_000_000


def _last_line(path: Path) -> str | None:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
        lines = file.read(TAIL_BYTES).decode("utf-8", "replace").splitlines()
    line = next((line.strip() for line in reversed(lines) if line.strip()), None)
    return line if line is None or len(line) <= LONGEST_LINE else "…" + line[1 - LONGEST_LINE :]
