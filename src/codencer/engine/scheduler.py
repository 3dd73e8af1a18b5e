"""Decides which step is dispatched next, and owns the task of every attempt under way.

Whose turn it is, `admission` says, and `memory` whether the machine has room for another. The
queue mirrors the ledger's pending steps and is fed by its events: nothing is polled.
"""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from codencer.engine import pausing
from codencer.engine.admission import Admission, Waiting
from codencer.engine.bases import awaited
from codencer.engine.budgets import admit
from codencer.engine.memory import MemoryGuard
from codencer.engine.releasing import finish_releases
from codencer.engine.resting import Rests, of_pause, of_retry, turn_of
from codencer.engine.rooms import Rooms, Trip, the_attempt, the_step
from codencer.engine.walk import walk
from codencer.errors import Infrastructure
from codencer.ledger import Queries, Transaction
from codencer.model.attempt import Attempt, AttemptState, Pause
from codencer.model.codec import decode
from codencer.model.event import Event, EventKind
from codencer.model.ids import IdKind, new_id
from codencer.model.lifecycle import advance
from codencer.model.run import Run, RunState
from codencer.model.step import Step, StepState
from codencer.model.waiting import NextTry

log = structlog.get_logger()

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
"""Before an attempt is entered again that a full disk held up: no event tells when there is room."""


