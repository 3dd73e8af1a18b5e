"""An agent that is not allowed what it wants, and one that asks a person for it."""

import os
import signal
from typing import Any

from codencer.testing.conformance import processes
from codencer.testing.conformance.case import Case
from codencer.testing.conformance.trial import HAS_IT, Trial

_ASKING = "escalate"
"""As `edit`; where an agent's model has to say that it wants to ask, it says so."""
_MOST_QUESTIONS = 5
"""One edit takes one; some ask for the folder, too."""


def refused(trial: Trial) -> None:
    """It is denied the right to write: it says so, and nothing is changed."""
    checkout = trial.place.checkout("refusing", trial.profile, trial.profile.refusing)
    scenario = _ASKING if trial.profile.asks else "edit"
    found = trial.run(trial.goal(trial.script(scenario)), cwd=checkout, validations=[HAS_IT])
    if trial.expect(found, "failed_terminal", "permission_denied"):
        trial.expect_asked_model()
    if trial.profile.asks:
        told = [each for each in found.result["warnings"] if "not allowed" in each]
        trial.check(bool(told), f"what it was not allowed is not told: {found.result['warnings']}")


def asked(trial: Trial) -> None:
    """It asks, and the daemon is killed: the question is still there, and the same agent goes on with the
    answer of a person."""
    checkout = trial.place.checkout("asking", trial.profile, {"approvals": "ask"})
    task = trial.submit(trial.goal(trial.script(_ASKING)), wait=False, cwd=checkout, validations=[HAS_IT])
    step = str(task.document["id"])
    first = _question(trial, step)
    if first is None:
        trial.problems.append("it never asked")
    else:
        _survives(trial, step, first)
        _answer(trial, step)
    found = trial.settled(step)
    if not trial.expect(found, "completed", files={"hello.txt": "A"}):
        return
    trial.check(found.result["attempt_number"] == 1, "it was attempted again")
    [*answered] = trial.place.cli("step", "questions", step, "--all").document
    by = {(each["state"], each["by"]) for each in answered}
    trial.check(by == {("answered", "person")}, f"its questions are {sorted(by)}")
    trial.check("permission" in found.kinds(), "the transcript has no permission that was asked for")


def _question(trial: Trial, step: str) -> dict[str, Any] | None:
    """What its agent asks, once it does; None when the step is over without a question left."""
    state = trial.until(step, lambda state: state["settled"] or bool(_open(trial, step)))
    return None if state["settled"] else next(iter(_open(trial, step)), None)


def _open(trial: Trial, step: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = trial.place.cli("step", "questions", step).document
    return [each for each in listed if each["state"] == "open"]


def _survives(trial: Trial, step: str, question: dict[str, Any]) -> None:
    """Kill the daemon: question and agent are the same with the next one."""
    attempt = trial.place.cli("step", "result", step).document["attempt_id"]
    before = {each.pid for each in processes.of_attempt(attempt)}
    trial.check(bool(before), "no process of the attempt was found")
    os.kill(trial.place.cli("instance").document["pid"], signal.SIGKILL)
    names = [each["id"] for each in _open(trial, step)]
    trial.check(
        names == [question["id"]], f"after the daemon was killed {names} are open, not the one before"
    )
    after = {each.pid for each in processes.of_attempt(attempt)}
    trial.check(bool(before & after), "no process that was there before is there after the daemon was killed")


def _answer(trial: Trial, step: str) -> None:
    """Allow everything that is asked until the step is over."""
    for _ in range(_MOST_QUESTIONS):
        question = _question(trial, step)
        if question is None:
            return
        said = trial.place.cli("step", "answer", step, "allow", "--question", question["id"])
        trial.check(said.code == 0, f"the answer was refused: {said.document}")
    trial.problems.append(f"it asked more than {_MOST_QUESTIONS} times")
    trial.place.cli("step", "cancel", step)


CASES = (
    Case(
        name="refused", about="is denied a permission: nothing changed, and not called a success", run=refused
    ),
    Case(
        name="asked",
        about="asks a person: the question outlives the daemon, and with the answer it goes on",
        run=asked,
        alone=True,
        needs_questions=True,
    ),
)
