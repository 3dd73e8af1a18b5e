"""Second stage: start the agent at most once, wait for it, and read what it said.

The intent is durable before the supervisor exists. Re-entered, the stage looks at the
launch folder: a live agent is waited for, an ended one is read, and only after a launch that is
proven never to have begun (its tombstone is ours) another one is made, in a folder of its own. An
agent that rests is launched again when the attempt is entered after its pause.
"""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from codencer.engine.assignment import adapter_of, look, order_for
from codencer.engine.briefing import in_its_light
from codencer.engine.confining import level_of
from codencer.engine.continuing import take_up
from codencer.engine.conversation import attend
from codencer.engine.launching import marker_of, never_began, never_came_up, watch
from codencer.engine.layout import launch_number
from codencer.engine.metering import metered
from codencer.engine.pausing import altogether, given_up, rest, seconds_used
from codencer.engine.rooms import Trip
from codencer.engine.scope_watch import is_watched, note_before, scoped
from codencer.engine.transcript import read_outcome
from codencer.errors import CodencerError
from codencer.model.attempt import AgentOutcome, Attempt, AttemptState, Ending, ErrorKind, HaltCause
from codencer.model.event import EventKind
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.ports import Adapter, TwoWayAdapter
from codencer.model.step import StepState
from codencer.process.launches import Order

_NOT_WANTED = AgentOutcome(ending=Ending.CANCELLED, error="cancelled before the agent was started")


async def run_agent(trip: Trip) -> None:
    """Bring the agent to its end and record how that was."""
    if trip.attempt.outcome is not None:
        return
    began = time.monotonic_ns()
    try:
        adapter = await asyncio.to_thread(_adapter, trip)
        trip.continuation = await take_up(trip, adapter)
        over = await _see_through(trip, adapter)
    except LaunchRefused as refusal:
        await _conclude(trip, None, _broken(f"the agent could not be started: {refusal.__cause__}"))
        return
    if over is None:
        pause = trip.attempt.pause
        halt = None if trip.cancelled else trip.attempt.halt
        outcome = given_up(pause, halt) if pause is not None else _NOT_WANTED
        await _conclude(trip, pause.exit if pause is not None else None, outcome)
        return
    folder, record = over
    trip.timings["run"] = (time.monotonic_ns() - began) // 1_000_000 + int(1000 * seconds_used(trip.attempt))
    questions = await trip.rooms.ledger.read(lambda queries: queries.questions(trip.attempt.id))
    outcome = await asyncio.to_thread(read_outcome, trip, adapter, folder, record, questions)
    outcome = await asyncio.to_thread(in_its_light, trip, outcome)
    outcome = stopped(trip.attempt, record, outcome)
    if (
        not trip.cancelled
        and outcome.ending is not Ending.HALTED
        and await rest(trip, adapter, record, outcome)
    ):
        return
    if trip.cancelled:
        outcome = _cancelled(outcome, record)
    await _conclude(trip, record, outcome)


def _cancelled(outcome: AgentOutcome, record: ExitRecord | None) -> AgentOutcome:
    """The outcome of an agent whose step is cancelled. What it says of being stopped is no error."""
    stopped = record is not None and record.reason is ExitReason.STOPPED
    kind = ErrorKind.NONE if stopped else outcome.error_kind
    error = "cancelled while the agent was running"
    return replace(outcome, ending=Ending.CANCELLED, error_kind=kind, error=error)


async def _see_through(trip: Trip, adapter: Adapter) -> tuple[Path, ExitRecord | None] | None:
    """Wait for the end of the one launch that begins; None when it is not wanted any more."""
    while True:
        folder = await asyncio.to_thread(_standing_launch, trip)
        if folder is None and (trip.cancelled or trip.attempt.halt is not None):
            return None
        folder = folder or await _launch(trip, adapter)
        await _note_start(trip, folder)
        marker = marker_of(trip, folder)
        async with metered(trip, adapter, folder), scoped(trip, folder):
            if isinstance(adapter, TwoWayAdapter):
                record = await attend(trip, adapter, folder, marker)
            else:
                record = await watch(trip, folder, marker)
        unwanted = trip.cancelled or trip.attempt.halt is not None
        if unwanted or not await never_came_up(trip, folder, record):
            return folder, record