class Scheduler:
    def __init__(self, rooms: Rooms, group: asyncio.TaskGroup) -> None:
        self._rooms, self._group = rooms, group
        self._queue: dict[str, Waiting] = {}
        self._paused: dict[str, str] = {}
        self._trips: dict[str, Trip] = {}
        self._starting: dict[str, Waiting] = {}
        self._held_up: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._rests = Rests(self._due)
        self._asleep: dict[str, Waiting] = {}
        self._roused: set[str] = set()
        self._closed = False
        self._memory = MemoryGuard(rooms.config.memory_floor_mb, self._news.set)
        self._admission = Admission(
            limits=rooms.config.max_parallel,
            queue=self._queue,
            under_way=self._starting,
            paused=self._paused,
        )

    @property
    def running(self) -> int:
        return len(self._starting)

    @property
    def queued(self) -> int:
        return len(self._queue)

    async def recover(self) -> int:
        """Enter every unfinished attempt again and fill the queue; return how many there were."""

        left = await self._rooms.ledger.read(_left_over)
        self._paused.update({run.id: run.reason for run in left.paused})
        now = time.time_ns() // 1000
        for step in left.planned:
            if step.next_try is not None:
                self._plan(step.id, step.next_try, turn_of(step, step.next_try), step.next_try.wait.left(now))
        for step, attempt in left.unfinished:
            if attempt.pause is not None and not step.cancel_requested:
                self._rest(
                    step.id, attempt.pause, pausing.turn_of(step, attempt), attempt.pause.wait.left(now)
                )
                continue
            self._starting[step.id] = Waiting(run_id=attempt.run_id, adapter=attempt.adapter)
            self._own(self._see_through(step.id))
        self._queue.update(left.pending)
        self._own(finish_releases(self._rooms))
        self._news.set()
        return len(left.unfinished)

    def observe(self, events: Sequence[Event]) -> None:
        """Follow the ledger; called on the event loop after each commit."""
        for event in events:
            match event.kind:
                case EventKind.STEP_SUBMITTED | EventKind.STEP_RETRIED:
                    self._enqueue(event)
                case EventKind.STEP_RETRY_PLANNED:
                    planned = decode(NextTry, event.body["next_try"])
                    turn = decode(Waiting, event.body["turn"])
                    self._plan(event.step_id or "", planned, turn, planned.wait.microseconds / 1_000_000)
                case EventKind.AGENT_PAUSED:
                    pause = decode(Pause, event.body["pause"])
                    turn = decode(Waiting, event.body["turn"])
                    self._rest(event.step_id or "", pause, turn, pause.wait.microseconds / 1_000_000)
                case EventKind.CANCEL_REQUESTED:
                    self._cancel(event.step_id or "")
                case EventKind.QUESTION_ANSWERED:
                    self._answered(event.step_id or "")
                case EventKind.STEP_SETTLED:
                    self._settled(event.step_id or "")
                case EventKind.RUN_ADVANCED:
                    self._run_moved(event.run_id or "", event.body)
                case EventKind.RUN_BUDGETED:
                    self._budgeted(event.run_id or "")
                case _:
                    continue
            self._news.set()

    async def run(self) -> None:
        """Dispatch until closed."""
        while not self._closed:
            await self._news.wait()
            self._news.clear()
            while (step_id := self._to_rouse() or await self._next()) is not None:
                self._starting[step_id] = self._queue.pop(step_id)
                self._asleep.pop(step_id, None)
                self._own(self._see_through(step_id))

    def close(self) -> None:
        """Stop dispatching; agents under way go on without the daemon."""
        self._closed = True
        self._rests.close()
        self._memory.rest()
        self._news.set()

    def _own(self, work: Coroutine[None, None, None]) -> None:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _enqueue(self, event: Event) -> None:
        self._queue[event.step_id or ""] = decode(Waiting, event.body["turn"])

    def _plan(self, step_id: str, planned: NextTry, turn: Waiting, seconds: float) -> None:
        self._rests.begin(step_id, turn, seconds, of_retry(planned, turn.adapter))

    def _rest(self, step_id: str, pause: Pause, turn: Waiting, seconds: float) -> None:
        self._asleep[step_id] = turn
        self._rests.begin(step_id, turn, seconds, of_pause(pause, turn.adapter))

    def _due(self, step_id: str, turn: Waiting) -> None:
        # It is older than whatever has not begun yet.
        others = dict(self._queue)
        self._queue.clear()
        self._queue.update({step_id: turn} | others)
        self._news.set()

    def _to_rouse(self) -> str | None:
        """A resting attempt that was cancelled. It takes nobody's turn: no agent is started for it."""
        ready = (each for each in self._roused if each in self._queue and each not in self._starting)
        if (step_id := next(ready, None)) is not None:
            self._roused.discard(step_id)
        return step_id

    def _cancel(self, step_id: str) -> None:
        if (turn := self._asleep.get(step_id)) is not None:
            self._rests.end(step_id)
            self._queue[step_id] = turn
            self._roused.add(step_id)
        if trip := self._trips.get(step_id):
            trip.stop.set()

    def _answered(self, step_id: str) -> None:
        if trip := self._trips.get(step_id):
            trip.news.set()

    def _settled(self, step_id: str) -> None:
        self._queue.pop(step_id, None)
        self._rests.end(step_id)
        for waiter, waiting in self._queue.items():
            if waiting.behind == step_id:
                self._queue[waiter] = replace(waiting, behind=None)

    def _run_moved(self, run_id: str, body: Mapping[str, object]) -> None:
        if body.get("state") == RunState.PAUSED:
            self._paused[run_id] = str(body.get("reason", ""))
        else:
            self._paused.pop(run_id, None)

    def _budgeted(self, run_id: str) -> None:
        for trip in self._trips.values():
            if trip.step.run_id == run_id:
                trip.spending.set()

    async def _next(self) -> str | None:
        if self._admission.next() is None:
            self._memory.rest()
            return None
        admitted = await self._memory.admits()
        if self._closed:
            self._memory.rest()
            return None
        # Asked again, because a cancel or a pause may have come while the guard looked.
        return self._admission.next() if admitted else None

    async def _see_through(self, step_id: str) -> None:
        """The task of one attempt: enter it, and again for as long as the disk or the ledger refuses."""
        pause = FIRST_PAUSE_SECONDS
        try:
            while not await self._entered(step_id):
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        finally:
            self._held_up.pop(step_id, None)
            self._starting.pop(step_id, None)
            self._news.set()

    async def _entered(self, step_id: str) -> bool:
        """Walk the step's attempt; whatever goes wrong concerns it alone. False: enter it again later."""
        try:
            trip = await self._unfinished(step_id) or await self._begin(step_id)
            if trip is not None and await self._goes_on(trip):
                self._trips[step_id] = trip
                if trip.step.cancel_requested:
                    trip.stop.set()
                await walk(trip)
        except (Infrastructure, OSError) as problem:
            self._held_up[step_id] = str(problem)
            log.exception("an attempt is held up", event_name="walk.held_up", step=step_id)
            return False
        except Exception:
            # The attempt stays unfinished in the ledger and is entered again at the next start.
            log.exception("an attempt was left unfinished", event_name="walk.left", step=step_id)
        finally:
            self._trips.pop(step_id, None)
        return True

    async def _unfinished(self, step_id: str) -> Trip | None:
        """The attempt that was begun and has not ended."""

        def read(queries: Queries) -> Trip | None:
            attempts = queries.attempts(step_id)
            if not attempts or attempts[-1].state is AttemptState.ENDED:
                return None
            return Trip(self._rooms, the_step(queries, step_id), attempts[-1])

        return await self._rooms.ledger.read(read)

    async def _goes_on(self, trip: Trip) -> bool:
        """Whether an attempt may be walked on with; one that rested stays where it is without a budget."""
        if trip.attempt.pause is None or trip.step.cancel_requested:
            return True

        def write(tx: Transaction) -> Trip | None:
            if not admit(tx, self._rooms.meter, trip.step, resting=trip.attempt):
                return None
            return Trip(self._rooms, the_step(tx, trip.step.id), the_attempt(tx, trip.attempt.id))

        found = await self._rooms.ledger.write(write)
        if found is None:
            self._asleep[trip.step.id] = pausing.turn_of(trip.step, trip.attempt)
            self._due(trip.step.id, self._starting[trip.step.id])
            return False
        trip.step, trip.attempt = found.step, found.attempt
        return True

    async def _begin(self, step_id: str) -> Trip | None:
        """Open the next attempt of a step; None when it waits no longer, or its run has no budget left."""
        attempt_id = new_id(IdKind.ATTEMPT)

        def write(tx: Transaction) -> Trip | Step:
            step = the_step(tx, step_id)
            waits = step.state in (StepState.PENDING, StepState.FAILED_RETRYABLE)
            if not waits or not admit(tx, self._rooms.meter, step):
                return the_step(tx, step_id)
            run = tx.run(step.run_id)
            if run is not None and run.state is RunState.CREATED:
                moved = {"state": advance(run.state, RunState.RUNNING), "actor": "bridge", "reason": ""}
                tx.append(EventKind.RUN_ADVANCED, moved, run_id=run.id)
            body = {**_opening(step), "step_state": advance(step.state, StepState.DISPATCHING)}
            ids = {"run_id": step.run_id, "step_id": step.id, "attempt_id": attempt_id}
            tx.append(EventKind.ATTEMPT_STARTED, body, **ids)
            return Trip(self._rooms, the_step(tx, step_id), the_attempt(tx, attempt_id))

        found = await self._rooms.ledger.write(write)
        if isinstance(found, Trip):
            return found
        if found.state in (StepState.PENDING, StepState.FAILED_RETRYABLE):
            self._due(step_id, self._starting[step_id])
        return None

    def problems(self) -> list[str]:
        """What holds attempts up that should go on."""
        return [f"step {step_id} is held up: {problem}" for step_id, problem in self._held_up.items()]

    def reason(self, step: Step) -> str | None:
        """Why a step that should go on does not: queued, its attempt held up, or a person asked."""
        if step.id in self._held_up and not step.settled:
            return f"held up, and tried again by itself: {self._held_up[step.id]}"
        if (trip := self._trips.get(step.id)) is not None and trip.asking:
            return f"waits for an answer: {trip.asking}"
        return self._rests.reason(step.id) or self._admission.reason(step.id, self._memory.shortage)

    def let_go(self) -> None:
        """Stop waiting for attempts under way; their supervisors go on without the daemon."""
        for task in self._tasks:
            task.cancel()


