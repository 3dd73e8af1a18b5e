"""Waiting for a step or a run to settle: by the daemon's events, never by asking again and again."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from codencer.client.daemon import Daemon, path
from codencer.client.events import Seen, follow
from codencer.errors import CodencerError, DaemonUnreachable, WaitTimeout

Watcher = Callable[[Seen], None]

QUIETLY = {"live": False}
"""Who only waits wants no look at what the agent is doing."""


def wait_for_step(
    daemon: Daemon,
    address: str,
    *,
    timeout: float | None = None,
    watch: Watcher | None = None,
    kinds: Sequence[str] = (),
    away: Callable[[], None] = lambda: None,
    waits: Callable[[str], None] = lambda _why: None,
) -> dict[str, Any]:
    """Return the step once it is settled.

    Args:
        timeout: seconds; None waits for ever.
        waits: is told, if the step itself waits for something at first, for what.
        watch: sees the events of the step on the way, of these `kinds` only if there are any.

    Raises:
        WaitTimeout: it is not settled yet, and goes on.
        DaemonUnreachable: the daemon went away for good; the step's agent goes on.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    step: dict[str, Any] = daemon.get(path("steps", address), QUIETLY)
    if step["settled"]:
        return step
    if step["waiting"]:
        waits(step["waiting"])
    identifier = step["id"]
    wanted = (*kinds, "step.settled") if kinds or not watch else ()
    try:
        for seen in follow(daemon, step=identifier, kinds=wanted, deadline=deadline, away=away):
            if watch is not None:
                watch(seen)
            if seen.kind == "step.settled":
                step = daemon.get(path("steps", identifier), QUIETLY)
                if step["settled"]:
                    return step
    except (WaitTimeout, DaemonUnreachable) as problem:
        raise still_going(problem, identifier, timeout) from problem
    raise AssertionError("the event stream has no end")


def wait_for_run(
    daemon: Daemon,
    address: str,
    *,
    timeout: float | None = None,
    away: Callable[[], None] = lambda: None,
    moved: Callable[[dict[str, Any]], None] = lambda _run: None,
) -> dict[str, Any]:
    """Return the run once none of its steps is unsettled.

    Args:
        moved: sees the run as it is now and whenever it or one of its steps has moved.

    Raises:
        WaitTimeout: some step is not settled yet, and goes on.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    run: dict[str, Any] = daemon.get(path("runs", address))
    moved(run)
    if not run["steps_unsettled"]:
        return run
    kinds = ("step.settled", "run.advanced")
    try:
        for _ in follow(daemon, run=run["id"], kinds=kinds, deadline=deadline, away=away):
            run = daemon.get(path("runs", address))
            moved(run)
            if not run["steps_unsettled"]:
                return run
    except WaitTimeout as problem:
        raise WaitTimeout(
            f"run {run['id']} still has {run['steps_unsettled']} unsettled step(s) after {timeout:g} s; "
            f"they go on: `codencer run wait {run['id']}`"
        ) from problem
    raise AssertionError("the event stream has no end")


def still_going(problem: CodencerError, step: str, timeout: float | None) -> CodencerError:
    """The same kind of error, saying that the step goes on and how to look at it again."""
    if isinstance(problem, WaitTimeout):
        said = f"step {step} is not settled after {timeout:g} s"
    else:
        said = problem.message
    return type(problem)(f"{said}; the step goes on: `codencer step wait {step}`")
