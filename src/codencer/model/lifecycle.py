"""The only place where a state may change, and where a terminal state comes from.

`advance` allows exactly the transitions of the tables below; `derive_state` is the pure
function from how an attempt went to the state its step reaches.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from codencer.errors import IllegalTransition
from codencer.model.attempt import AttemptState, Ending
from codencer.model.gate import GateState
from codencer.model.policy import Decision
from codencer.model.run import RunState
from codencer.model.step import SETTLED_STATES, SUCCESSFUL_STATES, StepState

S = TypeVar("S", RunState, StepState, AttemptState, GateState)

RUN_TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    RunState.CREATED: frozenset(
        {RunState.RUNNING, RunState.PAUSED, RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED}
    ),
    RunState.RUNNING: frozenset(
        {
            RunState.PAUSED,
            RunState.PAUSED_FOR_GATE,
            RunState.COMPLETED,
            RunState.FAILED,
            RunState.CANCELLED,
        }
    ),
    RunState.PAUSED: frozenset({RunState.RUNNING, RunState.CANCELLED}),
    RunState.PAUSED_FOR_GATE: frozenset({RunState.RUNNING, RunState.PAUSED, RunState.CANCELLED}),
    RunState.COMPLETED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.CANCELLED: frozenset(),
}

_ENDS = SETTLED_STATES | {StepState.FAILED_RETRYABLE}
_UNDER_WAY = (
    StepState.DISPATCHING,
    StepState.RUNNING,
    StepState.COLLECTING_ARTIFACTS,
    StepState.VALIDATING,
)

STEP_TRANSITIONS: Mapping[StepState, frozenset[StepState]] = {
    # A step whose run has no budget left fails without another attempt.
    StepState.PENDING: frozenset(
        {StepState.DISPATCHING, StepState.CANCELLED, StepState.FAILED_BRIDGE, StepState.FAILED_TERMINAL}
    ),
    # Every stage may end the step; otherwise it goes on to a later stage, never back.
    **{stage: frozenset(_UNDER_WAY[position + 1 :]) | _ENDS for position, stage in enumerate(_UNDER_WAY)},
    StepState.FAILED_RETRYABLE: frozenset(
        {StepState.DISPATCHING, StepState.CANCELLED, StepState.FAILED_TERMINAL}
    ),
    StepState.NEEDS_APPROVAL: frozenset(
        {*SUCCESSFUL_STATES, StepState.FAILED_TERMINAL, StepState.PENDING, StepState.CANCELLED}
    ),
    # Only `retry` leaves the rest; from completed it must be forced, which its command checks.
    **{
        state: frozenset({StepState.PENDING})
        for state in StepState
        if state in SETTLED_STATES and state is not StepState.NEEDS_APPROVAL
    },
}

ATTEMPT_TRANSITIONS: Mapping[AttemptState, frozenset[AttemptState]] = {
    AttemptState.PREPARING: frozenset({AttemptState.RUNNING, AttemptState.COLLECTING, AttemptState.ENDED}),
    AttemptState.RUNNING: frozenset({AttemptState.COLLECTING, AttemptState.ENDED}),
    AttemptState.COLLECTING: frozenset({AttemptState.VALIDATING, AttemptState.ENDED}),
    AttemptState.VALIDATING: frozenset({AttemptState.ENDED}),
    AttemptState.ENDED: frozenset(),
}

GATE_TRANSITIONS: Mapping[GateState, frozenset[GateState]] = {
    GateState.OPEN: frozenset({GateState.APPROVED, GateState.REJECTED, GateState.EXPIRED, GateState.VOID}),
    **{state: frozenset() for state in GateState if state is not GateState.OPEN},
}

_TABLES: Mapping[type[StrEnum], Mapping[StrEnum, frozenset[StrEnum]]] = {
    RunState: RUN_TRANSITIONS,  # type: ignore[dict-item]  # each key type has its own table
    StepState: STEP_TRANSITIONS,  # type: ignore[dict-item]
    AttemptState: ATTEMPT_TRANSITIONS,  # type: ignore[dict-item]
    GateState: GATE_TRANSITIONS,  # type: ignore[dict-item]
}


def advance(current: S, to: S) -> S:
    """Return `to` if the move is allowed.

    Raises:
        IllegalTransition: the table does not have it; nothing has changed.
    """
    if to not in _TABLES[type(current)][current]:
        kind = type(current).__name__.removesuffix("State").lower()
        raise IllegalTransition(f"a {kind} that is {current} cannot become {to}")
    return to


_WITHOUT_VALIDATIONS: Mapping[Ending, StepState] = {
    Ending.UNPREPARED: StepState.FAILED_BRIDGE,
    Ending.HOOK_FAILED: StepState.FAILED_TERMINAL,
    Ending.BROKEN: StepState.FAILED_ADAPTER,
    Ending.TIMED_OUT: StepState.TIMEOUT,
    Ending.CANCELLED: StepState.CANCELLED,
    Ending.INTERRUPTED: StepState.NEEDS_MANUAL_ATTENTION,
    Ending.DECLINED: StepState.FAILED_TERMINAL,
    Ending.HALTED: StepState.FAILED_TERMINAL,
}
_RETRIED_BY_POLICY = frozenset({Ending.BROKEN, Ending.TIMED_OUT, Ending.DECLINED, Ending.HALTED})


def derive_state(
    ending: Ending,
    decision: Decision | None,
    *,
    error_failed: bool = False,
    warning_failed: bool = False,
) -> StepState:
    """The state a step reaches when an attempt is over.

    Args:
        ending: how the agent's part ended.
        decision: what policy decided; None where policy was not asked, as for an attempt
            that could not be prepared.
        error_failed: a validation of severity error failed or errored.
        warning_failed: one of severity warning did.
    """
    if ending is not Ending.SUCCEEDED:
        if decision is Decision.RETRY and ending in _RETRIED_BY_POLICY:
            return StepState.FAILED_RETRYABLE
        return _WITHOUT_VALIDATIONS[ending]
    if decision is Decision.GATE:
        return StepState.NEEDS_APPROVAL
    if decision is Decision.RETRY:
        return StepState.FAILED_RETRYABLE
    if error_failed:
        return StepState.FAILED_VALIDATION
    if decision is not Decision.CONTINUE:
        return StepState.FAILED_TERMINAL
    return StepState.COMPLETED_WITH_WARNINGS if warning_failed else StepState.COMPLETED


def is_retryable(ending: Ending, state: StepState) -> bool:
    """Whether a new attempt could end otherwise without the planner changing anything else."""
    return state not in SUCCESSFUL_STATES and ending is not Ending.HOOK_FAILED
