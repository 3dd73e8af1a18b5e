"""Before the first stage: whether the attempt's agent can be used at all.

Looking costs next to nothing, and an agent that is not installed or not signed in fails its attempt at
once, before a checkout is made and a hook is run for it. Re-entered, it looks again until an agent
may have been started.
"""

import asyncio

from codencer.engine.assignment import adapter_of, look
from codencer.engine.rooms import Trip
from codencer.errors import CodencerError
from codencer.model.attempt import AgentOutcome, AttemptState, Ending, ErrorKind
from codencer.model.event import EventKind
from codencer.model.step import StepState


async def examine(trip: Trip) -> None:
    """Keep what the adapter says of its agent, or end the attempt's part of it here."""
    attempt = trip.attempt
    if attempt.launch is not None or attempt.outcome is not None or trip.cancelled:
        return
    problem, kind = await asyncio.to_thread(_examine, trip)
    if problem:
        error = f"the agent could not be started: {problem}"
        outcome = AgentOutcome(ending=Ending.BROKEN, error=error, error_kind=kind)
        moved = trip.moved(AttemptState.COLLECTING, StepState.COLLECTING_ARTIFACTS)
        await trip.record((EventKind.AGENT_EXITED, {"exit": None, "outcome": outcome, **moved}))


def _examine(trip: Trip) -> tuple[str, ErrorKind]:
    """What is wrong, and of which kind that is; nothing when the agent can be started."""
    try:
        probe = look(trip, adapter_of(trip))
    except (CodencerError, OSError) as problem:
        return str(problem), ErrorKind.CRASH
    trip.probe = probe
    if probe.installed and not probe.problem:
        return "", ErrorKind.NONE
    signed_out = probe.installed and probe.signed_in is False
    return probe.problem or "its program was not found", ErrorKind.AUTH if signed_out else ErrorKind.CRASH
