"""A daemon killed while agents work: from its ledger being open again until all are looked after."""

import os
import signal
import time
from pathlib import Path

from bench.bridge import PATIENCE_SECONDS, RUN, Bridge, bridge, forget
from bench.figures import Figure
from bench.scene import Scene, Unmeasured
from codencer.client.daemon import path

GOAL_SECONDS = 1.0
AGENTS, QUICK_AGENTS = (1, 10, 100), (1, 10)
LOOK_SECONDS = 0.002


def measure(scene: Scene, quick: bool) -> list[Figure]:
    """One restart for each number of live agents."""
    top = scene.repository(50)
    figures = [_restart(scene, top, agents) for agents in (QUICK_AGENTS if quick else AGENTS)]
    forget(top)  # its run is aborted, and takes no work of those who measure next
    return figures


def _restart(scene: Scene, top: Path, agents: int) -> Figure:
    forget(top)
    settings = {"CODENCER_MAX_PARALLEL": str(agents), "CODENCER_GRACE_SECONDS": "1"}
    with bridge(scene, top, settings) as running:
        steps = [running.submit("sleeper") for _ in range(agents)]
        for step in steps:
            running.watch.wait(step, "agent.started")
        os.kill(running.pid, signal.SIGKILL)
    restarted = time.time()
    with bridge(scene, top, settings) as running:
        began = time.monotonic()
        while (adopted := _looked_after(running.pid)) < agents:
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise Unmeasured(f"{adopted} of {agents} agents were adopted")
            time.sleep(LOOK_SECONDS)
        now = time.time()
        seconds = now - running.watch.recorded("daemon.started", since=restarted)
        _end(running, steps)
    return Figure(
        group="adoption",
        name=f"restart with {agents} live agents: all adopted",
        value=seconds,
        unit="s",
        goal=GOAL_SECONDS,
        beside=f"or sooner: looked at from the first answer on, {running.seconds_to_answer:.2f} s after exec",
    )


def _looked_after(pid: int) -> int:
    """How many processes the daemon waits for: each is a descriptor that wakes it at their end."""
    found = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += os.readlink(link) == "anon_inode:[pidfd]"
        except FileNotFoundError:
            continue  # closed since it was listed
    return found


def _end(running: Bridge, steps: list[str]) -> None:
    running.daemon.call("PATCH", path("runs", RUN), body={"action": "abort"})
    for step in steps:
        running.watch.wait(step, "step.settled")
