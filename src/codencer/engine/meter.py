"""What runs have used up: what the record says of agents that ended, and what those at work have said so far.

The second is known to the running daemon alone, and a later one reads it again from their output.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from codencer.engine.facts import spent
from codencer.ledger import Queries
from codencer.model.attempt import Attempt, AttemptState
from codencer.model.budget import Spent
from codencer.model.run import Run
from codencer.policy import RunSpent, nothing_left, run_spent


@dataclass
class _AtWork:
    """One launch of an agent; `since` is by the monotonic clock."""

    since: float
    cost_microusd: int = 0
    tokens: int = 0


class Meter:
    """One for a daemon; changed on its event loop, read from anywhere."""

    def __init__(self) -> None:
        self._at_work: dict[str, _AtWork] = {}

    def begin(self, attempt_id: str, seconds: float) -> None:
        """Count for an agent that has been at work for so long."""
        self._at_work[attempt_id] = _AtWork(since=time.monotonic() - seconds)

    def count(self, attempt_id: str, usage: Mapping[str, object]) -> None:
        """Add what an agent says of one more answer of its model: the data of an AgentEvent."""
        at_work = self._at_work[attempt_id]
        at_work.cost_microusd += _number(usage.get("cost_microusd"))
        at_work.tokens += _number(usage.get("input_tokens")) + _number(usage.get("output_tokens"))

    def end(self, attempt_id: str) -> None:
        self._at_work.pop(attempt_id, None)

    def of(self, attempt: Attempt) -> Spent:
        """What is known of an attempt under way, in all of its launches."""
        cost = sum(each.cost_microusd or 0 for each in attempt.pauses)
        tokens = sum((each.input_tokens or 0) + (each.output_tokens or 0) for each in attempt.pauses)
        agent_ms = sum(each.exit.duration_us for each in attempt.pauses) // 1000
        if (now := self._at_work.get(attempt.id)) is not None:
            cost, tokens = cost + now.cost_microusd, tokens + now.tokens
            agent_ms += int(1000 * (time.monotonic() - now.since))
        return Spent(cost_microusd=cost, tokens=tokens, agent_ms=agent_ms)

    def at_work(self, attempt: Attempt) -> bool:
        return attempt.id in self._at_work


def _number(value: object) -> int:
    return value if type(value) is int and value > 0 else 0


def spent_of(queries: Queries, meter: Meter, run: Run) -> RunSpent:
    """What a run has used up, as far as it is known now."""
    attempts = queries.attempts_of_run(run.id)
    over = [each for each in attempts if _is_over(each)]
    under_way = [meter.of(each) for each in attempts if not _is_over(each)]
    return run_spent(run.budget, [spent([each]) for each in over], under_way)


def shortfall(queries: Queries, meter: Meter, run: Run) -> str:
    """Why no further attempt of a run may begin; empty when one may."""
    if run.budget is None or not run.budget.limits:
        return ""
    return nothing_left(run.budget, spent_of(queries, meter, run))


def _is_over(attempt: Attempt) -> bool:
    return attempt.outcome is not None or attempt.state is AttemptState.ENDED
