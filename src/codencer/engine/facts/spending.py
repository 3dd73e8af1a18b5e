"""What attempts have used up together, as far as it is known. Pure."""

from collections.abc import Iterable, Sequence

from codencer.model.attempt import Attempt
from codencer.model.budget import Spent
from codencer.model.launch import ExitReason


def spent(attempts: Sequence[Attempt]) -> Spent:
    """What these attempts have used up: unknown as soon as one does not say."""
    ran = [each for each in attempts if _ran(each)]
    outcomes = [each.outcome for each in ran]
    return Spent(
        cost_microusd=_sum(each.cost_microusd if each else None for each in outcomes),
        tokens=_sum(
            number
            for each in outcomes
            for number in ((each.input_tokens, each.output_tokens) if each else (None,))
        ),
        agent_ms=_sum(_milliseconds(each) for each in ran),
    )


def _ran(attempt: Attempt) -> bool:
    """Whether an agent was started at all; one that was not has used up nothing."""
    if attempt.launch is None:
        return False
    return bool(attempt.pauses) or attempt.exit is None or attempt.exit.reason is not ExitReason.NOT_STARTED


def _milliseconds(attempt: Attempt) -> int | None:
    earlier = (pause.exit.duration_us for pause in attempt.pauses if pause.launch != attempt.launch)
    total = _sum([attempt.exit.duration_us if attempt.exit else None, *earlier])
    return None if total is None else total // 1000


def _sum(counts: Iterable[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total
