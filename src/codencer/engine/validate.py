"""Fourth stage: the planner's commands judge the validated tree, one after the other.

A result that is in the ledger stands; a validation that an interruption cut off begins anew.
"""

import time

from codencer.engine.judging import Judging
from codencer.engine.rooms import Trip
from codencer.model.attempt import Ending
from codencer.model.task import ValidationSpec
from codencer.model.validation import ValidationResult, ValidationState


async def validate(trip: Trip) -> None:
    """Run what has no result yet. Work of an agent that did not end well is not judged."""
    outcome, snapshot = trip.attempt.outcome, trip.attempt.snapshot
    if outcome is None or snapshot is None or outcome.ending is not Ending.SUCCEEDED:
        return
    began = time.monotonic_ns()
    done = await trip.rooms.ledger.read(lambda queries: queries.validations(trip.attempt.id))
    for ordinal, spec in enumerate(trip.step.task.validations):
        if ordinal < len(done):
            continue
        if trip.cancelled:
            return
        await Judging(trip, ordinal, spec).run()
    trip.timings["validate"] = (time.monotonic_ns() - began) // 1_000_000


def not_run(spec: ValidationSpec) -> ValidationResult:
    """The result of a validation that was never started."""
    return ValidationResult(
        name=spec.name, command=spec.command, severity=spec.severity, state=ValidationState.NOT_RUN
    )
