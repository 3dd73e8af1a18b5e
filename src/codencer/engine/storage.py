"""Gives disk space back, on positive proof only.

A workspace goes when its attempt has ended and its whole content is in a snapshot whose
ref exists. What the ledger does not know is named and left alone.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from codencer.engine.layout import snapshot_ref
from codencer.engine.rooms import Rooms
from codencer.ledger import Queries
from codencer.model.attempt import Attempt, AttemptState
from codencer.workspace.refs import read_ref
from codencer.workspace.release import empty_trash, release


async def collect_garbage(rooms: Rooms, *, dry_run: bool) -> list[str]:
    """Remove what is safe to remove, or only say what would be; one line for each thing."""
    lines: list[str] = []
    for folder in await asyncio.to_thread(_folders, rooms.layout.workspaces):
        attempt = await rooms.ledger.read(_attempt_named(folder.name))
        why_kept = await asyncio.to_thread(_why_kept, rooms, attempt)
        if why_kept:
            lines.append(f"kept     {folder}: {why_kept}")
            continue
        lines.append(f"removed  {folder}: everything in it is in {snapshot_ref(folder.name)}")
        if not dry_run:
            await asyncio.to_thread(release, folder, rooms.layout.trash)
    for folder in await asyncio.to_thread(_folders, rooms.layout.state / "launches"):
        attempt = await rooms.ledger.read(_attempt_named(folder.name))
        if attempt is not None and attempt.state is AttemptState.ENDED:
            lines.append(f"removed  {folder}: its logs are sealed as artifacts")
            if not dry_run:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    lines += [f"removed  {folder}: trash" for folder in await asyncio.to_thread(_folders, rooms.layout.trash)]
    if not dry_run:
        await asyncio.to_thread(empty_trash, rooms.layout.trash)
    return lines


def _attempt_named(name: str) -> Callable[[Queries], Attempt | None]:
    return lambda queries: queries.attempt(name)


def _folders(parent: Path) -> list[Path]:
    return sorted(parent.iterdir()) if parent.exists() else []


def _why_kept(rooms: Rooms, attempt: Attempt | None) -> str:
    if attempt is None:
        return "the ledger does not know it"
    if attempt.state is not AttemptState.ENDED:
        return f"attempt {attempt.id} is {attempt.state}"
    if attempt.snapshot is None:
        return "there is no snapshot of it"
    if not attempt.snapshot.complete:
        return "its snapshot is incomplete"
    if read_ref(rooms.store, snapshot_ref(attempt.id)) != attempt.snapshot.commit:
        return "its snapshot ref is missing or was moved"
    return ""
