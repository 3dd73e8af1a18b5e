"""What was acknowledged, what was done to whom, and what was found wrong on the way.

Shared by all threads. It is the memory of somebody outside: an answer that never came is written
down as a perhaps.
"""

import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import inf

from tests.soak.tasks import Task


@dataclass
class Asked:
    """One step that was acknowledged."""

    run: str
    task: Task
    base: str | None
    retries: int = 0
    perhaps: int = 0
    """Retries that were asked for and never answered."""
    cancelled: bool = False


@dataclass
class Journal:
    steps: dict[str, Asked] = field(default_factory=dict)
    runs: dict[str, bool] = field(default_factory=dict)
    """Every run that was acknowledged, and whether its abort was."""
    done: Counter[str] = field(default_factory=Counter)
    """Faults, by kind."""
    hit: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """What was killed, by attempt: agent, tool, hook, validation, and the supervisors of them."""
    troubles: list[str] = field(default_factory=list)
    orphans: set[str] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _periods: list[tuple[float, float]] = field(default_factory=list)
    _jumps: list[tuple[float, float, float]] = field(default_factory=list)
    """From when to when the daemons' clock was off, and by how many seconds."""

    def killed(self, what: str, attempt: str | None = None) -> None:
        with self.lock:
            self.done[f"kill {what}"] += 1
            if attempt is not None:
                self.hit[attempt][what] += 1

    @property
    def kills(self) -> int:
        return sum(count for what, count in self.done.items() if what.startswith("kill "))

    def trouble(self, what: str) -> None:
        with self.lock:
            self.troubles.append(what)

    def disk_fails(self, how: str) -> int:
        """A disk takes nothing from now on; the number is for `disk_mended`."""
        with self.lock:
            self.done[f"disk {how}"] += 1
            self._periods.append((time.time(), inf))
            return len(self._periods) - 1

    def disk_mended(self, number: int) -> None:
        with self.lock:
            self._periods[number] = (self._periods[number][0], time.time())

    def clock_jumps(self, seconds: float) -> int:
        """The daemons' clock is off from now on; the number is for `clock_is_right`."""
        with self.lock:
            self.done["clock jump"] += 1
            self._jumps.append((time.time(), inf, seconds))
            return len(self._jumps) - 1

    def clock_is_right(self, number: int) -> None:
        with self.lock:
            began, _, seconds = self._jumps[number]
            self._jumps[number] = (began, time.time(), seconds)

    def machine_time(self, moment: float) -> float:
        """What the machine's clock showed at a moment that a daemon wrote down."""
        with self.lock:
            for began, ended, seconds in self._jumps:
                if began - 1 <= moment - seconds <= ended + 1:
                    return moment - seconds
        return moment

    def without_disk(self, began: float, ended: float) -> bool:
        """Whether a disk took nothing at some moment between (wall clock, seconds)."""
        with self.lock:
            return any(low - 1 <= ended and began <= high + 1 for low, high in self._periods)
