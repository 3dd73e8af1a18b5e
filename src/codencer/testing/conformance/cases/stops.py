"""An agent that is stopped in the middle of its work, and a daemon that is killed meanwhile."""

import os
import signal
import threading
from contextlib import suppress
from typing import Any

from codencer.testing.conformance import processes
from codencer.testing.conformance.case import Case
from codencer.testing.conformance.place import NoDocument
from codencer.testing.conformance.profile import AtWork, Speaks
from codencer.testing.conformance.trial import WORK_SECONDS, Trial
from codencer.testing.model_server import Request, Script

PAUSE_SECONDS = 4
_OVER = "over"
"""What the journal is told of a step that has ended."""


def _caught(trial: Trial, script: Script, **keys: Any) -> str | None:
    """Submit a task and wait until its agent is in the middle of it; the step's id, None if it never was."""
    step = str(trial.submit(trial.goal(script), wait=False, **keys).document["id"])
    by_tool = trial.profile.at_work is AtWork.TOOL
    # Whoever ends without having come to its work is not waited for any longer.
    threading.Thread(target=_tell_the_end, args=(trial, step), daemon=True).start()

    def news(request: Request) -> bool:
        told = request.kind in ("tool", _OVER) or not by_tool
        return request.id == trial.name and told

    seen = trial.server.journal.wait(news, WORK_SECONDS)
    if trial.check(seen is not None and seen.kind != _OVER, "it never came to its work"):
        return step
    trial.problems.append(trial.settled(step).said())
    return None


def _tell_the_end(trial: Trial, step: str) -> None:
    with suppress(NoDocument):
        trial.place.cli("step", "wait", step, seconds=WORK_SECONDS)
    trial.server.journal.note(Request(kind=_OVER, id=trial.name))


def _endless(trial: Trial) -> Script:
    return trial.script("sleep" if trial.profile.at_work is AtWork.TOOL else "hang")


def cancel(trial: Trial) -> None:
    if (step := _caught(trial, _endless(trial))) is None:
        return
    trial.place.cli("step", "cancel", step)
    trial.expect(trial.settled(step), "cancelled")


def timeout(trial: Trial) -> None:
    seconds = trial.stage.limit_seconds
    if (step := _caught(trial, _endless(trial), timeout_seconds=seconds)) is not None:
        trial.expect(trial.settled(step), "timeout", "limit")


def daemon_killed(trial: Trial) -> None:
    """The daemon dies without a word; the agent goes on, is found again and never started a second time."""
    pause = str(PAUSE_SECONDS)
    script = trial.script("pause", seconds=pause)
    if trial.profile.at_work is AtWork.MODEL:
        script = trial.script("edit", delay=pause)
    if (step := _caught(trial, script)) is None:
        return
    attempt = trial.place.cli("step", "result", step).document["attempt_id"]
    before = {each.pid for each in processes.of_attempt(attempt)}
    os.kill(trial.place.cli("instance").document["pid"], signal.SIGKILL)
    trial.check(bool(before), "no process of the attempt was found")
    found = trial.settled(step)
    if trial.expect(found, "completed", files={"hello.txt": "A"}):
        trial.check(found.result["attempt_number"] == 1, "it was attempted again")
        if trial.profile.speaks is Speaks.MODEL:
            first = [each for each in trial.server.journal.of(trial.name) if each.tools and not each.results]
            trial.check(len(first) <= 1, f"its model was asked {len(first)} times for the first move")


CASES = (
    Case(name="cancel", about="is cancelled in the middle of a tool: no process is left", run=cancel),
    Case(name="timeout", about="runs out of time in the middle of a tool: no process is left", run=timeout),
    Case(
        name="daemon-killed",
        about="goes on while the daemon is killed (kill -9), and is found again by the next one",
        run=daemon_killed,
        alone=True,
    ),
)
