"""Which processes an attempt has at this moment: found by a mark in their environment, or by their folder.

The mark is what Codencer gives to every process of a launch; a tool that an agent starts with an
environment of its own is still found by its working folder.
"""

import os
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MARK = b"CODENCER_LAUNCH="


@dataclass(frozen=True, kw_only=True)
class Seen:
    pid: int
    line: str

    def __str__(self) -> str:
        return f"{self.pid} ({self.line[:120]})"


def of_attempt(attempt_id: str) -> list[Seen]:
    """Every living process of an attempt."""
    mark, place = f"/{attempt_id}/".encode(), f"/{attempt_id}/"
    return [
        Seen(pid=pid, line=_line(process))
        for process, pid in _processes()
        if _marked(process, mark) or place in f"{_folder(process)}/"
    ]


def left_of(attempt_id: str, *, within: float) -> list[Seen]:
    """The processes that still live after so many seconds; returns at once when there are none."""
    deadline = time.monotonic() + within
    while seen := of_attempt(attempt_id):
        if time.monotonic() > deadline:
            return seen
        _await_end(seen[0].pid, deadline - time.monotonic())
    return []


def _await_end(pid: int, seconds: float) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(max(0.0, seconds) * 1000)
    finally:
        os.close(handle)


def _processes() -> Iterator[tuple[Path, int]]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            state = _read(process / "stat").rpartition(b")")[2].split()
            if state and state[0] not in (b"Z", b"X"):
                yield process, int(process.name)


def _marked(process: Path, mark: bytes) -> bool:
    return any(each.startswith(_MARK) and mark in each for each in _read(process / "environ").split(b"\0"))


def _folder(process: Path) -> str:
    try:
        return os.readlink(process / "cwd")
    except OSError:
        return ""


def _line(process: Path) -> str:
    return _read(process / "cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip()


def _read(path: Path) -> bytes:
    """Nothing when the process is gone or not ours to look at."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
