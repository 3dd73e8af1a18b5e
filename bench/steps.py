"""One step at a time: the bridge's overhead, and the time from the agent's end to the verdict.

The same in repositories of 50, 10,000 and 100,000 files, each against the bare script.
"""

import os
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import TypeVar

from bench.bare import Bare, Done
from bench.bridge import Bridge, Step, bridge
from bench.figures import Figure, Pairs, paired, spread
from bench.scene import Scene

T = TypeVar("T")

GOAL_RATIO = 1.5
GOAL_SECONDS = 0.15
GOAL_AFTER_AGENT_MS = 50.0

ROUNDS = {50: 25, 10_000: 6, 100_000: 3}
QUICK_ROUNDS = {50: 5, 10_000: 2, 100_000: 1}
LONGEST_SECONDS = 25.0
"""After this no round is begun: on a slow disk fewer are better than none at all."""

GROUPS = {50: "step", 10_000: "step-10k", 100_000: "step-100k"}


def small(scene: Scene, quick: bool) -> list[Figure]:
    return list(_measure(scene, 50, quick))


def middle(scene: Scene, quick: bool) -> list[Figure]:
    return list(_measure(scene, 10_000, quick))


def large(scene: Scene, quick: bool) -> list[Figure]:
    return list(_measure(scene, 100_000, quick))


def _measure(scene: Scene, files: int, quick: bool) -> Iterator[Figure]:
    top = scene.repository(files)
    bare = Bare(top=top, scratch=scene.folder / f"bare-{files}", environ=scene.environ)
    with bridge(scene, top) as running:
        # The first step makes folders and pins the base; where a step takes seconds it is no matter.
        if files < max(ROUNDS):
            bare.step()
            running.step()
        rounds = list(_alternate(running, bare, (QUICK_ROUNDS if quick else ROUNDS)[files]))
    yield from _whole(files, paired([(ours.seconds, plain.seconds) for ours, plain in rounds]))
    group, where, small = GROUPS[files], f"{files:,} files", files == min(ROUNDS)
    after = paired([(ours.after_agent * 1000, plain.after_agent * 1000) for ours, plain in rounds])
    yield Figure(
        group=group,
        name=f"agent's end to verdict, {where}",
        value=median(after.bridge),
        unit="ms",
        goal=GOAL_AFTER_AGENT_MS if small else None,
        beside=after.beside("ms"),
        samples=after.bridge,
    )
    submitted = paired([(ours.submitted * 1000, plain.submitted * 1000) for ours, plain in rounds])
    yield Figure(
        group=group,
        name=f"submission, {where}",
        value=median(submitted.bridge),
        unit="ms",
        beside=submitted.beside("ms"),
        samples=submitted.bridge,
    )


def _whole(files: int, pairs: Pairs) -> Iterator[Figure]:
    group, name = GROUPS[files], f"one step, {files:,} files"
    yield Figure(
        group=group,
        name=f"{name}, to a bare script",
        value=pairs.ratio,
        unit="x",
        goal=GOAL_RATIO,
        beside=f"{pairs.beside('s')}, {len(pairs.bare)} pairs",
        samples=pairs.ratios,
    )
    if files == min(ROUNDS):
        yield Figure(
            group=group,
            name=name,
            value=median(pairs.bridge),
            unit="s",
            goal=GOAL_SECONDS,
            beside=spread(pairs.bridge),
            samples=pairs.bridge,
        )


def _alternate(running: Bridge, bare: Bare, rounds: int) -> Iterator[tuple[Step, Done]]:
    """Yield pairs of the same step done by both, each time the other one first."""
    began = time.monotonic()
    for number in range(rounds):
        if number and time.monotonic() - began > LONGEST_SECONDS:
            return
        if number % 2:
            plain, ours = _quietly(bare.step), _quietly(running.step)
        else:
            ours, plain = _quietly(running.step), _quietly(bare.step)
        yield ours, plain


def _quietly(step: Callable[[], T]) -> T:
    """Do one step with nothing left to write from the one before, which would be charged to it."""
    os.sync()
    return step()
