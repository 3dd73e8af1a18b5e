"""The walk of one attempt: the stages in order, each idempotent and re-entrant.

There is no second path for recovery: an interrupted attempt enters the same list again,
and each stage finds in the ledger and on disk how far it had come.
"""

import structlog

from codencer.engine.agent import run_agent
from codencer.engine.collect import collect
from codencer.engine.launching import clear_away
from codencer.engine.prepare import prepare
from codencer.engine.releasing import release_workspace
from codencer.engine.rooms import Stage, Trip
from codencer.engine.settle import settle
from codencer.engine.validate import validate
from codencer.errors import Busy, CodencerError, IncompatibleVersion, LedgerFailed, StorageFailed
from codencer.model.attempt import AttemptState

log = structlog.get_logger()

STAGES: tuple[Stage, ...] = (prepare, run_agent, collect, validate, settle, release_workspace)


async def walk(trip: Trip) -> None:
    """Take one attempt from wherever it stands to its end.

    A fault of the bridge settles the step as failed_bridge and leaves the workspace where it
    is. If not even that can be written, or a full disk keeps the work from being made safe, the
    attempt stays unfinished and is entered again; so it is when its agent rests.

    Raises:
        Infrastructure: it is unfinished; an agent under way goes on.
    """
    try:
        for stage in STAGES:
            await stage(trip)
            if trip.resting:
                return
    except (StorageFailed, LedgerFailed, Busy, IncompatibleVersion) as fault:
        if trip.attempt.outcome is None:
            raise  # an agent may be at work: it is no reason to end it that its story cannot be written down
        if trip.attempt.state is AttemptState.COLLECTING and isinstance(fault, StorageFailed):
            raise  # its work can be made safe as soon as there is room for it
        await _give_up(trip, fault)
    except Exception as fault:  # noqa: BLE001  (the top of an attempt's task)
        # Also a defect of ours: the step must settle, and its user be told, not wait for ever.
        await _give_up(trip, fault)


async def _give_up(trip: Trip, fault: Exception) -> None:
    ids = {"run": trip.step.run_id, "step": trip.step.id, "attempt": trip.attempt.id}
    log.error("the walk of an attempt met a fault", event_name="walk.fault", exc_info=fault, **ids)
    await clear_away(trip, "*")
    workspace = trip.rooms.layout.workspace(trip.attempt.id)
    kept = f" The workspace is kept at {workspace}." if workspace.exists() else ""
    problem = str(fault) if isinstance(fault, CodencerError | OSError) else repr(fault)
    await settle(trip, fault=f"the bridge could not finish this attempt: {problem}.{kept}")
