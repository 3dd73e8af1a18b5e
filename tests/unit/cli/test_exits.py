"""Every state has the exit code of the contract; the table is written out a second time on purpose."""

import pytest

from codencer.cli.exits import exit_code_for, exit_code_for_run, exit_code_for_steps
from codencer.model.run import RunState
from codencer.model.step import SETTLED_STATES, SUCCESSFUL_STATES, StepState

EXPECTED = {
    StepState.COMPLETED: 0,
    StepState.COMPLETED_WITH_WARNINGS: 0,
    StepState.FAILED_TERMINAL: 2,
    StepState.FAILED_VALIDATION: 2,
    StepState.FAILED_RETRYABLE: 2,
    StepState.TIMEOUT: 3,
    StepState.NEEDS_APPROVAL: 4,
    StepState.NEEDS_MANUAL_ATTENTION: 4,
    StepState.CANCELLED: 4,
    StepState.FAILED_BRIDGE: 5,
    StepState.FAILED_ADAPTER: 5,
}


@pytest.mark.parametrize("state", StepState)
def test_step(state: StepState) -> None:
    assert exit_code_for(state.value) == EXPECTED.get(state, 0)


def test_only_success_is_zero_among_settled_states() -> None:
    zero = {state for state in SETTLED_STATES if exit_code_for(state.value) == 0}
    assert zero == SUCCESSFUL_STATES


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (RunState.COMPLETED, 0),
        (RunState.FAILED, 2),
        (RunState.PAUSED_FOR_GATE, 4),
        (RunState.CANCELLED, 4),
        (RunState.RUNNING, 0),
    ],
)
def test_run(state: RunState, code: int) -> None:
    assert exit_code_for_run(state.value) == code


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([], 2),
        (["completed", "completed_with_warnings"], 0),
        (["completed", "failed_validation"], 2),
        (["completed", "cancelled"], 2),
        (["failed_validation", "needs_approval"], 4),
    ],
)
def test_steps_of_a_run_that_is_not_finished_yet(states: list[str], code: int) -> None:
    assert exit_code_for_steps(states) == code
