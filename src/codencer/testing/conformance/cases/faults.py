"""A model that fails in each of the known ways, or calls what is not there."""

from collections.abc import Callable

from codencer.testing.conformance.case import Case
from codencer.testing.conformance.profile import Fact
from codencer.testing.conformance.trial import HAS_IT, WORK_SECONDS, Trial

_RESTED = frozenset({"quota", "overload"})
"""Kinds of errors that pass: an agent that can take up its conversation again waits for that."""
_RESTS = "waits until"
"""How `step state` begins to say so."""


def failing(scenario: str, *kinds: str) -> Callable[[Trial], None]:
    """A model that fails every question in this way: the agent broke, and says why in one of these kinds.

    One that can take up its conversation again rests instead, where the fault is one that passes.
    """

    def run(trial: Trial) -> None:
        own = trial.own
        known = [str(each) for each in own.error_kinds] if own and own.error_kinds else kinds
        if trial.profile.resumes and _RESTED.issuperset(known):
            _rests(trial, scenario, known[0])
            return
        # One that gives up by itself gets the time it needs for that.
        patience = trial.stage.limit_seconds if "limit" in known else WORK_SECONDS
        seconds = own.seconds if own and own.seconds else patience
        found = trial.run(trial.goal(trial.script(scenario)), timeout_seconds=seconds)
        if trial.expect(found, "failed_adapter", *kinds):
            trial.expect_asked_model()
            if trial.profile.tells_of(Fact.ERRORS) and found.state == "failed_adapter":
                trial.check("error" in found.kinds(), "the transcript has no error")

    return run


def _rests(trial: Trial, scenario: str, kind: str) -> None:
    """It rests; once its quota is there again, it goes on in the same attempt and the same conversation."""
    step = str(trial.submit(trial.goal(trial.script(scenario)), wait=False).document["id"])
    seen = trial.until(step, lambda state: _RESTS in str(state["waiting"]) or state["settled"])
    said = str(seen["waiting"])
    if not trial.check(said.endswith(f": {kind} of {trial.profile.adapter}"), f"it does not rest: {said}"):
        trial.problems.append(trial.settled(step).said())
        return
    if kind != "quota":  # a rest takes half a minute: once is enough
        trial.place.cli("step", "cancel", step)
        trial.check(trial.settled(step).state == "cancelled", "it was not cancelled while it rested")
        return
    trial.server.mend(trial.name)
    found = trial.settled(step)
    if trial.expect(found, "completed", files={"hello.txt": "A"}):
        trial.check(found.result["attempt_number"] == 1, "it was attempted again")


def hang(trial: Trial) -> None:
    """A model that never answers: our limit ends it."""
    found = trial.run(trial.goal(trial.script("hang")), timeout_seconds=trial.stage.limit_seconds)
    if trial.expect(found, "timeout", "limit"):
        trial.expect_asked_model()


def bad_call(scenario: str) -> Callable[[Trial], None]:
    """A tool call that is none: the agent tells its model, which then gives up; nothing was done."""

    def run(trial: Trial) -> None:
        found = trial.run(trial.goal(trial.script(scenario)), validations=[HAS_IT])
        if trial.expect(found, "failed_validation"):
            trial.expect_asked_model()

    return run


CASES = (
    Case(
        name="bad-tool",
        about="its model calls a tool that does not exist",
        run=bad_call("badtool"),
        needs_tools=True,
    ),
    Case(
        name="bad-arguments",
        about="its model calls a tool with arguments that are no JSON",
        run=bad_call("badargs"),
        needs_tools=True,
    ),
    Case(name="error-401", about="the model does not know its key", run=failing("e401", "auth")),
    Case(
        name="error-429",
        about="its quota is used up: it rests and goes on, or says so",
        run=failing("e429", "quota"),
    ),
    Case(name="error-500", about="the model's service fails", run=failing("e500", "overload")),
    Case(name="error-529", about="the model's service is overloaded", run=failing("e529", "overload")),
    Case(name="malformed", about="the model answers with nonsense", run=failing("malformed", "malformed")),
    Case(name="cut-off", about="the model's answer breaks off", run=failing("cut", "malformed", "overload")),
    Case(name="hang", about="the model never answers: our limit ends it", run=hang),
)
