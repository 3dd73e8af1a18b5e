"""/proc, read carefully: processes may vanish between two looks, or not be ours to read.

A process number alone means nothing; together with its start time and the boot it names one
process for ever. Where there is no /proc (macOS) every look finds nothing.
"""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessStat:
    """One process at one moment; `start_ticks` counts from boot, `cpu_us` has user and system.

    `reaped_us` is the CPU time of its children that have ended, and of theirs.
    """

    pid: int
    name: str
    state: str
    parent: int
    group: int
    start_ticks: int
    cpu_us: int
    reaped_us: int
    rss_bytes: int


def read_stat(pid: int) -> ProcessStat | None:
    """The process with this number now, zombies included; see proc_pid_stat(5)."""
    raw = read_bytes(f"/proc/{pid}/stat")
    if not raw:
        return None
    head, _, tail = raw.rpartition(b")")
    rest = tail.split()
    return ProcessStat(
        pid=pid,
        name=head.partition(b"(")[2].decode("utf-8", "replace"),
        state=rest[0].decode(),
        parent=int(rest[1]),
        group=int(rest[2]),
        start_ticks=int(rest[19]),
        cpu_us=(int(rest[11]) + int(rest[12])) * 1_000_000 // _TICKS_PER_SECOND,
        reaped_us=(int(rest[13]) + int(rest[14])) * 1_000_000 // _TICKS_PER_SECOND,
        rss_bytes=int(rest[21]) * _PAGE_BYTES,
    )


def all_pids() -> list[int]:
    """The numbers of all processes that can be seen."""
    if not os.path.isdir("/proc"):
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def all_stats() -> list[ProcessStat]:
    """All processes that can be seen, zombies left out."""
    stats = (read_stat(pid) for pid in all_pids())
    return [stat for stat in stats if stat is not None and stat.state not in "ZX"]


def has_in_environment(pid: int, assignment: bytes) -> bool:
    """Whether a process was started with this `NAME=value`; False when it cannot be read."""
    return b"\0" + assignment + b"\0" in b"\0" + read_bytes(f"/proc/{pid}/environ")


@cache
def boot_id() -> str:
    """What differs after every boot of the machine; empty where the system does not say."""
    return read_bytes("/proc/sys/kernel/random/boot_id").decode("ascii", "replace").strip()


def seconds_since(start_ticks: int) -> float:
    """How long ago that was, counted from boot; 0 where the system does not say."""
    uptime = read_bytes("/proc/uptime").split()
    return max(0.0, float(uptime[0]) - start_ticks / _TICKS_PER_SECOND) if uptime else 0.0


def available_memory(path: str = "/proc/meminfo") -> int | None:
    """Bytes that new work can use without swapping, as the kernel estimates it; None: it does not say."""
    for line in read_bytes(path).splitlines():
        name, _, amount = line.partition(b":")
        if name == b"MemAvailable":
            return int(amount.split()[0]) * 1024
    return None


def read_bytes(path: str) -> bytes:
    """The content of a small file that may vanish or be denied at any moment: then nothing."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
