"""An agent without quota, or in an overload, rests and goes on: the same attempt, the same conversation.

The pause is durable before anybody counts on it. Nothing runs meanwhile and no place is taken; once it is
over, the attempt enters its walk again through the queue, and its agent is launched once more.
"""

import re
import time
from dataclasses import replace
from typing import Final

from codencer.engine.admission import Waiting
from codencer.engine.facts import spent
from codencer.engine.policies import policy_of
from codencer.engine.retrying import EXHAUSTED, earlier, falls_over, recovery_seconds
from codencer.engine.rooms import Trip
from codencer.model.attempt import AgentOutcome, Attempt, Ending, ErrorKind, Halt, Pause
from codencer.model.event import EventKind
from codencer.model.launch import ExitRecord
from codencer.model.policy import Facts
from codencer.model.ports import Adapter, Assignment
from codencer.model.step import Step
from codencer.model.waiting import Wait
from codencer.policy import falls_over_at_once, over_budget

MOST_PAUSES: Final = 10
"""Of one attempt. Without a stated time the first nine take four hours together."""
GO_ON: Final = (
    "You were interrupted because the model could not be used for a while. Your files are as you left them. "
    "Go on with your task where you stopped.\n"
)
NOTHING: Final = Facts(
    snapshot_complete=None,
    changed_files=None,
    forbidden_paths_touched=None,
    paths_outside_scope=None,
    protected_paths_changed=None,
    failed_validations=(),
    failed_warnings=(),
    survivors=(),
)
"""Facts of an attempt of which only what it has used up is known yet."""
_SESSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}\Z")
"""What may be passed on to a command line: an agent chose it, and it must not look like an option."""


async def rest(trip: Trip, adapter: Adapter, record: ExitRecord | None, outcome: AgentOutcome) -> bool:
    """Let the agent rest if it can go on later, and record that; False when its part is over."""
    pause = _pause(trip, adapter, record, outcome)
    if pause is None or await _over_budget(trip, record, outcome):
        return False
    await trip.record((EventKind.AGENT_PAUSED, {"pause": pause, "turn": turn_of(trip.step, trip.attempt)}))
    # A cancel that came meanwhile is met by this walk; a later one finds the attempt at rest.
    trip.resting = not trip.cancelled
    return trip.resting


def turn_of(step: Step, attempt: Attempt) -> Waiting:
    """The place in the queue of an attempt whose pause is over."""
    return Waiting.turn(step.run_id, step.frozen, None, fallback=attempt.fallback)


def _pause(trip: Trip, adapter: Adapter, record: ExitRecord | None, outcome: AgentOutcome) -> Pause | None:
    step, attempt = trip.step, trip.attempt
    session = outcome.session_id or ""
    mendable = outcome.ending is Ending.BROKEN and outcome.error_kind in EXHAUSTED
    if not mendable or attempt.launch is None or not adapter.resumes or not _SESSION.match(session):
        return None
    # What could not be stopped may still be at work: no second agent is set beside it.
    if (
        record is None
        or record.survivors
        or len(attempt.pauses) >= MOST_PAUSES
        or _has_another(step, attempt)
    ):
        return None
    if step.task.timeout_seconds and seconds_used(attempt) + _seconds(record) >= step.task.timeout_seconds:
        return None
    now = time.time_ns() // 1000
    return Pause(
        launch=attempt.launch,
        cause=outcome.error_kind,
        wait=Wait.of(recovery_seconds(outcome.resets_at, len(attempt.pauses) + 1, now), now),
        session_id=session,
        exit=record,
        input_tokens=outcome.input_tokens,
        output_tokens=outcome.output_tokens,
        cost_microusd=outcome.cost_microusd,
    )


async def _over_budget(trip: Trip, record: ExitRecord | None, outcome: AgentOutcome) -> bool:
    """Whether the step has used up already what its policy allows."""
    step, attempt = trip.step, trip.attempt
    attempts = await trip.rooms.ledger.read(lambda queries: queries.attempts(step.id))
    now = replace(attempt, outcome=altogether(attempt, outcome), exit=record)
    used = spent([*earlier(attempts, attempt), now])
    return bool(over_budget(policy_of(step), replace(NOTHING, **vars(used))))


def _has_another(step: Step, attempt: Attempt) -> bool:
    """Whether policy would rather have the next agent take over at once."""
    rule = falls_over_at_once(policy_of(step), attempt.tries)
    return rule is not None and falls_over(step, attempt, rule)


def resumed(attempt: Attempt, assignment: Assignment) -> Assignment:
    """What an agent is given that goes on after a pause: its conversation, and no second task."""
    if not attempt.pauses:
        return assignment
    again = assignment.prompt_file.with_name("prompt-again.txt")
    return replace(assignment, prompt=GO_ON, prompt_file=again, session_id=attempt.pauses[-1].session_id)


def seconds_left(step: Step, attempt: Attempt) -> float:
    """The time limit of the next launch of an attempt's agent; 0 is none. Pauses do not count."""
    limit = step.task.timeout_seconds
    return max(1.0, limit - seconds_used(attempt)) if limit and attempt.pauses else float(limit)


def seconds_used(attempt: Attempt) -> float:
    """How long the agent was at work in launches before the present one."""
    return sum(_seconds(each.exit) for each in attempt.pauses if each.launch != attempt.launch)


def _seconds(record: ExitRecord) -> float:
    return record.duration_us / 1_000_000


def altogether(attempt: Attempt, outcome: AgentOutcome) -> AgentOutcome:
    """The outcome of an agent's last launch, with what the ones before it used up."""
    earlier = [each for each in attempt.pauses if each.launch != attempt.launch]
    if not earlier:
        return outcome
    return replace(
        outcome,
        input_tokens=_sum(outcome.input_tokens, *(each.input_tokens for each in earlier)),
        output_tokens=_sum(outcome.output_tokens, *(each.output_tokens for each in earlier)),
        cost_microusd=_sum(outcome.cost_microusd, *(each.cost_microusd for each in earlier)),
    )


def _sum(*counts: int | None) -> int | None:
    """Unknown as soon as one of them is."""
    known = [each for each in counts if each is not None]
    return sum(known) if len(known) == len(counts) else None


def given_up(pause: Pause, halt: Halt | None) -> AgentOutcome:
    """How the agent's part ended in a pause: a person cancelled it, or a budget does not let it go on."""
    waited = f"while it waited for its {pause.cause} to pass"
    return AgentOutcome(
        ending=Ending.CANCELLED if halt is None else Ending.HALTED,
        summary=f"cancelled {waited}" if halt is None else "",
        error_kind=ErrorKind.NONE if halt is None else ErrorKind.LIMIT,
        error="" if halt is None else f"not resumed {waited}: {halt.reason}",
        session_id=pause.session_id,
        input_tokens=pause.input_tokens,
        output_tokens=pause.output_tokens,
        cost_microusd=pause.cost_microusd,
    )
