"""Home folders of steps: with `isolated_home` an agent finds one of its own instead of the user's.

One for all attempts of a step, so that a conversation can go on. It lies beside the workspaces, is for
this user alone, and goes only when nothing of its step is kept any more.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from codencer.engine.expiry import judge
from codencer.engine.retention import Period
from codencer.engine.rooms import Rooms
from codencer.errors import Conflict, StorageFailed
from codencer.ledger import Queries
from codencer.model.attempt import Attempt
from codencer.workspace.release import release

Busy = Callable[[Rooms, Attempt], str]
"""Who may still use what belongs to an ended attempt; empty when nobody."""


_LEAD_ELSEWHERE = ("_HOME", "_CONFIG_DIR")
"""Ends of the names that agents have for where their settings are (`CODEX_HOME`, `CLAUDE_CONFIG_DIR`)."""


def variables(home: Path) -> dict[str, str]:
    """What leads an agent into a home folder."""
    return {
        "HOME": os.fspath(home),
        "XDG_CONFIG_HOME": os.fspath(home / ".config"),
        "XDG_DATA_HOME": os.fspath(home / ".local" / "share"),
        "XDG_STATE_HOME": os.fspath(home / ".local" / "state"),
        "XDG_CACHE_HOME": os.fspath(home / ".cache"),
    }


def without_homes(env: Mapping[str, str], declared: Iterable[str]) -> dict[str, str]:
    """An agent's environment without variables that would lead it to the user's own settings after all.

    Args:
        declared: names that the adapter's table lets through: what a person asked for stays.
    """
    wanted = frozenset(declared)
    return {
        name: value for name, value in env.items() if name in wanted or not name.endswith(_LEAD_ELSEWHERE)
    }


def check_place(home: Path, environ: Mapping[str, str]) -> None:
    """Refuse a home below a temporary folder: there codex runs no command, and says nothing of it.

    Raises:
        Conflict: it lies there.
    """
    real = Path(os.path.realpath(home))
    for temporary in {"/tmp", environ.get("TMPDIR") or "/tmp"}:
        if real.is_relative_to(os.path.realpath(temporary)):
            raise Conflict(
                f"isolated_home: the home folder {home} would lie below the temporary folder {temporary}, "
                "where some agents refuse to work. Set workspace_root to another place, or take "
                "isolated_home out of the adapter's table"
            )


def make_home(home: Path) -> None:
    """Make the folder (0700) if it is not there.

    Raises:
        StorageFailed: it cannot be made.
    """
    try:
        for folder in (home.parent, home):
            folder.mkdir(exist_ok=True, mode=0o700)
            folder.chmod(0o700)
    except OSError as problem:
        raise StorageFailed(f"the home folder {home} cannot be made: {problem.strerror}") from problem


async def collect_homes(rooms: Rooms, period: Period, busy: Busy, *, dry_run: bool) -> list[str]:
    """Remove homes of steps that are over, whose snapshots may all go; one line for each home."""
    names = await asyncio.to_thread(_names, rooms.layout.homes)
    if not names:
        return []
    # No retry may begin between the look and the removal.
    async with rooms.pins.alone():
        now_us = time.time_ns() // 1000
        kept = await rooms.ledger.read(lambda queries: _kept(queries, names, period, now_us))
        lines = []
        for name in names:
            why, attempts = kept[name]
            folder = rooms.layout.home(name)
            why = why or await asyncio.to_thread(_in_use, rooms, busy, attempts)
            if not why and not dry_run:
                await asyncio.to_thread(release, folder, rooms.layout.trash)
            reason = why or f"no snapshot of step {name} is kept, and nothing has happened to it since"
            lines.append(f"{'kept' if why else 'removed':<8} {folder}: {reason}")
    return lines


def _names(homes: Path) -> list[str]:
    return sorted(each.name for each in homes.iterdir()) if homes.is_dir() else []


def _in_use(rooms: Rooms, busy: Busy, attempts: Sequence[Attempt]) -> str:
    return next((why for each in attempts if (why := busy(rooms, each))), "")


def _kept(
    queries: Queries, names: list[str], period: Period, now_us: int
) -> dict[str, tuple[str, list[Attempt]]]:
    """By step: why its home stays, empty when it may go; and its attempts."""
    judged, old = judge(queries, period, now_us)
    reasons = {each.step.id: each.kept for each in judged if each.kept}
    found = {}
    for name in names:
        step = queries.step(name)
        attempts = queries.attempts(name) if step is not None else []
        if step is None:
            why = "the ledger does not know its step"
        elif not step.settled:
            why = "the step is not settled"
        elif name in reasons:
            why = f"a snapshot of its step is kept: {reasons[name]}"
        elif name not in old:
            why = (
                "retention_days = 0 keeps everything"
                if period.forever
                else f"younger than {period.days} days"
            )
        else:
            why = ""
        found[name] = (why, attempts)
    return found
