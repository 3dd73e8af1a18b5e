"""Fourth stage: the planner's commands judge the validated tree, one after the other.

Each gets the tree laid anew, its own launch and its own limit. A result that is in the
ledger stands; one that an interruption cut off is run again on a fresh tree.
"""

import asyncio
import time
from pathlib import Path

from codencer import validation
from codencer.engine.collect import output, seal
from codencer.engine.environment import allowed
from codencer.engine.launching import Interrupted, clear_away, marker_of, supervise
from codencer.engine.memory_cap import MIB
from codencer.engine.rooms import Trip
from codencer.model.attempt import Ending
from codencer.model.event import EventKind
from codencer.model.launch import ExitRecord, Limits
from codencer.model.task import ValidationSpec
from codencer.model.validation import ValidationResult, ValidationState
from codencer.process.launches import Order
from codencer.workspace.lay import Guard, lay_validated


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
        await _run(trip, ordinal, spec)
    trip.timings["validate"] = (time.monotonic_ns() - began) // 1_000_000


async def _run(trip: Trip, ordinal: int, spec: ValidationSpec) -> None:
    kind = f"validation-{ordinal + 1}"
    while not trip.cancelled:
        number = await clear_away(trip, kind)
        folder = trip.rooms.layout.launch(trip.attempt.id, f"{kind}-{number}")
        await asyncio.to_thread(_lay, trip)
        try:
            record = await supervise(trip, folder, _order(trip, spec, folder))
        except Interrupted:
            continue
        if not trip.cancelled:
            await _record(trip, ordinal, spec, folder, record)
        return


def _lay(trip: Trip) -> None:
    snapshot = trip.attempt.snapshot
    if snapshot is None:
        raise AssertionError("validations run after the snapshot")
    lay_validated(
        trip.rooms.store,
        trip.git_settings,
        workspace=trip.rooms.layout.workspace(trip.attempt.id),
        index=trip.rooms.layout.index(trip.attempt.id),
        base=trip.step.base.commit or "",
        tree=snapshot.validated_tree,
        guard=_guard(trip),
    )


def _guard(trip: Trip) -> Guard | None:
    """Ignored files below protected paths go, too, when they are younger than the agent's launch."""
    globs = trip.step.task.protected_paths
    if not globs or trip.attempt.launch is None:
        return None
    # The first one that was set up: after a pause there are several.
    orders = (folder / "launch.json" for folder in trip.rooms.layout.launches(trip.attempt.id, "agent"))
    since_ns = min(order.stat().st_mtime_ns for order in orders if order.exists())
    return Guard(globs=globs, since_ns=since_ns)


def _order(trip: Trip, spec: ValidationSpec, folder: Path) -> Order:
    launch = validation.launch(spec)
    return Order(
        launch=launch,
        limits=Limits(
            wall_seconds=spec.timeout_seconds,
            output_bytes=trip.step.frozen.max_output_bytes,
            grace_seconds=trip.step.frozen.grace_seconds,
        ),
        cwd=trip.rooms.layout.workspace(trip.attempt.id),
        env=allowed(trip.rooms.environ) | launch.env,
        marker=marker_of(trip, folder),
        memory_bytes=trip.step.frozen.memory_cap_mb * MIB,
    )


async def _record(
    trip: Trip, ordinal: int, spec: ValidationSpec, folder: Path, record: ExitRecord | None
) -> None:
    prefix = f"validation-{ordinal + 1}"
    artifacts = await asyncio.to_thread(seal, trip, output(folder, f"{prefix}."))
    refs = {artifact.name: artifact.path for artifact in artifacts}
    result = validation.conclude(
        spec, record, refs.get(f"{prefix}.stdout.log"), refs.get(f"{prefix}.stderr.log")
    )
    await trip.record(
        (EventKind.ARTIFACTS_STORED, {"artifacts": artifacts}),
        (EventKind.VALIDATION_FINISHED, {"ordinal": ordinal, "result": result}),
    )


def not_run(spec: ValidationSpec) -> ValidationResult:
    """The result of a validation that was never started."""
    return ValidationResult(
        name=spec.name, command=spec.command, severity=spec.severity, state=ValidationState.NOT_RUN
    )
