"""A long queue: steps a second with 200 steps waiting and eight attempts at a time.

The run is paused while it is filled, so that submission does not count; the bare script does
the same work in as many threads.
"""

import time
from concurrent.futures import ThreadPoolExecutor

from bench.bare import Bare
from bench.bridge import RUN, Bridge, bridge
from bench.figures import Figure
from bench.procfs import cpu_seconds
from bench.scene import Scene
from codencer.client.daemon import path

PARALLEL = 8
STEPS, QUICK_STEPS = 200, 24
BARE_SHARE = 0.3
"""So much of the number of steps is done by the bare script before the bridge's turn, and again after it."""
GOAL_RATIO = 1.5
GOAL_RATE = 1 / 0.15


def measure(scene: Scene, quick: bool) -> list[Figure]:
    top = scene.repository(50)
    bare = Bare(top=top, scratch=scene.folder / "bare-crowd", environ=scene.environ)
    count = QUICK_STEPS if quick else STEPS
    share = round(count * BARE_SHARE)
    with bridge(scene, top, {"CODENCER_MAX_PARALLEL": str(PARALLEL)}) as running:
        running.step()
        before = _bare_crowd(bare, share)
        cpu = cpu_seconds(running.pid)
        worked = _crowd(running, count)
        burnt = (cpu_seconds(running.pid) - cpu) / count
        after = _bare_crowd(bare, share)
    plain = (before + after) / (2 * share)
    name = f"{count} queued, {PARALLEL} at a time"
    return [
        Figure(
            group="crowd",
            name=f"{name}, to a bare script",
            value=worked / count / plain,
            unit="x",
            goal=GOAL_RATIO,
            beside=f"bare {share / before:.1f}/s before and {share / after:.1f}/s after",
        ),
        Figure(
            group="crowd",
            name=name,
            value=count / worked,
            unit="steps/s",
            goal=GOAL_RATE,
            want="at least",
            beside=f"daemon's own CPU {burnt * 1000:.0f} ms a step, submission and clients included",
        ),
    ]


def _crowd(running: Bridge, count: int) -> float:
    """Fill a paused run, then let it go: the seconds from then to the last verdict."""
    run = path("runs", RUN)
    running.daemon.call("PATCH", run, body={"action": "pause"})
    steps = [running.submit() for _ in range(count)]
    began = time.monotonic()
    running.daemon.call("PATCH", run, body={"action": "resume"})
    verdicts = [running.watch.wait(step, "step.settled")[0] for step in steps]
    for step in steps:
        running.watch.wait(step, "workspace.released")
    running.calm()
    return max(verdicts) - began


def _bare_crowd(bare: Bare, count: int) -> float:
    def one(_: int) -> None:
        number, _after = bare.walk()
        bare.release(number)

    began = time.monotonic()
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(one, range(count)))
    return time.monotonic() - began
