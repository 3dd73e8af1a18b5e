"""What the launches of one attempt have used up together."""

from dataclasses import replace

import pytest

from codencer.engine.pausing import altogether, given_up, seconds_left, seconds_used
from codencer.model.attempt import (
    AgentOutcome,
    Attempt,
    AttemptState,
    Ending,
    ErrorKind,
    Halt,
    HaltCause,
    Pause,
)
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.step import AdapterSettings, Base, FrozenSettings, Step, StepState
from codencer.model.task import Provenance, SourceKind, TaskSpec
from codencer.model.waiting import Wait

STEP = Step(
    id="step_1",
    run_id="run",
    name="1",
    title="t",
    state=StepState.RUNNING,
    task=TaskSpec(goal="g", timeout_seconds=60),
    provenance=Provenance(source_kind=SourceKind.GOAL, source_name="", original_format="", original_input=""),
    frozen=FrozenSettings(checkout="/", adapter=AdapterSettings(name="a")),
    base=Base(ref="HEAD", commit="0" * 40),
    adapter="a",
    policy="p",
    position=1,
    created_at=0,
    updated_at=0,
)


def pause(number: int, seconds: float, **used: int) -> Pause:
    return Pause(
        launch=f"agent-{number}",
        cause=ErrorKind.QUOTA,
        wait=Wait(until=0, microseconds=0),
        session_id="s",
        exit=ExitRecord(reason=ExitReason.EXITED, code=1, duration_us=round(seconds * 1_000_000)),
        **used,
    )


ATTEMPT = Attempt(
    id="att_1",
    step_id="step_1",
    run_id="run",
    number=1,
    state=AttemptState.RUNNING,
    adapter="a",
    requested_adapter="a",
    created_at=0,
    updated_at=0,
    launch="agent-3",
    pauses=(
        pause(1, 10, input_tokens=1, output_tokens=2, cost_microusd=3),
        pause(2, 5.5, input_tokens=10, output_tokens=20, cost_microusd=30),
    ),
)


def test_pauses_do_not_count_against_the_time_limit_and_work_does() -> None:
    assert seconds_used(ATTEMPT) == 15.5
    assert seconds_left(STEP, ATTEMPT) == 44.5
    assert seconds_left(STEP, replace(ATTEMPT, pauses=())) == 60
    assert seconds_left(STEP, replace(ATTEMPT, pauses=(pause(1, 99),))) == 1
    unlimited = replace(STEP, task=replace(STEP.task, timeout_seconds=0))
    assert seconds_left(unlimited, ATTEMPT) == 0


def test_what_was_used_up_is_added_and_what_is_unknown_stays_so() -> None:
    last = AgentOutcome(ending=Ending.SUCCEEDED, input_tokens=100, output_tokens=200, cost_microusd=None)
    found = altogether(ATTEMPT, last)
    assert (found.input_tokens, found.output_tokens, found.cost_microusd) == (111, 222, None)
    assert altogether(replace(ATTEMPT, pauses=()), last) is last


@pytest.mark.parametrize(("launch", "resting"), [("agent-2", True), ("agent-3", False), (None, False)])
def test_an_attempt_rests_until_its_next_launch(launch: str | None, resting: bool) -> None:
    attempt = replace(ATTEMPT, launch=launch)
    assert (attempt.pause is not None) is resting
    assert replace(attempt, outcome=AgentOutcome(ending=Ending.BROKEN)).pause is None


def test_an_agent_that_is_cancelled_while_it_rests_has_used_what_it_had() -> None:
    resting = replace(ATTEMPT, launch="agent-2")
    assert resting.pause is not None
    outcome = altogether(resting, given_up(resting.pause, None))
    assert (outcome.ending, outcome.input_tokens, outcome.cost_microusd) == (Ending.CANCELLED, 11, 33)
    halted = given_up(resting.pause, Halt(cause=HaltCause.RUN_BUDGET, reason="5 of 5 USD"))
    assert halted.ending is Ending.HALTED
    assert halted.error == "not resumed while it waited for its quota to pass: 5 of 5 USD"
