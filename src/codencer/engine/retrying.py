"""The attempt that policy adds by itself: by whom, when, from where, and what its agent is told. Pure."""

from collections.abc import Sequence
from typing import Final

from codencer.model.attempt import Attempt, Ending, ErrorKind
from codencer.model.policy import Policy, Verdict
from codencer.model.step import Step
from codencer.model.waiting import NextTry, Wait
from codencer.policy import RetryRule, retry_rule

EXHAUSTED: Final = frozenset({ErrorKind.QUOTA, ErrorKind.OVERLOAD})
"""Kinds of errors that time mends."""

FIRST_PAUSE_SECONDS, LONGEST_BACKOFF_SECONDS = 30, 3600
"""How long an agent is left alone that does not say when it can go on; it doubles each time."""
LONGEST_PAUSE_SECONDS = 24 * 3600
"""However far off the moment is that an agent names: it is looked again after a day."""
LONGEST_CAUSE = 300
"""Characters of a cause that is shown beside others."""


def recovery_seconds(resets_at: int | None, count: int, now: int) -> float:
    """How long to wait for a quota or an overload to pass, the `count`-th time in a row.

    Args:
        resets_at: when the agent said that it would, in UTC microseconds; so is `now`.
    """
    if resets_at is None:
        return float(min(FIRST_PAUSE_SECONDS * 2 ** (count - 1), LONGEST_BACKOFF_SECONDS))
    # A moment that has passed is believed once; after that it is left alone longer each time.
    least = min(2 ** (count - 1) - 1, LONGEST_BACKOFF_SECONDS)
    return float(min(max((resets_at - now) / 1_000_000, least), LONGEST_PAUSE_SECONDS))


def falls_over(step: Step, attempt: Attempt, rule: RetryRule) -> bool:
    """Whether another try would be by the next of the fallback adapters."""
    return rule.next_adapter and attempt.fallback < len(step.frozen.fallbacks)


def plan(step: Step, attempt: Attempt, policy: Policy, verdict: Verdict, *, cause: str, now: int) -> NextTry:
    """The next attempt of a step whose policy has decided to retry after `attempt`.

    Args:
        cause: why the attempt did not do, in one line. `now` is in UTC microseconds.
    """
    rule = retry_rule(policy)
    goes_on = attempt.outcome is not None and attempt.outcome.ending is Ending.HALTED
    over = not goes_on and falls_over(step, attempt, rule)
    from_snapshot = rule.from_snapshot or goes_on
    there = from_snapshot and attempt.snapshot is not None and not attempt.snapshot.expired
    seconds = 0.0 if goes_on else _seconds(attempt, rule, over=over, now=now)
    return NextTry(
        wait=Wait.of(seconds, now),
        tries=attempt.tries + 1,
        most=max(rule.max_attempts, attempt.tries + 1),
        fallback=attempt.fallback + over,
        cause=short(cause),
        feedback=_feedback(step, attempt, verdict, cause),
        begins_at=attempt.snapshot.commit if there and attempt.snapshot else None,
    )


def _seconds(attempt: Attempt, rule: RetryRule, *, over: bool, now: int) -> float:
    backoff, outcome = float(rule.backoff(attempt.tries)), attempt.outcome
    if outcome is None or outcome.error_kind not in EXHAUSTED:
        return backoff
    return 0.0 if over else max(backoff, recovery_seconds(outcome.resets_at, attempt.tries, now))


def _feedback(step: Step, attempt: Attempt, verdict: Verdict, cause: str) -> str:
    """What the next agent is told: the person's own words, and why this attempt did not do."""
    said = [step.feedback] if step.feedback else []
    # Whoever is not told of a validation is not told its name by its failure either.
    hidden = [each.name for each in step.task.validations if each.hidden]
    reasons = [each for each in verdict.reasons if not any(name in each for name in hidden)]
    why = "it was not accepted" if any(name in cause for name in hidden) else cause
    lines = [f"Attempt {attempt.number} at this task did not do: {why}", *(f"- {each}" for each in reasons)]
    return "\n\n".join([*said, "\n".join(lines)])


def earlier(attempts: Sequence[Attempt], newest: Attempt) -> list[Attempt]:
    """The attempts before `newest` since a person last asked for the step, first one first."""
    first = newest.number - newest.tries
    return [each for each in attempts if first < each.number < newest.number]


def told(attempt: Attempt) -> str:
    """An earlier attempt in one line, so that its cause is not hidden behind a later one."""
    return f"attempt {attempt.number} ({attempt.adapter}): {short(attempt.summary) or attempt.result_state}"


def short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_CAUSE else f"{line[: LONGEST_CAUSE - 1]}…"
