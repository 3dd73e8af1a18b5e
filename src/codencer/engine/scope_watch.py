"""Watches the scope of an agent at work, where that is asked for: tells, or stops it, once it leaves it.

The kernel tells which paths were touched; of those out of scope git says whether they really differ, by
the rules of the snapshot, so ignored files and the agent's litter are none. It is a help and no proof:
the diff is judged in any case. What was out of scope before the agent began is left to that judgement.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from codencer.engine.litter import without_litter
from codencer.engine.rooms import Entry, Trip
from codencer.engine.scope import Scope
from codencer.errors import CodencerError, StorageFailed
from codencer.globs import quote_path, unquote_path
from codencer.model.attempt import Halt, HaltCause, ScopeReport
from codencer.model.event import EventKind
from codencer.model.step import ScopeWatch
from codencer.process.folder import write_file
from codencer.process.tree_watch import Touched, TreeWatch, watched
from codencer.workspace.git import Git
from codencer.workspace.glance import changed_paths, ignored_folders

log = structlog.get_logger()

T = TypeVar("T")

MOST_REPORTED = 100
"""Paths out of scope that are recorded of an attempt; the diff has all of them."""
SETTLE_SECONDS = 0.2
LONGEST_GATHER_SECONDS = 2.0
GIT_DIR = b".git"


def is_watched(trip: Trip) -> bool:
    return trip.step.frozen.scope_watch is not ScopeWatch.OFF and Scope(trip.step.task).limited


def note_before(trip: Trip) -> None:
    """Write down once what is out of scope before an agent was started in this attempt. Blocks."""
    note = trip.rooms.layout.scope(trip.attempt.id)
    if note.exists():
        return
    try:
        found = _strays(trip, changed_paths(_git(trip)))
        write_file(note, json.dumps(sorted(map(quote_path, found))).encode(), durable=True)
    except (CodencerError, OSError):
        # Without the note nothing is watched, and the result says so.
        log.exception("the scope cannot be watched", event_name="scope.failed", attempt=trip.attempt.id)


@asynccontextmanager
async def scoped(trip: Trip, folder: Path) -> AsyncIterator[None]:
    """Watch what the agent of a launch changes meanwhile."""
    if not is_watched(trip):
        yield
        return
    watching = asyncio.ensure_future(_watch(trip, folder))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(trip: Trip, folder: Path) -> None:
    scope = Scope(trip.step.task)
    try:
        with watched(bytes(trip.rooms.layout.workspace(trip.attempt.id)), scope.breaks) as tree:
            await _Watch(trip, folder, tree).see()
    except Exception as problem:
        # The agent goes on, and so does the final check.
        log.exception("the scope is not watched", event_name="scope.failed", attempt=trip.attempt.id)
        report = replace(trip.attempt.scope, problem=f"it ended early: {problem}")
        await trip.record((EventKind.SCOPE_WATCHED, {"report": report}))


class _Watch:
    def __init__(self, trip: Trip, folder: Path, tree: TreeWatch) -> None:
        self._trip, self._folder, self._tree = trip, folder, tree
        self._known: set[bytes] = set()

    async def see(self) -> None:
        """Watch until the agent is stopped, or too much was seen to tell more."""
        self._known = await _blocking(self._begin)
        touched = Touched(everything=True)
        while True:
            began = time.monotonic()
            found = await _blocking(self._look, touched)
            took = time.monotonic() - began
            if found - self._known:
                # A tool that edits in place is done with its temporary file by then.
                again = await self._tree.within(SETTLE_SECONDS)
                again.add(Touched(paths=found))
                found = await _blocking(self._look, again)
            if not await self._tell(found):
                return
            # However much is written, half of the time at most goes into looking.
            touched = await self._tree.changes(min(took, LONGEST_GATHER_SECONDS))

    def _begin(self) -> set[bytes]:
        """What is known already. Blocks."""
        trip = self._trip
        note = trip.rooms.layout.scope(trip.attempt.id)
        if not note.exists():
            raise StorageFailed("what was out of scope before the agent began could not be written down")
        noted = json.loads(note.read_bytes())
        return {unquote_path(each) for each in (*noted, *trip.attempt.scope.paths)}

    def _look(self, touched: Touched) -> set[bytes]:
        """Watch the folders that are new, and return the paths out of scope that differ. Blocks."""
        folders = [b""] if touched.everything else sorted(touched.folders)
        if folders:
            named = () if touched.everything else folders
            skip = partial(_is_skipped, ignored_folders(_git(self._trip), named))
            for folder in folders:
                if not skip(folder):
                    self._tree.add(folder, skip)
        # Only now is it looked at what was provisioned: a change between the two would not be told again.
        named = () if touched.everything else sorted(touched.paths | touched.folders)
        if not (touched.everything or named):
            return set()
        return _strays(self._trip, changed_paths(_git(self._trip), named))

    async def _tell(self, strays: set[bytes]) -> bool:
        """Record what is new; returns whether there is more to watch."""
        trip, before = self._trip, self._trip.attempt.scope
        new = sorted(strays - self._known)
        self._known.update(new)
        problem = self._tree.shortfall
        paths = (*before.paths, *map(quote_path, new))
        if len(paths) > MOST_REPORTED:
            problem = f"more than {MOST_REPORTED} paths were out of scope"
        report = ScopeReport(paths=paths[:MOST_REPORTED], problem=problem or before.problem)
        if report == before:
            return True
        entries: list[Entry] = [(EventKind.SCOPE_WATCHED, {"report": report})]
        stops = bool(new) and trip.step.frozen.scope_watch is ScopeWatch.STOP and trip.attempt.halt is None
        if stops:
            halt = Halt(cause=HaltCause.SCOPE, reason=_words(Scope(trip.step.task), new))
            entries.append((EventKind.AGENT_HALTED, {"halt": halt}))
        await trip.record(*entries)
        if stops:
            await asyncio.to_thread(trip.rooms.launcher.stop, self._folder)
        return not stops and len(paths) <= MOST_REPORTED


async def _blocking(work: Callable[..., T], *args: object) -> T:
    """Do it in a thread, and see it through when cancelled: then the folders it works in are given back."""
    doing = asyncio.ensure_future(asyncio.to_thread(work, *args))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.gather(doing, return_exceptions=True)
        raise


def _git(trip: Trip) -> Git:
    """The bridge's own view of the workspace; what was provisioned and is untouched is ignored. Blocks."""
    layout, attempt_id = trip.rooms.layout, trip.attempt.id
    settings, index = without_litter(trip), layout.index(attempt_id)
    return Git(trip.rooms.store, settings, work_tree=layout.workspace(attempt_id), index=index)


def _strays(trip: Trip, paths: Iterable[bytes]) -> set[bytes]:
    scope = Scope(trip.step.task)
    return {path for path in paths if scope.breaks(path)}


def _is_skipped(ignored: set[bytes], folder: bytes) -> bool:
    """Whether nothing in a folder is any work: git's own, or ignored by the rules."""
    return folder.rpartition(b"/")[2] == GIT_DIR or folder in ignored


def _words(scope: Scope, paths: Iterable[bytes]) -> str:
    """Which rule the first of some paths breaks."""
    told = list(paths)
    first = told[0]
    rule = "forbidden_paths" if scope.forbids(first) else "what allowed_paths leave out"
    more = f" and {len(told) - 1} more" if len(told) > 1 else ""
    return f"it left its scope: {quote_path(first)}{more} ({rule})"
