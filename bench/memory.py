"""The daemon's memory and wake-ups: while idle, and while an agent prints a lot."""

import threading
import time

from bench.bridge import Bridge, bridge
from bench.figures import Figure
from bench.procfs import forget_peak, peak_mb, proportional_mb, resident_mb, wakeups
from bench.scene import Scene, Unmeasured
from codencer.client.daemon import path

GOAL_RESIDENT_MB = 70.0
GOAL_GROWTH_MB = 20.0
IDLE_SECONDS, QUICK_IDLE_SECONDS = 5.0, 2.0
SETTLING_SECONDS = 0.5
"""For the last thread to go to sleep after the last answer."""
STEPS_BEFORE, QUICK_STEPS_BEFORE = 20, 3
PRINTED_BYTES = 200_000_000


def idle(scene: Scene, quick: bool) -> list[Figure]:
    """A daemon that has done some work and has a client waiting for events."""
    seconds = QUICK_IDLE_SECONDS if quick else IDLE_SECONDS
    with bridge(scene, scene.repository(50)) as running:
        fresh = resident_mb(running.pid)
        for _ in range(QUICK_STEPS_BEFORE if quick else STEPS_BEFORE):
            running.step()
        time.sleep(SETTLING_SECONDS)
        before = wakeups(running.pid)
        time.sleep(seconds)
        woken = wakeups(running.pid) - before
        resident, own = resident_mb(running.pid), proportional_mb(running.pid)
    return [
        Figure(
            group="idle",
            name="idle daemon, resident",
            value=resident,
            unit="MB",
            goal=GOAL_RESIDENT_MB,
            beside=f"{own:.1f} MB proportional; {fresh:.1f} MB before its first step",
        ),
        Figure(
            group="idle",
            name=f"idle daemon, wake-ups in {seconds:g} s",
            value=woken,
            unit="",
            goal=0,
            beside="all threads",
        ),
    ]


def output(scene: Scene, quick: bool) -> list[Figure]:
    """Growth of the daemon while one agent prints 200 MB and two clients follow it, as bytes and as text."""
    del quick
    with bridge(scene, scene.repository(50)) as running:
        running.step()
        before = resident_mb(running.pid)
        forget_peak(running.pid)
        began = time.monotonic()
        step = running.submit("talker")
        running.watch.wait(step, "agent.started")
        follower, reader = _Follower(running, step, "raw"), _Follower(running, step, "text")
        settled, _ = running.watch.wait(step, "step.settled")
        follower.join()
        reader.join()
        growth = peak_mb(running.pid) - before
    if follower.received != PRINTED_BYTES:
        raise Unmeasured(f"a follower got {follower.received:,} of {PRINTED_BYTES:,} bytes")
    return [
        Figure(
            group="output",
            name="daemon's growth, 200 MB of output",
            value=growth,
            unit="MB",
            goal=GOAL_GROWTH_MB,
            beside=f"highest; from {before:.1f} MB; step took {settled - began:.1f} s, log followed",
        )
    ]


class _Follower(threading.Thread):
    """Reads a step's log to its end, as `codencer step logs --follow` does, with `--raw` or without."""

    def __init__(self, running: Bridge, step: str, form: str) -> None:
        super().__init__(name="follower", daemon=True)
        self._running, self._step, self._form = running, step, form
        self.received = 0
        self.start()

    def run(self) -> None:
        target = path("steps", self._step, "logs")
        for piece in self._running.daemon.pieces(target, {"follow": True, "format": self._form}):
            self.received += len(piece)
