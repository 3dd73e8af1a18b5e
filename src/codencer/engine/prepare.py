"""First stage: a checkout at the base commit, provisioned by the user's own rules.

Re-entered after an interruption it begins anew: a checkout no agent has seen is no work.
"""

import asyncio
import time
from dataclasses import replace

from codencer.engine.bases import resolve_awaited
from codencer.engine.confining import is_to_confine
from codencer.engine.grounds import agents_ground, provision
from codencer.engine.rooms import Trip
from codencer.errors import CodencerError, InvalidInput
from codencer.model.attempt import AgentOutcome, AttemptState, Ending, Provisioning
from codencer.model.event import EventKind
from codencer.model.step import StepState
from codencer.workspace.resume import lay_on


async def prepare(trip: Trip) -> None:
    """Fill and provision the workspace, and record it; or record why there is none."""
    if trip.attempt.workspace is not None or trip.attempt.outcome is not None:
        return
    began = time.monotonic_ns()
    try:
        provisioning = await _provision(trip)
    except InvalidInput as problem:
        await _give_up(trip, Ending.HOOK_FAILED, f"the workspace could not be provisioned: {problem}")
        return
    except (CodencerError, OSError) as problem:
        await _give_up(trip, Ending.UNPREPARED, f"the workspace could not be prepared: {problem}")
        return
    duration_ms = (time.monotonic_ns() - began) // 1_000_000
    trip.timings["prepare"] = duration_ms
    workspace = str(trip.rooms.layout.workspace(trip.attempt.id))
    provisioning = replace(provisioning, duration_ms=duration_ms)
    await trip.record((EventKind.WORKSPACE_READY, {"workspace": workspace, "provisioning": provisioning}))
    if trip.cancelled:
        await _give_up(trip, Ending.CANCELLED, "cancelled before the agent was started")
    elif not provisioning.success:
        await _give_up(trip, Ending.HOOK_FAILED, provisioning.summary)


async def _give_up(trip: Trip, ending: Ending, summary: str) -> None:
    body = {"exit": None, "outcome": AgentOutcome(ending=ending, summary=summary, error=summary)}
    moved = trip.moved(AttemptState.COLLECTING, StepState.COLLECTING_ARTIFACTS)
    await trip.record((EventKind.AGENT_EXITED, {**body, **moved}))


async def _provision(trip: Trip) -> Provisioning:
    is_to_confine(trip)  # or nothing is even prepared
    await resolve_awaited(trip)
    ground = agents_ground(trip)
    provisioning = await provision(trip, ground)
    if trip.attempt.begins_at is not None:
        # After what was provisioned has been noted: none of this is that.
        await asyncio.to_thread(
            lay_on,
            trip.rooms.store,
            trip.step.frozen.git_settings,
            workspace=ground.workspace,
            index=ground.index,
            snapshot=trip.attempt.begins_at,
        )
    return provisioning
