"""What `baseline` costs a task whose base was asked before: the answer is known and is only looked up.

Pairs of steps with the same validation, once compared with the base and once not. An answer that was not
known would be in the figure with the whole time of the validation.
"""

import os
from collections.abc import Iterator
from statistics import median
from typing import Any

from bench.bridge import Bridge, bridge
from bench.figures import Figure
from bench.scene import Scene

GOAL_MS = 20.0
FILES = 50
ROUNDS, QUICK_ROUNDS = 15, 3
CHECK = {"name": "tests", "command": "sleep 0.2"}
"""As slow as a small test suite."""


def measure(scene: Scene, quick: bool) -> list[Figure]:
    """The overhead of a known baseline, in milliseconds of validation."""
    with bridge(scene, scene.repository(FILES)) as running:
        _validated(running, compared=True)
        spent = list(_rounds(running, QUICK_ROUNDS if quick else ROUNDS))
    return [
        Figure(
            group="baseline",
            name="baseline of a base that was asked before",
            value=median(spent),
            unit="ms",
            goal=GOAL_MS,
            beside=f"{len(spent)} pairs, from {min(spent):.1f} to {max(spent):.1f} ms",
            samples=tuple(spent),
        )
    ]


def _rounds(running: Bridge, rounds: int) -> Iterator[float]:
    for number in range(rounds):
        first = _validated(running, compared=number % 2 == 0)
        second = _validated(running, compared=number % 2 == 1)
        yield first - second if number % 2 == 0 else second - first


def _validated(running: Bridge, *, compared: bool) -> float:
    """Milliseconds from a step's snapshot to the result of its validation."""
    os.sync()
    spec: dict[str, Any] = {**CHECK, "baseline": compared}
    step = running.submit(validations=[spec])
    judged, _ = running.watch.wait(step, "validation.finished")
    taken, _ = running.watch.wait(step, "snapshot.taken")
    running.watch.wait(step, "workspace.released")
    running.calm()
    return (judged - taken) * 1000
