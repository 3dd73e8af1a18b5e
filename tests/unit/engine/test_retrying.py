"""The plan of another attempt is a pure function of the one before, its policy, and the clock."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codencer.engine.resting import clock, moment, of_retry
from codencer.engine.retrying import (
    LONGEST_BACKOFF_SECONDS,
    LONGEST_CAUSE,
    LONGEST_PAUSE_SECONDS,
    earlier,
    plan,
    recovery_seconds,
    told,
)
from codencer.model.attempt import AgentOutcome, Attempt, AttemptState, Ending, ErrorKind, Snapshot
from codencer.model.policy import Decision, Policy, Verdict
from codencer.model.step import AdapterSettings, Base, FrozenSettings, Step, StepState
from codencer.model.task import Provenance, SourceKind, TaskSpec, ValidationSpec
from codencer.model.waiting import NextTry, Wait

NOW = 1_700_000_000_000_000
SECOND = 1_000_000
STEP = Step(
    id="step_1",
    run_id="run",
    name="1",
    title="t",
    state=StepState.VALIDATING,
    task=TaskSpec(goal="g", fallback_adapters=("b", "c")),
    provenance=Provenance(source_kind=SourceKind.GOAL, source_name="", original_format="", original_input=""),
    frozen=FrozenSettings(
        checkout="/",
        adapter=AdapterSettings(name="a"),
        fallbacks=(AdapterSettings(name="b"), AdapterSettings(name="c")),
    ),
    base=Base(ref="HEAD", commit="0" * 40),
    adapter="a",
    policy="p",
    position=1,
    created_at=0,
    updated_at=0,
)
ATTEMPT = Attempt(
    id="att_1",
    step_id="step_1",
    run_id="run",
    number=4,
    state=AttemptState.VALIDATING,
    adapter="a",
    requested_adapter="a",
    created_at=0,
    updated_at=0,
    outcome=AgentOutcome(ending=Ending.BROKEN),
    snapshot=Snapshot(commit="1" * 40, tree="2" * 40, validated_tree="2" * 40, complete=True),
)
VERDICT = Verdict(decision=Decision.RETRY, policy="p", digest="", reasons=("adapter_process_failed: crash",))


def planned(
    attempt: Attempt = ATTEMPT, *, cause: str = "it crashed", start: str = "base", **retry_when: Any
) -> NextTry:
    policy = Policy(name="p", retry_when={"adapter_process_failed": True, "from": start, **retry_when})
    return plan(STEP, attempt, policy, VERDICT, cause=cause, now=NOW)


def exhausted(kind: ErrorKind, resets_at: int | None = None, **changes: int) -> Attempt:
    outcome = AgentOutcome(ending=Ending.BROKEN, error_kind=kind, resets_at=resets_at)
    return replace(ATTEMPT, outcome=outcome, **changes)  # type: ignore[arg-type]


def test_by_default_it_is_the_same_agent_at_once_from_the_base() -> None:
    found = planned()
    assert (found.wait, found.tries, found.most) == (Wait(until=NOW, microseconds=0), 2, 2)
    assert (found.fallback, found.begins_at, found.cause) == (0, None, "it crashed")
    assert found.feedback == "Attempt 4 at this task did not do: it crashed\n- adapter_process_failed: crash"


def test_a_persons_own_words_come_first() -> None:
    policy = Policy(name="p", retry_when={"adapter_process_failed": True})
    found = plan(replace(STEP, feedback="use tabs"), ATTEMPT, policy, VERDICT, cause="x", now=NOW)
    assert found.feedback.startswith("use tabs\n\nAttempt 4")


def test_a_hidden_validation_is_not_told_by_its_failure() -> None:
    checks = (
        ValidationSpec(name="secret-check", command="x", hidden=True),
        ValidationSpec(name="open", command="x"),
    )
    step = replace(STEP, task=replace(STEP.task, validations=checks))
    verdict = replace(VERDICT, reasons=("tests_failed: failed: open, secret-check", "timeout_once: y"))
    policy = Policy(name="p", retry_when={"tests_failed": True})
    cause = "validation secret-check failed: exit code 1"
    found = plan(step, ATTEMPT, policy, verdict, cause=cause, now=NOW)
    assert found.feedback == "Attempt 4 at this task did not do: it was not accepted\n- timeout_once: y"


@pytest.mark.parametrize(("tries", "seconds"), [(1, 5), (2, 10), (3, 20), (19, 24 * 3600)])
def test_the_backoff_doubles_up_to_a_day(tries: int, seconds: int) -> None:
    found = planned(replace(ATTEMPT, tries=tries), backoff_seconds=5, max_attempts=20)
    assert found.wait.microseconds == seconds * SECOND


def test_the_next_adapter_is_taken_until_there_is_none() -> None:
    assert [planned(replace(ATTEMPT, fallback=n), next_adapter=True).fallback for n in range(3)] == [1, 2, 2]
    assert [planned(replace(ATTEMPT, fallback=n)).fallback for n in range(3)] == [0, 1, 2]


def test_from_the_snapshot_only_where_there_is_one() -> None:
    assert planned(start="snapshot").begins_at == "1" * 40
    assert planned(start="base").begins_at is None
    assert planned(replace(ATTEMPT, snapshot=None), start="snapshot").begins_at is None


@pytest.mark.parametrize("kind", [ErrorKind.QUOTA, ErrorKind.OVERLOAD])
def test_a_quota_is_waited_for_unless_another_agent_takes_over(kind: ErrorKind) -> None:
    known = exhausted(kind, NOW + 90 * SECOND)
    assert planned(known).wait.microseconds == 90 * SECOND
    assert planned(known, backoff_seconds=100).wait.microseconds == 100 * SECOND
    assert planned(known, next_adapter=True, backoff_seconds=100).wait.microseconds == 0
    last = exhausted(kind, NOW + 90 * SECOND, fallback=2)
    assert planned(last, next_adapter=True).wait.microseconds == 90 * SECOND
    assert planned(exhausted(kind, tries=3), max_attempts=9).wait.microseconds == 120 * SECOND


@given(st.none() | st.integers(-(2**63), 2**63), st.integers(1, 1000))
def test_no_agent_makes_anybody_wait_longer_than_a_day(resets_at: int | None, count: int) -> None:
    seconds = recovery_seconds(resets_at, count, NOW)
    assert 0 <= seconds <= LONGEST_PAUSE_SECONDS
    assert count == 1 or seconds >= 1, "nobody is asked again and again at once"
    if resets_at is None or resets_at <= NOW:
        assert seconds <= LONGEST_BACKOFF_SECONDS


def test_what_is_left_after_a_restart_is_never_more_than_the_whole() -> None:
    wait = Wait.of(12.5, NOW)
    assert (wait.until, wait.microseconds) == (NOW + 12_500_000, 12_500_000)
    assert wait.left(NOW + 2 * SECOND) == 10.5
    assert wait.left(NOW + 99 * SECOND) == 0
    assert wait.left(NOW - 10**15) == 12.5, "the clock was set back"


def test_earlier_attempts_are_those_since_a_persons_word() -> None:
    attempts = [replace(ATTEMPT, number=n, id=str(n)) for n in range(1, 7)]
    newest = replace(attempts[4], tries=3)
    assert [each.number for each in earlier(attempts, newest)] == [3, 4]
    assert earlier(attempts, replace(newest, tries=1)) == []


def test_words() -> None:
    ended = replace(ATTEMPT, summary="a\nb " + "x" * 500, result_state=StepState.FAILED_RETRYABLE)
    assert told(ended).startswith("attempt 4 (a): a b xxx")
    assert len(told(ended)) == LONGEST_CAUSE + len("attempt 4 (a): ")
    assert told(replace(ended, summary="")) == "attempt 4 (a): failed_retryable"
    assert len(planned(cause="x" * 999).cause) == LONGEST_CAUSE
    assert moment(12.4, NOW) == "in 12 s"
    assert moment(601, NOW) == "at 2023-11-14 22:13 UTC"
    assert clock(NOW).endswith(" UTC")
    assert (
        of_retry(planned(), "b")(3.0) == "tried again in 3 s, attempt 2 of 2 by b; the one before: it crashed"
    )
