"""Which snapshots may go: a pure decision, from the record and the clock. When in doubt, none.

A snapshot is old when nothing has happened to its step for the retention period, by the clock and by
the ledger's own time. The latter is the sum of the pauses between events, each counted with at most a
quarter of the period, and only as far as no later moment disproves it: a clock that was ahead and was set
back has aged nothing, however often that happened; one that jumps for good, by a quarter at most.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from codencer.model.attempt import Attempt
from codencer.model.step import Step, StepState

DAY_US = 24 * 3600 * 1_000_000
LONGEST_PAUSE_SHARE = 4

WAITS_FOR_A_PERSON = frozenset({StepState.NEEDS_APPROVAL, StepState.NEEDS_MANUAL_ATTENTION})


@dataclass(frozen=True, kw_only=True)
class Period:
    """How long snapshots are kept: `days`, or for ever when that is 0.

    `asked` is a person's own word for one removal: 0 is no time at all then, and the clock alone decides.
    """

    days: int
    asked: bool = False

    @property
    def forever(self) -> bool:
        return self.days == 0 and not self.asked


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known of a step when its snapshots are judged.

    `age_us` is its age in microseconds. `newest` is its newest attempt with a snapshot, `best` the newest
    that succeeded or that a person approved. `landed` are the attempts whose work the user has.
    """

    step: Step
    age_us: int
    gate_open: bool
    is_base: bool
    newest: str
    best: str | None
    landed: Collection[str]


def ages(times: Sequence[tuple[int, str | None]], now_us: int, period: Period) -> Mapping[str, int]:
    """How long ago the last event about each step was.

    Args:
        times: when each event was recorded, in UTC microseconds, and about which step, in order.
        now_us: the clock.
    """
    longest = period.days * DAY_US // LONGEST_PAUSE_SHARE
    moments = [*(at for at, _ in times), now_us]
    # Nothing happened later than what came after it: the clock was ahead then, or is behind now.
    proven = list(accumulate(reversed(moments), min))[::-1]
    pauses = (after - before for before, after in pairwise(proven))
    elapsed = list(accumulate((each if period.asked else min(each, longest) for each in pauses), initial=0))
    last = {step_id: index for index, (_, step_id) in enumerate(times) if step_id is not None}
    return {
        step_id: max(0, min(elapsed[-1] - elapsed[index], now_us - moments[index]))
        for step_id, index in last.items()
    }


def why_kept(attempt: Attempt, standing: Standing, period: Period) -> str:
    """Why the snapshot of an attempt stays; empty when it may go."""
    step = standing.step
    reasons = (
        (not step.settled, "the step is not settled"),
        (standing.gate_open, "a gate asks about it"),
        (standing.is_base, "an unsettled step begins from it"),
        (attempt.id == standing.newest and step.state in WAITS_FOR_A_PERSON, "it waits for a person"),
        (attempt.id == standing.best and attempt.id not in standing.landed, "it was never landed"),
        (period.forever, "retention_days = 0 keeps everything"),
        (standing.age_us < period.days * DAY_US, f"younger than {period.days} days"),
    )
    return next((reason for holds, reason in reasons if holds), "")


def why_gone(attempt: Attempt, standing: Standing, period: Period) -> str:
    """What makes it safe to let a snapshot go that nothing keeps."""
    if attempt.id in standing.landed:
        what = "it was landed"
    elif attempt.id == standing.newest:
        what = f"step {standing.step.id} is {standing.step.state}"
    else:
        what = f"a later attempt of step {standing.step.id} replaced it"
    return f"{what}, and nothing has happened to it for {period.days} days"
