"""The tables of states, checked against a second, independent writing of the design's table."""

import itertools
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codencer.errors import IllegalTransition
from codencer.model.attempt import AttemptState, Ending
from codencer.model.gate import GateState
from codencer.model.lifecycle import (
    ATTEMPT_TRANSITIONS,
    GATE_TRANSITIONS,
    RUN_TRANSITIONS,
    STEP_TRANSITIONS,
    advance,
    derive_state,
    is_retryable,
)
from codencer.model.policy import Decision
from codencer.model.run import FINISHED_RUN_STATES, RunState
from codencer.model.step import SETTLED_STATES, SUCCESSFUL_STATES, StepState

TABLES: list[Mapping[Any, frozenset[Any]]] = [
    RUN_TRANSITIONS,
    STEP_TRANSITIONS,
    ATTEMPT_TRANSITIONS,
    GATE_TRANSITIONS,
]
PAIRS = [
    pytest.param(table, current, to, id=f"{type(current).__name__}:{current}-{to}")
    for table in TABLES
    for current, to in itertools.product(table, table)
]

FAIL, RETRY, GATE, CONTINUE = Decision.FAIL, Decision.RETRY, Decision.GATE, Decision.CONTINUE


@pytest.mark.parametrize("kind", [RunState, StepState, AttemptState, GateState])
def test_every_state_has_a_row(kind: type[StrEnum]) -> None:
    table = next(table for table in TABLES if next(iter(table)) in list(kind))
    assert set(table) == set(kind)


@pytest.mark.parametrize(("table", "current", "to"), PAIRS)
def test_every_pair_is_allowed_or_raises(table: Mapping[Any, frozenset[Any]], current: Any, to: Any) -> None:
    if to in table[current]:
        assert advance(current, to) is to
    else:
        with pytest.raises(IllegalTransition, match=f"{current} cannot become {to}"):
            advance(current, to)


def test_nothing_becomes_what_it_is_already() -> None:
    assert not [state for table in TABLES for state, allowed in table.items() if state in allowed]


def test_settled_is_exactly_what_the_design_says() -> None:
    under_way = {"pending", "dispatching", "running", "collecting_artifacts", "validating"}
    assert {state.value for state in StepState} - SETTLED_STATES == under_way | {"failed_retryable"}


@pytest.mark.parametrize("state", sorted(SETTLED_STATES))
def test_only_a_person_leaves_a_settled_state(state: StepState) -> None:
    ways_out = set(STEP_TRANSITIONS[state])
    if state is StepState.NEEDS_APPROVAL:
        # approve, reject, retry, and the abort of its run
        assert ways_out == {
            *SUCCESSFUL_STATES,
            StepState.FAILED_TERMINAL,
            StepState.PENDING,
            StepState.CANCELLED,
        }
    else:
        assert ways_out == {StepState.PENDING}


@pytest.mark.parametrize("state", sorted(FINISHED_RUN_STATES))
def test_a_finished_run_stays_finished(state: RunState) -> None:
    assert not RUN_TRANSITIONS[state]


def test_an_ended_attempt_is_final() -> None:
    assert not ATTEMPT_TRANSITIONS[AttemptState.ENDED]


def test_a_closed_gate_is_final() -> None:
    assert all(not GATE_TRANSITIONS[state] for state in GateState if state is not GateState.OPEN)


@given(st.data(), st.lists(st.sampled_from(StepState), max_size=40))
def test_no_walk_leaves_a_settled_state_but_by_the_documented_ways(
    data: st.DataObject, wishes: list[StepState]
) -> None:
    state = data.draw(st.sampled_from(StepState))
    for wish in wishes:
        before = state
        try:
            state = advance(state, wish)
        except IllegalTransition:
            assert state is before
            continue
        if before is StepState.NEEDS_APPROVAL:
            assert state in SETTLED_STATES | {StepState.PENDING}
        elif before in SETTLED_STATES:
            assert state is StepState.PENDING


