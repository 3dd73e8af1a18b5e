"""Which snapshots may go, as a table, and that no jump of the clock makes one go."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codencer.engine.retention import DAY_US, WAITS_FOR_A_PERSON, Period, Standing, ages, why_kept
from codencer.model.attempt import Attempt, AttemptState, Snapshot
from codencer.model.step import AdapterSettings, Base, FrozenSettings, Step, StepState
from codencer.model.task import Provenance, SourceKind, TaskSpec

MONTH = Period(days=30)
NOW = 1_800_000_000_000_000

STEP = Step(
    id="step_1",
    run_id="r",
    name="1",
    title="t",
    state=StepState.FAILED_VALIDATION,
    task=TaskSpec(goal="g"),
    provenance=Provenance(
        source_kind=SourceKind.GOAL, source_name="-", original_format="text", original_input="g"
    ),
    frozen=FrozenSettings(checkout="/", adapter=AdapterSettings(name="a")),
    base=Base(ref="HEAD", commit="b" * 40),
    adapter="a",
    policy="basic",
    position=1,
    created_at=0,
    updated_at=0,
)
ATTEMPT = Attempt(
    id="att_1",
    step_id="step_1",
    run_id="r",
    number=1,
    state=AttemptState.ENDED,
    adapter="a",
    requested_adapter="a",
    created_at=0,
    updated_at=0,
    snapshot=Snapshot(commit="c" * 40, tree="d" * 40, validated_tree="d" * 40, complete=True),
)
OVER = Standing(
    step=STEP,
    age_us=31 * DAY_US,
    gate_open=False,
    is_base=False,
    newest="att_1",
    best=None,
    landed=frozenset(),
)


def judged(period: Period = MONTH, state: StepState = STEP.state, **standing: Any) -> str:
    return why_kept(ATTEMPT, replace(OVER, step=replace(STEP, state=state), **standing), period)


def test_what_failed_and_was_left_alone_for_the_period_may_go() -> None:
    assert judged() == ""
    assert judged(state=StepState.CANCELLED) == ""


@pytest.mark.parametrize(
    ("why", "standing"),
    [
        ("younger", {"age_us": 30 * DAY_US - 1}),
        ("gate", {"gate_open": True}),
        ("begins from it", {"is_base": True}),
        ("never landed", {"best": "att_1", "state": StepState.COMPLETED}),
        ("never landed", {"best": "att_1", "newest": "att_2"}),
        ("for ever|keeps everything", {"period": Period(days=0)}),
    ],
)
@pytest.mark.parametrize("period", [MONTH, Period(days=30, asked=True)])
def test_what_never_goes(why: str, standing: dict[str, Any], period: Period) -> None:
    assert any(each in judged(**{"period": period, **standing}) for each in why.split("|"))


@pytest.mark.parametrize("state", [state for state in StepState if not replace(STEP, state=state).settled])
def test_nothing_of_an_unsettled_step_goes(state: StepState) -> None:
    assert "not settled" in judged(state=state, newest="att_2")


@pytest.mark.parametrize("state", sorted(WAITS_FOR_A_PERSON))
def test_what_waits_for_a_person_stays_whatever_its_age(state: StepState) -> None:
    assert "waits for a person" in judged(state=state, age_us=10_000 * DAY_US)
    assert judged(state=state, newest="att_2") == ""


def test_what_was_landed_may_go_and_so_may_what_a_later_success_replaced() -> None:
    assert judged(state=StepState.COMPLETED, best="att_1", landed={"att_1"}) == ""
    assert judged(state=StepState.COMPLETED, best="att_2", newest="att_2") == ""


def test_the_age_is_counted_from_the_last_event_of_the_step() -> None:
    day = [(NOW + number * DAY_US, "s" if number < 3 else "other") for number in range(40)]
    found = ages(day, NOW + 40 * DAY_US, MONTH)
    assert found == {"s": 38 * DAY_US, "other": DAY_US}


def test_a_long_silence_counts_for_a_quarter_of_the_period_at_most() -> None:
    assert ages([(NOW, "s")], NOW + 3650 * DAY_US, MONTH) == {"s": 30 * DAY_US // 4}
    uses = [(NOW, "s"), *((NOW + number * 10 * DAY_US, None) for number in range(1, 4))]
    assert ages(uses, NOW + 40 * DAY_US, MONTH) == {"s": 30 * DAY_US}


def test_a_person_who_asks_is_believed_about_the_time() -> None:
    found = ages([(NOW, "s")], NOW + 50 * DAY_US, Period(days=40, asked=True))
    assert found == {"s": 50 * DAY_US}


@given(
    pauses=st.lists(st.integers(0, DAY_US // 24), min_size=1, max_size=30),
    jump=st.integers(-(10**17), 10**17),
    when=st.integers(0, 30),
)
def test_no_single_jump_of_the_clock_makes_anything_old(pauses: list[int], jump: int, when: int) -> None:
    """A day of work at most, in which the clock is moved once, forwards or backwards, for good."""
    clock, times = NOW, []
    for number, pause in enumerate(pauses):
        clock += pause + (jump if number == when else 0)
        times.append((clock, f"s{number}"))
    found = ages(times, clock + (jump if when >= len(pauses) else 0), MONTH)
    assert all(0 <= age < 10 * DAY_US for age in found.values())


@given(
    jumps=st.lists(st.tuples(st.integers(-(10**16), 10**16), st.integers(1, 3)), min_size=1, max_size=40),
    left_at=st.integers(-(10**16), 10**16),
)
def test_a_clock_that_was_set_wrong_and_right_again_many_times_makes_nothing_old(
    jumps: list[tuple[int, int]], left_at: int
) -> None:
    """Events within an hour, most of them by a wrong clock; it is wrong when the age is asked for, too."""
    times, minute = [], 60 * 1_000_000
    for number, (jump, wrong) in enumerate(jumps):
        times += [(NOW + number * minute + jump, f"s{number}")] * wrong
        times.append((NOW + number * minute, f"t{number}"))
    found = ages(times, NOW + len(jumps) * minute + left_at, MONTH)
    assert all(0 <= age < 30 * DAY_US for age in found.values())


def test_the_age_of_what_came_after_a_clock_was_set_right_is_counted_in_full() -> None:
    ahead = [(NOW + 90 * DAY_US, "wrong"), (NOW, "right")]
    later = [(NOW + number * DAY_US, None) for number in range(1, 31)]
    found = ages([*ahead, *later], NOW + 31 * DAY_US, MONTH)
    assert found == {"wrong": 0, "right": 31 * DAY_US}
