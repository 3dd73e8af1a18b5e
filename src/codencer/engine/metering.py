"""Keeps budgets while an agent is at work, as far as it tells what it uses, and stops it over one.

Its output is read as it grows, but only when a budget wants it. That it is stopped, and why, is in the
ledger before it is stopped; a later daemon reads the output again and comes to the same end.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from codencer.engine.budgets import pause_run
from codencer.engine.facts import spent
from codencer.engine.framed import Framed, Listens
from codencer.engine.log_forms import PIECE_BYTES
from codencer.engine.meter import spent_of
from codencer.engine.pausing import NOTHING
from codencer.engine.policies import policy_of
from codencer.engine.retrying import earlier
from codencer.engine.rooms import Trip
from codencer.ledger import Queries
from codencer.model.attempt import AgentEvent, AgentEventKind, Halt, HaltCause
from codencer.model.budget import BudgetAction, Spent
from codencer.model.event import EventKind
from codencer.model.ports import Adapter, TwoWayAdapter
from codencer.model.run import Run
from codencer.policy import exceeded, has_budget, milliseconds_left, must_stop
from codencer.process.folder import seconds_claimed
from codencer.process.frames import LOG
from codencer.process.watch import changed

log = structlog.get_logger()

LAST_WORDS_SECONDS = 1.0
"""Many agents say what they cost with their last word: one that is just ending is let end."""
LEAST_SECONDS = 0.05
"""Between two looks at a limit of time that several agents share."""


@asynccontextmanager
async def metered(trip: Trip, adapter: Adapter, folder: Path) -> AsyncIterator[None]:
    """Count what the agent of a launch uses meanwhile, and stop it when a budget is used up."""
    since = await asyncio.to_thread(seconds_claimed, folder)
    trip.rooms.meter.begin(trip.attempt.id, since)
    minding = asyncio.ensure_future(_mind(trip, adapter, folder))
    try:
        yield
    finally:
        minding.cancel()
        await asyncio.gather(minding, return_exceptions=True)


async def _mind(trip: Trip, adapter: Adapter, folder: Path) -> None:
    try:
        if trip.attempt.halt is None:
            halt = await _over(trip, adapter, folder)
            pausing = partial(pause_run, run_id=trip.step.run_id, why=halt.reason)
            also = pausing if halt.cause is HaltCause.RUN_PAUSED else None
            await trip.record((EventKind.AGENT_HALTED, {"halt": halt}), also=also)
        await asyncio.to_thread(trip.rooms.launcher.stop, folder)
    except Exception:
        # What the agent has used up in the end is counted all the same, and nothing begins over a budget.
        log.exception("a budget could not be kept", event_name="budget.failed", attempt=trip.attempt.id)


async def _over(trip: Trip, adapter: Adapter, folder: Path) -> Halt:
    """Wait until a budget is used up, and the agent goes on nevertheless."""
    listening: asyncio.Future[None] | None = None
    try:
        while True:
            trip.spending.clear()
            look = await trip.rooms.ledger.read(partial(_look, trip))
            if look.halt is not None:
                break
            if look.listens and listening is None:
                listening = asyncio.ensure_future(_listen(trip, adapter, folder))
            try:
                await asyncio.wait_for(trip.spending.wait(), look.seconds)
            except TimeoutError:
                continue
        if listening is not None:
            await asyncio.wait({listening}, timeout=LAST_WORDS_SECONDS)
        return look.halt
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


@dataclass(frozen=True, kw_only=True)
class _Look:
    """Why the agent has to stop, if it does; whether its output matters; seconds until a limit of time."""

    halt: Halt | None = None
    listens: bool = False
    seconds: float | None = None


def _look(trip: Trip, queries: Queries) -> _Look:
    run = queries.run(trip.step.run_id)
    looks = [_at_policy(trip, queries), *([_at_run(trip, queries, run)] if run is not None else [])]
    seconds = [each.seconds for each in looks if each.seconds is not None]
    return _Look(
        halt=next((each.halt for each in looks if each.halt is not None), None),
        listens=any(each.listens for each in looks),
        seconds=max(min(seconds), LEAST_SECONDS) if seconds else None,
    )


def _at_policy(trip: Trip, queries: Queries) -> _Look:
    """What the policy of the step says to what its attempts have used up."""
    step, attempt, policy = trip.step, trip.attempt, policy_of(trip.step)
    if not has_budget(policy):
        return _Look()
    used = _plus(spent(earlier(queries.attempts(step.id), attempt)), trip.rooms.meter.of(attempt))
    if why := must_stop(policy, replace(NOTHING, **vars(used))):
        return _Look(halt=Halt(cause=HaltCause.STEP_BUDGET, reason=why))
    most, seconds = policy.fail_when.get("agent_seconds_over"), None
    if isinstance(most, int) and used.agent_ms is not None:
        seconds = most - used.agent_ms / 1000
    return _Look(listens=True, seconds=seconds)


def _at_run(trip: Trip, queries: Queries, run: Run) -> _Look:
    """What the budget of the run says to what all of its attempts have used up."""
    budget, meter = run.budget, trip.rooms.meter
    if budget is None or not budget.limits:
        return _Look()
    used = spent_of(queries, meter, run)
    if why := exceeded(budget, used):
        pauses = budget.action is BudgetAction.PAUSE
        return _Look(halt=Halt(cause=HaltCause.RUN_PAUSED if pauses else HaltCause.RUN_BUDGET, reason=why))
    left = milliseconds_left(budget, used)
    if left is None:
        return _Look(listens=True)
    # Each agent at work takes its share of the time that is left.
    sharing = sum(meter.at_work(each) for each in queries.attempts_of_run(run.id))
    return _Look(listens=True, seconds=left / 1000 / max(1, sharing))


def _plus(one: Spent, other: Spent) -> Spent:
    """Both together; unknown where the first is."""

    def total(name: str) -> int | None:
        known, more = getattr(one, name), getattr(other, name)
        return None if known is None else known + (more or 0)

    return Spent(cost_microusd=total("cost_microusd"), tokens=total("tokens"), agent_ms=total("agent_ms"))


async def _listen(trip: Trip, adapter: Adapter, folder: Path) -> None:
    """Count what the agent says of its usage, from the beginning of its output on."""
    try:
        await _count_usage(trip, adapter, folder)
    except Exception:
        log.exception("an agent's usage is not read", event_name="budget.unheard", attempt=trip.attempt.id)


async def _count_usage(trip: Trip, adapter: Adapter, folder: Path) -> None:
    two_way = isinstance(adapter, TwoWayAdapter)
    path = folder / (LOG if two_way else "stdout")
    parser: Listens = Framed(adapter.parser()) if two_way else adapter.parser()
    place = 0
    async with aclosing(changed(path)) as looks:
        async for _ in looks:
            while data := await asyncio.to_thread(_piece, path, place):
                place += len(data)
                events = await asyncio.to_thread(parser.feed, data)
                _count(trip, [each for each in events if each.kind is AgentEventKind.USAGE])


def _count(trip: Trip, events: Sequence[AgentEvent]) -> None:
    for event in events:
        trip.rooms.meter.count(trip.attempt.id, event.data)
    if events:
        trip.spending.set()


def _piece(path: Path, place: int) -> bytes:
    with path.open("rb") as file:
        file.seek(place)
        return file.read(PIECE_BYTES)