@given(st.lists(st.sampled_from(AttemptState), max_size=30))
def test_an_attempt_only_goes_forward(wishes: list[AttemptState]) -> None:
    order = list(AttemptState)
    state = AttemptState.PREPARING
    for wish in wishes:
        before = state
        try:
            state = advance(state, wish)
        except IllegalTransition:
            continue
        assert order.index(state) > order.index(before)


DERIVED = [
    # ending, decision, an error failed, a warning failed, state
    (Ending.UNPREPARED, None, False, False, "failed_bridge"),
    (Ending.HOOK_FAILED, None, False, False, "failed_terminal"),
    (Ending.BROKEN, FAIL, False, False, "failed_adapter"),
    (Ending.BROKEN, None, False, False, "failed_adapter"),
    (Ending.BROKEN, RETRY, False, False, "failed_retryable"),
    (Ending.TIMED_OUT, FAIL, False, False, "timeout"),
    (Ending.TIMED_OUT, None, False, False, "timeout"),
    (Ending.TIMED_OUT, RETRY, False, False, "failed_retryable"),
    (Ending.CANCELLED, None, False, False, "cancelled"),
    (Ending.CANCELLED, RETRY, True, True, "cancelled"),
    (Ending.INTERRUPTED, None, False, False, "needs_manual_attention"),
    (Ending.INTERRUPTED, RETRY, False, False, "needs_manual_attention"),
    (Ending.DECLINED, FAIL, True, False, "failed_terminal"),
    (Ending.DECLINED, None, False, False, "failed_terminal"),
    (Ending.HALTED, FAIL, False, False, "failed_terminal"),
    (Ending.HALTED, RETRY, False, False, "failed_retryable"),
    (Ending.SUCCEEDED, FAIL, True, False, "failed_validation"),
    (Ending.SUCCEEDED, FAIL, True, True, "failed_validation"),
    (Ending.SUCCEEDED, CONTINUE, True, False, "failed_validation"),
    (Ending.SUCCEEDED, None, True, False, "failed_validation"),
    (Ending.SUCCEEDED, CONTINUE, False, True, "completed_with_warnings"),
    (Ending.SUCCEEDED, CONTINUE, False, False, "completed"),
    (Ending.SUCCEEDED, GATE, False, False, "needs_approval"),
    (Ending.SUCCEEDED, GATE, True, True, "needs_approval"),
    (Ending.SUCCEEDED, FAIL, False, False, "failed_terminal"),
    (Ending.SUCCEEDED, RETRY, True, False, "failed_retryable"),
]


@pytest.mark.parametrize(("ending", "decision", "error", "warning", "state"), DERIVED)
def test_derived_states(
    ending: Ending, decision: Decision | None, error: bool, warning: bool, state: str
) -> None:
    assert derive_state(ending, decision, error_failed=error, warning_failed=warning) == state


@pytest.mark.parametrize("ending", list(Ending))
@pytest.mark.parametrize("decision", [None, *Decision])
@pytest.mark.parametrize("error", [False, True])
@pytest.mark.parametrize("warning", [False, True])
def test_success_needs_everything(
    ending: Ending, decision: Decision | None, error: bool, warning: bool
) -> None:
    state = derive_state(ending, decision, error_failed=error, warning_failed=warning)
    assert state in SETTLED_STATES | {StepState.FAILED_RETRYABLE}
    proven = ending is Ending.SUCCEEDED and decision is CONTINUE and not error
    assert (state in SUCCESSFUL_STATES) == proven
    if state is StepState.FAILED_RETRYABLE:
        assert decision is RETRY


@pytest.mark.parametrize("ending", list(Ending))
def test_what_is_worth_another_try(ending: Ending) -> None:
    state = derive_state(ending, CONTINUE)
    expected = state not in SUCCESSFUL_STATES and ending is not Ending.HOOK_FAILED
    assert is_retryable(ending, state) is expected
