"""What the kernel says about a process: memory, processor time, wake-ups. Linux only."""

import os
import re
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    return _kilobytes(pid, "smaps_rollup", "Rss") / 1024


def proportional_mb(pid: int) -> float:
    """Resident memory, pages shared with other processes divided among them."""
    return _kilobytes(pid, "smaps_rollup", "Pss") / 1024


def forget_peak(pid: int) -> None:
    """Begin anew with the highest resident memory."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_mb(pid: int) -> float:
    """The highest resident memory since `forget_peak`."""
    return _kilobytes(pid, "status", "VmHWM") / 1024


def wakeups(pid: int) -> int:
    """How often any thread of the process went to sleep of its own will, so far."""
    found = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        text = (thread / "status").read_text()
        found += int(re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.MULTILINE)[0])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of the process itself, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _kilobytes(pid: int, file: str, name: str) -> int:
    text = Path(f"/proc/{pid}/{file}").read_text()
    return int(re.findall(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)[0])
