"""Who is in a process tree and what it uses, and the last resort against a tree without an owner.

A process is killed only through a pidfd opened before it was recognised, so never one that
merely got the number of another.
"""

import os
import select
import signal
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
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
    """What a launch uses now, its supervisor left out; `cpu_us` includes processes that have ended."""

    processes: int
    cpu_us: int
    rss_bytes: int


def descendants(root: int) -> list[ProcessStat]:
    """Every living process below `root`, parents before children."""
    return _below(root, _by_parent())


def _by_parent() -> Mapping[int, list[ProcessStat]]:
    children: dict[int, list[ProcessStat]] = {}
    for stat in all_stats():
        children.setdefault(stat.parent, []).append(stat)
    return children


def _below(root: int, children: Mapping[int, list[ProcessStat]]) -> list[ProcessStat]:
    found: list[ProcessStat] = []
    level = children.get(root, [])
    while level:
        found += level
        level = [child for stat in level for child in children.get(stat.pid, ())]
    return found


def usage(folder: Path) -> Usage | None:
    """What the launch in `folder` uses; None when it is not running here."""
    return usages([folder]).get(folder)


def usages(folders: Iterable[Path]) -> dict[Path, Usage]:
    """What each of these launches uses, for those that are running here; one look at /proc for all."""
    claims = ((folder, read_claim(folder)) for folder in folders)
    alive = {folder: claim.pid for folder, claim in claims if claim is not None and is_alive(folder, claim)}
    children = _by_parent() if alive else {}
    return {folder: _usage(pid, children) for folder, pid in alive.items()}


def _usage(root: int, children: Mapping[int, list[ProcessStat]]) -> Usage:
    tree, supervisor = _below(root, children), read_stat(root)
    return Usage(
        processes=len(tree),
        cpu_us=sum(each.cpu_us + each.reaped_us for each in tree)
        + (supervisor.reaped_us if supervisor is not None else 0),
        rss_bytes=sum(each.rss_bytes for each in tree),
    )


def sweep(marker: str) -> list[ProcessNote]:
    """Kill every process with this launch marker in its environment, and wait for its end.

    For a launch whose supervisor is dead; blocks, at most `SWEEP_SECONDS`. Looks again until
    a whole look finds nothing, because what is being killed may fork.

    Raises:
        LaunchFailed: something with the marker cannot be killed.
    """
    return _sweep(f"{MARKER_VARIABLE}={marker}".encode())


def see_out(assignment: str, seconds: float) -> list[ProcessNote]:
    """Wait for every process with this `NAME=value` in its environment; kill those not gone in time.

    Raises:
        LaunchFailed: some cannot be killed.
    """
    wanted, handles = assignment.encode(), []
    for pid in _marked(wanted):
        with suppress(ProcessLookupError):
            handles.append(os.pidfd_open(pid))
    _await_all(handles, seconds)
    return _sweep(wanted)


def _sweep(assignment: bytes) -> list[ProcessNote]:
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