@dataclass(frozen=True, kw_only=True)
class _LeftOver:
    """What an earlier daemon had not brought to its end."""

    unfinished: list[tuple[Step, Attempt]]
    planned: list[Step]
    pending: dict[str, Waiting]
    paused: list[Run]


def _left_over(queries: Queries) -> _LeftOver:
    unfinished = queries.unfinished_attempts()
    return _LeftOver(
        unfinished=[(the_step(queries, attempt.step_id), attempt) for attempt in unfinished],
        planned=queries.tried_again_steps(),
        pending={
            step.id: Waiting.turn(step.run_id, step.frozen, awaited(queries, step.base))
            for step in queries.pending_steps()
        },
        paused=queries.runs(state=RunState.PAUSED),
    )


def _opening(step: Step) -> dict[str, object]:
    """What the next attempt of a step is to be: as it was submitted, or as its policy has planned."""
    planned, fallback = step.next_try, step.next_try.fallback if step.next_try else 0
    return {
        "number": step.attempts + 1,
        "adapter": step.frozen.agent(fallback).name,
        "requested_adapter": step.task.fallback_adapters[fallback - 1] if fallback else step.adapter,
        "feedback": planned.feedback if planned else step.feedback,
        "tries": planned.tries if planned else 1,
        "fallback": fallback,
        "begins_at": planned.begins_at if planned else None,
    }
