"""The supervisor: how much memory it takes, and how long until the agent runs."""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench.bare import SUPERVISOR
from bench.bridge import bridge
from bench.figures import Figure, paired
from bench.procfs import proportional_mb, resident_mb
from bench.scene import Scene
from codencer.model.launch import Launch, Limits
from codencer.process.launches import Launcher, Order

GOAL_RESIDENT_MB = 14.0
GOAL_START_MS = 40.0
ROUNDS, QUICK_ROUNDS = 25, 5
AGENT = ("date", "+%s%N")


def measure(scene: Scene, quick: bool) -> list[Figure]:
    return [_memory(scene), _start(scene, QUICK_ROUNDS if quick else ROUNDS)]


def _memory(scene: Scene) -> Figure:
    with bridge(scene, scene.repository(50)) as running:
        step = running.submit("sleeper")
        running.watch.wait(step, "agent.started")
        pid = running.claim(step)["pid"]
        resident, own = resident_mb(pid), proportional_mb(pid)
        running.daemon.post(f"/api/v1/steps/{step}/cancel")
        running.watch.wait(step, "step.settled")
    return Figure(
        group="supervisor",
        name="supervisor, resident",
        value=resident,
        unit="MB",
        goal=GOAL_RESIDENT_MB,
        beside=f"{own:.1f} MB proportional",
    )


def _start(scene: Scene, rounds: int) -> Figure:
    launcher = Launcher()
    folder = scene.folder / "launches"
    measured = []
    for number in range(rounds + 1):
        ours = _supervised(launcher, folder / f"ours-{number}", scene)
        plain = _bare(folder / f"bare-{number}", scene)
        measured.append((ours, plain))
    pairs = paired(measured[1:])  # the first one has read the programs from the disk
    return Figure(
        group="supervisor",
        name="spawn to the agent's start",
        value=median(pairs.bridge),
        unit="ms",
        goal=GOAL_START_MS,
        beside=pairs.beside("ms"),
        samples=pairs.bridge,
    )


def _supervised(launcher: Launcher, folder: Path, scene: Scene) -> float:
    order = Order(
        launch=Launch(argv=AGENT),
        limits=Limits(wall_seconds=60, grace_seconds=1),
        cwd=scene.folder,
        env=scene.environ,
        marker=f"bench/{folder.name}",
    )
    began = time.time()
    pid = launcher.start(folder, order).pid
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # the launcher itself reaps it later
    return (int((folder / "stdout").read_bytes()) / 1e9 - began) * 1000


def _bare(folder: Path, scene: Scene) -> float:
    folder.mkdir()
    argv = [sys.executable, "-I", "-S", str(SUPERVISOR), str(folder), str(scene.folder), *AGENT]
    began = time.time()
    subprocess.run(argv, env=scene.environ, cwd="/", start_new_session=True, check=True)
    return (int((folder / "stdout").read_bytes()) / 1e9 - began) * 1000
