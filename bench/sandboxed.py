"""The sandbox: what it adds to a launch, from the order to the end of its supervisor.

Each confined launch is measured next to the same launch without; the median of the differences counts.
"""

import os
import time
from pathlib import Path
from statistics import median

from bench.figures import Figure, shown
from bench.scene import Scene
from codencer.model.launch import Confinement, Launch, Limits
from codencer.process.launches import Launcher, Order
from codencer.process.sandbox import find_sandbox
from codencer.process.toolchains import tool_chains

GOAL_MS = 15.0
ROUNDS, QUICK_ROUNDS = 60, 5
AGENT = ("true",)


def measure(scene: Scene, quick: bool) -> list[Figure]:
    """None where there is no sandbox."""
    sandbox = find_sandbox(scene.environ)
    if sandbox.problem:
        return []
    launcher, folder = Launcher(sandbox=sandbox), scene.folder / "sandboxed"
    work = folder / "work"
    work.mkdir(parents=True)
    confinement = Confinement(
        read=tool_chains(scene.environ, (), (os.fspath(scene.folder),)),
        write=(os.fspath(work),),
        private=(scene.environ["HOME"],),
        hidden=(os.fspath(scene.folder),),
    )
    inside, outside = [], []
    for number in range((QUICK_ROUNDS if quick else ROUNDS) + 1):
        outside.append(_launch(launcher, folder / f"outside-{number}", scene, work, None))
        inside.append(_launch(launcher, folder / f"inside-{number}", scene, work, confinement))
    added = tuple(confined - plain for confined, plain in zip(inside[1:], outside[1:], strict=True))
    return [
        Figure(
            group="sandbox",
            name="sandbox, added to a launch",
            value=median(added),
            unit="ms",
            goal=GOAL_MS,
            beside=f"a launch takes {shown(median(outside))} ms without",
            samples=added,
        )
    ]


def _launch(
    launcher: Launcher, folder: Path, scene: Scene, work: Path, confinement: Confinement | None
) -> float:
    order = Order(
        launch=Launch(argv=AGENT),
        limits=Limits(wall_seconds=60, grace_seconds=1),
        cwd=work,
        env=scene.environ,
        marker=f"bench/{folder.name}",
        confinement=confinement,
    )
    began = time.monotonic()
    pid = launcher.start(folder, order).pid
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # the launcher itself reaps it later
    return (time.monotonic() - began) * 1000
