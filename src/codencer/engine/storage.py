"""Gives disk space back, on positive proof only, and says why for each thing.

A workspace goes when its attempt has ended, nothing runs or was changed in it since, and everything
in it is in a snapshot whose ref exists; the folder of its launches when its logs are sealed; the home
folder of a step when none of its snapshots is kept. Trash only ever holds what was proven before. What
the ledger does not know is named and left alone.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from codencer.engine.expiry import expire_refs
from codencer.engine.homes import collect_homes
from codencer.engine.layout import FRESH, snapshot_ref
from codencer.engine.retention import Period
from codencer.engine.rooms import Rooms
from codencer.ledger import Queries, Transaction
from codencer.model.attempt import Attempt, AttemptState
from codencer.model.event import EventKind
from codencer.model.launch import LaunchStatus
from codencer.process.folder import discard
from codencer.workspace.refs import read_ref
from codencer.workspace.release import changed_since, empty_trash, release

EVIDENCE = ("stdout", "stderr", "exit.json", "frames")
"""Files of a launch that sealing moves away; one that is still there was never sealed."""


async def collect_garbage(rooms: Rooms, *, dry_run: bool, older_than_days: int | None = None) -> list[str]:
    """Remove what is safe to remove, or only say what would be; one line for each thing.

    Args:
        older_than_days: a person's own word for the age of the snapshots that go, this time.
    """
    asked = older_than_days is not None
    days = older_than_days if older_than_days is not None else rooms.config.retention_days
    released: set[str] = set()
    trash = await asyncio.to_thread(_folders, rooms.layout.trash)
    workspaces = await asyncio.to_thread(_folders, rooms.layout.workspaces)
    lines = [await _workspace(rooms, folder, released, dry_run=dry_run) for folder in workspaces]
    for folder in await asyncio.to_thread(_folders, rooms.layout.state / "launches"):
        lines += await _launches(rooms, folder, released, dry_run=dry_run)
    lines += [_line(str(folder), "trash") for folder in trash]
    if not dry_run:
        await asyncio.to_thread(empty_trash, rooms.layout.trash)
    period = Period(days=days, asked=asked)
    lines += await expire_refs(rooms, period, dry_run=dry_run)
    lines += await collect_homes(rooms, period, _busy, dry_run=dry_run)
    return lines


def _line(what: str, why: str, *, kept: bool = False) -> str:
    return f"{'kept' if kept else 'removed':<8} {what}: {why}"


async def _workspace(rooms: Rooms, folder: Path, released: set[str], *, dry_run: bool) -> str:
    attempt = await rooms.ledger.read(_attempt_named(folder.name.removesuffix(FRESH)))
    if attempt is not None and folder.name.endswith(FRESH):
        return await _fresh(rooms, folder, attempt, dry_run=dry_run)
    why = await asyncio.to_thread(_why_kept, rooms, attempt)
    if attempt is not None and not why:
        why = await _why_doubted(rooms, folder, attempt)
    if why or attempt is None:
        return _line(str(folder), why, kept=True)
    released.add(attempt.id)
    if not dry_run:
        await asyncio.to_thread(release, folder, rooms.layout.trash)
        if not attempt.released:
            await rooms.ledger.write(_released(attempt.id))
    return _line(str(folder), f"everything in it is in {snapshot_ref(attempt.id)}")


async def _fresh(rooms: Rooms, folder: Path, attempt: Attempt, *, dry_run: bool) -> str:
    """A checkout that only validations saw: an attempt that goes on may be using it."""
    if attempt.state is not AttemptState.ENDED:
        return _line(str(folder), f"attempt {attempt.id} is {attempt.state}", kept=True)
    if busy := await asyncio.to_thread(_busy, rooms, attempt):
        return _line(str(folder), busy, kept=True)
    if not dry_run:
        await asyncio.to_thread(release, folder, rooms.layout.trash)
    return _line(str(folder), "what validations leave is no work")


async def _launches(rooms: Rooms, folder: Path, released: set[str], *, dry_run: bool) -> list[str]:
    attempt = await rooms.ledger.read(_attempt_named(folder.name))
    if attempt is not None and attempt.state is not AttemptState.ENDED:
        return []
    why = await asyncio.to_thread(_why_launches_kept, rooms, folder, attempt, released)
    if why:
        return [_line(str(folder), why, kept=True)]
    if not dry_run:
        await asyncio.to_thread(discard, folder)
    return [_line(str(folder), "its logs are sealed as artifacts")]


def _attempt_named(name: str) -> Callable[[Queries], Attempt | None]:
    return lambda queries: queries.attempt(name)


def _released(attempt_id: str) -> Callable[[Transaction], object]:
    return lambda tx: tx.append(EventKind.WORKSPACE_RELEASED, {}, attempt_id=attempt_id)


def _folders(parent: Path) -> list[Path]:
    return sorted(parent.iterdir()) if parent.exists() else []


def _why_kept(rooms: Rooms, attempt: Attempt | None) -> str:
    if attempt is None:
        return "the ledger does not know it"
    if attempt.state is not AttemptState.ENDED:
        return f"attempt {attempt.id} is {attempt.state}"
    snapshot = attempt.snapshot
    if snapshot is None:
        return "there is no snapshot of it"
    if not snapshot.complete:
        return "its snapshot is incomplete"
    if read_ref(rooms.store, snapshot_ref(attempt.id)) != snapshot.commit:
        return "its snapshot ref is missing or was moved"
    return _busy(rooms, attempt)


async def _why_doubted(rooms: Rooms, folder: Path, attempt: Attempt) -> str:
    """Why the workspace may hold more than the snapshot: what is younger, by a clock that never went back."""
    ended, earliest = await rooms.ledger.read(lambda queries: queries.times_since_end(attempt))
    if min(earliest, time.time_ns() // 1000) < ended:
        return "the clock was set back after the attempt had ended, and nothing tells what changed since"
    changed = await asyncio.to_thread(changed_since, folder, ended)
    return f"{changed} was changed after the attempt had ended" if changed else ""


def _busy(rooms: Rooms, attempt: Attempt) -> str:
    """Who may still write into the workspace of an ended attempt."""
    if attempt.exit is not None and attempt.exit.survivors:
        return "a process that could not be killed may still write there"
    folder = rooms.layout.attempt_folder(attempt.id)
    alive = [each for each in _launch_folders(folder) if rooms.launcher.status(each) is LaunchStatus.ALIVE]
    return f"{alive[0].name} still runs" if alive else ""


def _why_launches_kept(rooms: Rooms, folder: Path, attempt: Attempt | None, released: Iterable[str]) -> str:
    if attempt is None:
        return "the ledger does not know it"
    if busy := _busy(rooms, attempt):
        return busy
    if rooms.layout.workspace(attempt.id).exists() and attempt.id not in released:
        return "it belongs to a workspace that is kept"
    if attempt.released or attempt.id in released:
        return ""
    unsealed = next(_unsealed(folder), None)
    return f"{unsealed} is not among the artifacts" if unsealed else ""


def _unsealed(folder: Path) -> Iterator[str]:
    """Evidence that was never put among the artifacts."""
    for launch in _launch_folders(folder):
        for name in EVIDENCE:
            path = launch / name
            if path.is_symlink() or (path.is_file() and path.stat().st_size):
                yield f"{launch.name}/{name}"


def _launch_folders(folder: Path) -> list[Path]:
    return [each for each in _folders(folder) if (each / "launch.json").exists()]
