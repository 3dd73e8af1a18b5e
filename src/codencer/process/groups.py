"""Control groups (cgroup v2), where this process may make them: a whole tree under one name.

A command is born in the group of its launch, and nothing that it starts can leave it without the
rights of whoever made it. So a tree whose supervisor is dead is found even where it hides from its
session, its parent and its marker. Where no group can be made there is none, and all else holds.
No controller is switched on: a service whose group has children with controllers cannot be started
again by its service manager. `memory.max` is set where the kernel offers it nevertheless.
"""

import hashlib
import os
import select
import time
from functools import cache
from pathlib import Path

from codencer.model.launch import ProcessNote
from codencer.process.procfs import read_bytes, read_stat

PREFIX = "codencer-"
EMPTY_SECONDS = 5.0
"""How long the kernel may take to end what it was told to kill."""


@cache
def home() -> Path | None:
    """The group this process itself is in, if it may make others below it; see cgroups(7)."""
    own = [line[3:] for line in read_bytes("/proc/self/cgroup").splitlines() if line.startswith(b"0::")]
    mounts = (line.split(b" - ") for line in read_bytes("/proc/self/mountinfo").splitlines())
    points = [left.split()[3:5] for left, right in mounts if right.split()[0] == b"cgroup2"]
    if not own or not points:
        return None
    root, point = points[0]  # in a container the mount may show only a part, which begins at `root`
    folder = Path(os.fsdecode(point)) / os.fsdecode(own[0].removeprefix(root)).lstrip("/")
    return folder if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK) else None


def name_for(marker: str) -> str:
    """What the group of the launch with this marker is called."""
    return PREFIX + hashlib.sha256(marker.encode()).hexdigest()[:20]


def make(marker: str, memory_bytes: int = 0) -> Path | None:
    """The group of a launch, which may use so much memory (0: any amount); None: there are none here."""
    above = home()
    if above is None:
        return None
    group = above / name_for(marker)
    try:
        group.mkdir(exist_ok=True)
    except OSError:
        return None
    if not (group / "cgroup.kill").exists():  # before Linux 5.14
        remove(group)
        return None
    limit = group / "memory.max"
    if memory_bytes and limit.exists():
        limit.write_text(str(memory_bytes))
        (group / "memory.oom.group").write_text("1")
    return group


def members(group: Path) -> list[int]:
    """Who is in the group now, threads and zombies left out."""
    return [int(pid) for pid in read_bytes(f"{group}/cgroup.procs").split()]


def ran_out_of_memory(group: Path) -> bool:
    """Whether the kernel ended something in it because of `memory.max`."""
    fields = (line.split() for line in read_bytes(f"{group}/memory.events").splitlines())
    return any(name == b"oom_kill" and int(count) > 0 for name, count in fields)


def kill(group: Path) -> list[ProcessNote]:
    """End everything in the group at one stroke, wait for it, and return what that was."""
    found = [ProcessNote(pid=pid, name=_name(pid)) for pid in members(group)]
    if not found:
        return []
    events = os.open(group / "cgroup.events", os.O_RDONLY)
    try:
        # The file is told of as urgent whenever it changes, from its last read on.
        poll, deadline = select.poll(), time.monotonic() + EMPTY_SECONDS
        poll.register(events, select.POLLPRI)
        (group / "cgroup.kill").write_text("1")
        while b"populated 1" in os.pread(events, 4096, 0) and (left := deadline - time.monotonic()) > 0:
            poll.poll(left * 1000)
    finally:
        os.close(events)
    return found


def remove(group: Path) -> None:
    """Give up a group that nothing is in any more; one in use, or gone already, stays as it is."""
    try:
        group.rmdir()
    except OSError:
        return


def _name(pid: int) -> str:
    stat = read_stat(pid)
    return stat.name if stat else "gone"
