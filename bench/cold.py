"""Starting up: a command against a running daemon, and the daemon itself."""

import os
import sys
from collections.abc import Sequence
from statistics import median

from bench.bridge import bridge, forget
from bench.figures import Figure, spread
from bench.scene import Scene, Unmeasured

GOAL_CPU_MS = 80.0
ROUNDS, QUICK_ROUNDS = 15, 4
STARTS, QUICK_STARTS = 5, 2


def command(scene: Scene, quick: bool) -> list[Figure]:
    """CPU time of `codencer step state`, next to a Python that only starts."""
    top = scene.repository(50)
    verb = [sys.executable, "-P", "-c", "from codencer.cli.main import main; main()", "step", "state"]
    with bridge(scene, top) as running:
        step = running.step().id
        ours, plain = [], []
        for _ in range(QUICK_ROUNDS if quick else ROUNDS):
            ours.append(_cpu_ms([*verb, step], str(top), scene.environ))
            plain.append(_cpu_ms([sys.executable, "-c", "import click"], str(top), scene.environ))
    return [
        Figure(
            group="command",
            name="CPU of `codencer step state`",
            value=median(ours),
            unit="ms",
            goal=GOAL_CPU_MS,
            beside=f"Python with click alone {median(plain):.1f} ms; {spread(ours)}",
            samples=tuple(ours),
        )
    ]


def daemon(scene: Scene, quick: bool) -> list[Figure]:
    """From the daemon's exec to its first answer, in a repository it has served before."""
    top = scene.repository(50)
    forget(top)
    seconds = []
    for _ in range(1 + (QUICK_STARTS if quick else STARTS)):
        with bridge(scene, top) as running:
            seconds.append(running.seconds_to_answer)
    first, *later = seconds
    return [
        Figure(
            group="start",
            name="daemon's start to its first answer",
            value=median(later),
            unit="s",
            beside=f"{spread(later)}; {first:.2f} s with a new ledger",
            samples=tuple(later),
        )
    ]


def _cpu_ms(argv: Sequence[str], cwd: str, environ: dict[str, str]) -> float:
    """User and system time of one process and its children, which must end with code 0."""
    here = os.getcwd()
    os.chdir(cwd)
    try:
        null = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
        pid = os.posix_spawn(argv[0], list(argv), environ, file_actions=[null])
    finally:
        os.chdir(here)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise Unmeasured(f"{' '.join(argv)} ended with {os.waitstatus_to_exitcode(status)}")
    return (usage.ru_utime + usage.ru_stime) * 1000
