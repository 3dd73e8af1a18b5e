"""What goes wrong: processes killed or halted, disks full or failing, clocks set, at random moments.

Kinds and pauses come from the seed; who is hit depends on who is there.
"""

import errno
import os
import random
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

from tests.soak import processes
from tests.soak.journal import Journal
from tests.soak.keeper import Keeper
from tests.soak.processes import Seen
from tests.soak.scene import Disk, Scene

HALTED = (0.1, 1.5)
"""Seconds for which a process is halted, or a disk full."""
WEIGHTS = {
    "daemon": 24,
    "term": 4,
    "supervisor": 26,
    "member": 34,
    "halt": 8,
    "disk": 4,
    "eio": 3,
    "clock": 6,
}
FARTHEST_JUMP = 30 * 24 * 3600
"""Seconds by which a clock is wrong, either way."""


class Faults(threading.Thread):
    """Goes on until stopped, and repairs everything then."""

    def __init__(self, seed: str, pace: float, scene: Scene, journal: Journal, keeper: Keeper) -> None:
        super().__init__(name="faults", daemon=True)
        self._rng, self._pace = random.Random(f"{seed}/faults"), pace
        self._scene, self._journal, self._keeper = scene, journal, keeper
        self._over = threading.Event()
        self._running: list[threading.Thread] = []
        self._weights = dict(WEIGHTS)
        if not all(disk.mounted for disk in scene.disks.values()):
            del self._weights["disk"]
        if scene.shim is None:
            del self._weights["eio"], self._weights["clock"]

    def stop(self) -> None:
        """No more faults; returns when those that last are over."""
        self._over.set()
        self.join()
        for each in self._running:
            each.join()

    def run(self) -> None:
        kinds: dict[str, Callable[[], None]] = {
            "daemon": self._kill_daemon,
            "term": self._stop_daemon,
            "supervisor": lambda: self._kill(lambda seen: seen.supervisor),
            "member": lambda: self._kill(lambda seen: not seen.supervisor),
            "halt": self._halt,
            "disk": self._fill_disk,
            "eio": self._fail_disk,
            "clock": self._set_clock,
        }
        while not self._over.wait(self._rng.expovariate(1 / self._pace)):
            kind = self._rng.choices(list(self._weights), list(self._weights.values()))[0]
            try:
                kinds[kind]()
            except FileNotFoundError:
                continue  # the instance does not exist yet

    def _kill_daemon(self) -> None:
        if self._keeper.send(signal.SIGKILL):
            self._journal.killed("daemon")

    def _stop_daemon(self) -> None:
        if self._keeper.send(signal.SIGTERM):
            self._journal.done["daemon stopped with TERM"] += 1

    def _choose(self, wanted: Callable[[Seen], bool]) -> Seen | None:
        found = processes.look(self._scene.folder, self._scene.instance)
        there = sorted((seen for seen in found if wanted(seen)), key=lambda seen: seen.pid)
        return self._rng.choice(there) if there else None

    def _kill(self, wanted: Callable[[Seen], bool]) -> None:
        if (seen := self._choose(wanted)) is None:
            return
        # Written down first: when the outcome is looked at, it must be known already.
        self._journal.killed(seen.role, seen.attempt)
        with suppress(ProcessLookupError):
            os.kill(seen.pid, signal.SIGKILL)

    def _halt(self) -> None:
        if self._rng.random() < 0.2:
            if self._keeper.send(signal.SIGSTOP):
                self._journal.done["halt daemon"] += 1
                self._later(lambda: self._keeper.send(signal.SIGCONT))
            return
        if (seen := self._choose(lambda _: True)) is None:
            return
        self._journal.done[f"halt {seen.role}"] += 1
        with suppress(ProcessLookupError):
            os.kill(seen.pid, signal.SIGSTOP)
        self._later(lambda: _go_on(seen.pid))

    def _fill_disk(self) -> None:
        disk = self._rng.choice(list(self._scene.disks.values()))
        number = self._journal.disk_fails("full")
        disk.limit(self._rng.randrange(0, 256 * 1024))
        self._later(lambda: self._make_room(disk, number))

    def _make_room(self, disk: Disk, number: int) -> None:
        disk.limit(None)
        self._journal.disk_mended(number)

    def _fail_disk(self) -> None:
        """The daemons' own disk answers EIO, as far as they can tell."""
        shim = self._scene.shim
        assert shim is not None
        number = self._journal.disk_fails("failing")
        shim.fail(errno.EIO, after=self._rng.randrange(40))

        def mend() -> None:
            shim.mend()
            self._journal.disk_mended(number)

        self._later(mend)

    def _set_clock(self) -> None:
        shim = self._scene.shim
        assert shim is not None
        seconds = self._rng.uniform(-FARTHEST_JUMP, FARTHEST_JUMP)
        number = self._journal.clock_jumps(seconds)
        shim.set_clock(seconds)

        def set_right() -> None:
            shim.set_clock(0)
            self._journal.clock_is_right(number)

        self._later(set_right)

    def _later(self, repair: Callable[[], object]) -> None:
        """Do it after a while, or at once when all is over."""
        seconds = self._rng.uniform(*HALTED)

        def wait() -> None:
            self._over.wait(seconds)
            repair()

        self._running = [each for each in self._running if each.is_alive()]
        self._running.append(threading.Thread(target=wait, daemon=True))
        self._running[-1].start()


def _go_on(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
