"""Who is in a process tree and what it uses, and the last resort against a tree without an owner.

A process is killed only through a pidfd opened before it was recognised, so never one that
merely got the number of another.
"""

import os
import select
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from codencer.errors import LaunchFailed
from codencer.model.launch import ProcessNote
from codencer.process.folder import is_alive, read_claim
from codencer.process.procfs import ProcessStat, all_pids, all_stats, has_in_environment, read_stat

MARKER_VARIABLE = "CODENCER_LAUNCH"
SWEEP_SECONDS = 10.0
"""How long processes with a marker are killed again and again before it is called a failure."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a launch uses now, its supervisor left out."""

    processes: int
    cpu_us: int
    rss_bytes: int


def descendants(root: int) -> list[ProcessStat]:
    """Every living process below `root`, parents before children."""
    children: dict[int, list[ProcessStat]] = {}
    for stat in all_stats():
        children.setdefault(stat.parent, []).append(stat)
    found: list[ProcessStat] = []
    level = children.get(root, [])
    while level:
        found += level
        level = [child for stat in level for child in children.get(stat.pid, ())]
    return found


def usage(folder: Path) -> Usage | None:
    """What the launch in `folder` uses; None when it is not running here."""
    claim = read_claim(folder)
    if claim is None or not is_alive(folder, claim):
        return None
    tree = descendants(claim.pid)
    return Usage(
        processes=len(tree),
        cpu_us=sum(each.cpu_us for each in tree),
        rss_bytes=sum(each.rss_bytes for each in tree),
    )


def sweep(marker: str) -> list[ProcessNote]:
    """Kill every process with this launch marker in its environment, and wait for its end.

    For a launch whose supervisor is dead; blocks, at most `SWEEP_SECONDS`. Looks again until
    a whole look finds nothing, because what is being killed may fork.

    Raises:
        LaunchFailed: something with the marker cannot be killed.
    """
    assignment = f"{MARKER_VARIABLE}={marker}".encode()
    killed: dict[int, ProcessNote] = {}
    deadline = time.monotonic() + SWEEP_SECONDS
    while found := _marked(assignment):
        handles = [handle for pid in found if (handle := _kill(pid, assignment, killed)) is not None]
        _await_all(handles, 1.0)
        stuck = time.monotonic() > deadline or not handles
        if stuck and (left := _marked(assignment)):
            names = ", ".join(f"{pid} ({_name(pid)})" for pid in left)
            raise LaunchFailed(
                f"these processes of an agent without a supervisor cannot be killed: {names}; "
                "its workspace is left as it is; end them and start the daemon again"
            )
    return sorted(killed.values(), key=lambda note: note.pid)


def _marked(assignment: bytes) -> list[int]:
    return [pid for pid in all_pids() if has_in_environment(pid, assignment)]


def _name(pid: int) -> str:
    stat = read_stat(pid)
    return stat.name if stat else "gone"


def _kill(pid: int, assignment: bytes, killed: dict[int, ProcessNote]) -> int | None:
    """Send KILL to this process if it still has the marker; return a pidfd to await its end."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return None
    name = _name(pid)
    if not has_in_environment(pid, assignment):
        os.close(handle)
        return None
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        os.close(handle)
        return None
    killed.setdefault(pid, ProcessNote(pid=pid, name=name))
    return handle


def _await_all(handles: Iterable[int], seconds: float) -> None:
    """Wait until all these processes have ended, but not longer; closes the pidfds."""
    deadline = time.monotonic() + seconds
    for handle in handles:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        os.close(handle)