def _adapter(trip: Trip) -> Adapter:
    try:
        return adapter_of(trip)
    except CodencerError as problem:
        raise LaunchRefused from problem


class LaunchRefused(Exception):
    """The agent cannot be started; the cause says why. Never raised for the ledger's own faults."""


def _standing_launch(trip: Trip) -> Path | None:
    """The launch that may have begun already; None once it is certain that none ever will."""
    attempt, launcher = trip.attempt, trip.rooms.launcher
    if attempt.launch is None or attempt.pause is not None:
        return None
    folder = trip.rooms.layout.launch(attempt.id, attempt.launch)
    return None if never_began(launcher, folder) else folder


async def _launch(trip: Trip, adapter: Adapter) -> Path:
    attempt = trip.attempt
    number = 1 if attempt.launch is None else 1 + launch_number(attempt.launch)
    name = f"agent-{number}"
    try:
        version, order = await asyncio.to_thread(_probe_and_order, trip, adapter, name)
    except (CodencerError, OSError) as problem:
        raise LaunchRefused from problem
    if is_watched(trip):
        await asyncio.to_thread(note_before, trip)
    level = await asyncio.to_thread(level_of, trip, order.confinement)
    body = {"launch": name, "adapter_version": version, "trust_level": level}
    await trip.record((EventKind.AGENT_LAUNCHING, body))
    folder = trip.rooms.layout.launch(attempt.id, name)
    try:
        await asyncio.to_thread(trip.rooms.launcher.start, folder, order)
    except (CodencerError, OSError) as problem:
        raise LaunchRefused from problem
    return folder


def _probe_and_order(trip: Trip, adapter: Adapter, name: str) -> tuple[str, Order]:
    trip.probe = trip.probe or look(trip, adapter)
    return trip.probe.version, order_for(trip, adapter, name)


async def _note_start(trip: Trip, folder: Path) -> None:
    """Wait until the agent runs, and record that unless it is recorded or never came to it.

    Of an attempt that goes on after a pause it is recorded already, but whoever speaks with its agent
    has to wait for it all the same.
    """
    pid = await trip.rooms.launcher.started(folder)
    if pid is not None and trip.attempt.state is AttemptState.PREPARING:
        moved = trip.moved(AttemptState.RUNNING, StepState.RUNNING)
        await trip.record((EventKind.AGENT_STARTED, {"pid": pid, **moved}))


def stopped(attempt: Attempt, record: ExitRecord | None, outcome: AgentOutcome) -> AgentOutcome:
    """The outcome, with the reason of the bridge if it stopped the agent; one that ended by itself did so."""
    by_us = record is not None and record.reason in (ExitReason.STOPPED, ExitReason.NOT_STARTED)
    if attempt.halt is None or not by_us:
        return outcome
    error = f"{attempt.adapter} was stopped: {attempt.halt.reason}"
    kind = ErrorKind.PERMISSION_DENIED if attempt.halt.cause is HaltCause.SCOPE else ErrorKind.LIMIT
    return replace(outcome, ending=Ending.HALTED, error_kind=kind, error=error)


def _broken(problem: str) -> AgentOutcome:
    return AgentOutcome(ending=Ending.BROKEN, error=problem, error_kind=ErrorKind.CRASH)


async def _conclude(trip: Trip, record: ExitRecord | None, outcome: AgentOutcome) -> None:
    moved = trip.moved(AttemptState.COLLECTING, StepState.COLLECTING_ARTIFACTS)
    body = {"exit": record, "outcome": altogether(trip.attempt, outcome), **moved}
    await trip.record((EventKind.AGENT_EXITED, body))
    trip.rooms.meter.end(trip.attempt.id)
