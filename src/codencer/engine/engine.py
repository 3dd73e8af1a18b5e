"""The facade: every command and every question of the faces, in one place.

Opened once by the daemon. Leaving it stops dispatching and closes the ledger; agents under
way go on under their supervisors and are found again at the next start.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from codencer import __version__
from codencer.config import Config
from codencer.engine import (
    approval,
    budgets,
    catalogue,
    explaining,
    logs,
    questions,
    reading,
    runs,
    steps,
    storage,
    trust,
)
from codencer.engine.addresses import run_address
from codencer.engine.budgets import Allowance
from codencer.engine.feed import Feed
from codencer.engine.housekeeping import keep_house
from codencer.engine.intake.submission import Submission
from codencer.engine.landing import Landings, Wish
from codencer.engine.live import Live, Lookout
from codencer.engine.log_forms import LogForm
from codencer.engine.logs import LogFile, LogSource
from codencer.engine.opening import open_rooms
from codencer.engine.reading import Whereabouts
from codencer.engine.rooms import Rooms
from codencer.engine.scheduler import Scheduler
from codencer.engine.trust import TrustItem
from codencer.errors import DaemonUnreachable
from codencer.locate import read_descriptor
from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt
from codencer.model.event import Event, EventKind
from codencer.model.gate import Gate
from codencer.model.landing import Landed, LandForm
from codencer.model.question import AgentQuestion
from codencer.model.result import ResultSpec
from codencer.model.run import Run, RunLabels, RunState
from codencer.model.step import Step
from codencer.model.validation import ValidationResult
from codencer.policy import RunSpent

log = structlog.get_logger()

THREADS_BESIDE_ATTEMPTS = 8
"""Worker threads for readers and submissions, besides one for each attempt under way."""


class Engine:
    """Addresses are full ids, `RUN/STEP`, unique beginnings or ends, or `latest`."""

    def __init__(
        self, rooms: Rooms, scheduler: Scheduler, landings: Landings, feed: Feed, lookout: Lookout
    ) -> None:
        self.config = rooms.config
        self._rooms, self._scheduler, self._landings = rooms, scheduler, landings
        self._feed, self._lookout = feed, lookout

    @classmethod
    @asynccontextmanager
    async def running(cls, config: Config) -> AsyncIterator["Engine"]:
        """Open the ledger, take up what is unfinished, and dispatch until the block is left."""
        loop = asyncio.get_running_loop()
        threads = config.max_parallel.overall + THREADS_BESIDE_ATTEMPTS
        loop.set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix="room"))
        rooms = await asyncio.to_thread(open_rooms, config)
        try:
            async with asyncio.TaskGroup() as group:
                scheduler, landings = Scheduler(rooms, group), Landings(rooms, group)
                feed, lookout = Feed(rooms.ledger), Lookout(rooms)

                def wake(events: Sequence[Event]) -> None:
                    loop.call_soon_threadsafe(scheduler.observe, events)
                    loop.call_soon_threadsafe(feed.observe, events)

                unsubscribe = rooms.ledger.subscribe(wake)
                body = {"version": __version__, "pid": os.getpid(), "mode": mode(config)}
                await rooms.ledger.write(lambda tx: tx.append(EventKind.DAEMON_STARTED, body))
                landings.recover()
                resumed = await scheduler.recover()
                log.info("the engine is open", event_name="engine.open", resumed=resumed)
                dispatching = group.create_task(scheduler.run())
                housekeeping = group.create_task(keep_house(rooms))
                try:
                    yield cls(rooms, scheduler, landings, feed, lookout)
                finally:
                    lookout.close()
                    housekeeping.cancel()
                    unsubscribe()
                    feed.close()
                    scheduler.close()
                    await dispatching
                    scheduler.let_go()
        finally:
            rooms.launcher.let_go()
            await asyncio.to_thread(rooms.ledger.close)

    def close_feed(self) -> None:
        """End every event stream, so that a server can shut down while clients still listen."""
        self._feed.close()

    async def start_run(
        self, run_id: str | None, labels: RunLabels, actor: str, budget: Allowance | None = None
    ) -> Run:
        allowed = budgets.budget_of(budget) if budget is not None else None
        return await runs.start_run(self._rooms, run_id, labels, actor, allowed)

    async def set_budget(self, address: str, budget: Allowance, actor: str) -> Run:
        """Give a run another budget in the place of the one it has."""
        return await budgets.set_budget(self._rooms, address, budget, actor)

    async def spent(self, run: Run) -> RunSpent:
        """What a run has used up so far, as far as it is known."""
        return await budgets.used_by(self._rooms, run)

    async def list_runs(
        self, *, project: str | None = None, conversation: str | None = None, state: RunState | None = None
    ) -> list[Run]:
        return await self._rooms.ledger.read(
            lambda queries: queries.runs(project=project, conversation=conversation, state=state)
        )

    async def get_run(self, address: str) -> Run:
        return await self._rooms.ledger.read(lambda queries: run_address(queries, address))

    async def change_run(self, address: str, action: str, actor: str, *, when_idle: bool = False) -> Run:
        """Abort, finish, pause or resume; `when_idle` first waits until no step is unsettled."""
        if when_idle:
            await self._until_idle(address)
        return await runs.change_run(self._rooms, address, action, actor)

    async def _until_idle(self, address: str) -> None:
        run = await self.get_run(address)
        after, _ = await self._rooms.ledger.read(lambda queries: queries.head())
        if run.steps_unsettled == 0:
            return
        async for event in self.events(after=after, run=run.id):
            settled = event.kind is EventKind.STEP_SETTLED
            if settled and (await self.get_run(run.id)).steps_unsettled == 0:
                return

    async def submit(self, run: str, submission: Submission, actor: str) -> Step:
        return await steps.submit(self._rooms, run, submission, actor)

    async def list_steps(self, run: str) -> list[Step]:
        return await self._rooms.ledger.read(lambda queries: queries.steps(run_address(queries, run).id))

    async def get_step(self, address: str) -> Step:
        return await self._rooms.ledger.read(lambda queries: reading.find_step(queries, address))

    def waiting_reason(self, step: Step) -> str | None:
        """Why a pending step has not begun yet."""
        return self._scheduler.reason(step)

    async def live(self, step: Step) -> Live | None:
        """What the step's attempt is doing right now; None when none is under way."""
        return await self._lookout.live(step)

    async def result(self, address: str) -> ResultSpec:
        return await reading.result(self._rooms, address)

    async def attempts(self, address: str) -> list[Attempt]:
        return await self._rooms.ledger.read(
            lambda queries: queries.attempts(reading.find_step(queries, address).id)
        )

    async def validations(self, address: str) -> list[ValidationResult]:
        return await self._rooms.ledger.read(
            lambda queries: reading.step_validations(queries, reading.find_step(queries, address))
        )

    async def artifacts(self, address: str) -> list[Artifact]:
        return await self._rooms.ledger.read(
            lambda queries: reading.step_artifacts(queries, reading.find_step(queries, address))
        )

    async def artifact(self, address: str) -> tuple[Artifact, Path]:
        return await reading.artifact(self._rooms, address)

    async def diff(self, address: str, *, stat: bool = False) -> bytes:
        return await reading.step_diff(self._rooms, address, stat=stat)

    async def log_file(self, address: str, *, stderr: bool = False) -> LogFile:
        return await logs.log_file(self._rooms, address, stderr=stderr)

    async def log_source(self, address: str, form: LogForm, *, stderr: bool, whole: bool) -> LogSource:
        return await logs.log_source(self._rooms, address, form, stderr=stderr, whole=whole)

    async def where(self, address: str) -> Whereabouts:
        return await reading.whereabouts(self._rooms, address)

    async def questions(self, address: str) -> list[AgentQuestion]:
        return await questions.questions(self._rooms, address)

    async def answer(self, address: str, text: str, actor: str, *, question: str | None = None) -> Step:
        return await questions.answer(self._rooms, address, text, actor, question=question)

    async def cancel(self, address: str, actor: str) -> Step:
        return await steps.cancel(self._rooms, address, actor)

    async def retry(
        self,
        address: str,
        actor: str,
        *,
        adapter: str | None = None,
        feedback: str | None = None,
        force: bool = False,
    ) -> Step:
        return await steps.retry(self._rooms, address, actor, adapter=adapter, feedback=feedback, force=force)

    async def land(
        self, address: str, actor: str, *, form: LandForm, target: str | None, checkout: str, force: bool
    ) -> Landed:
        wish = Wish(form=LandForm(form), target=target, checkout=Path(checkout), force=force)
        return await self._landings.land(address, actor, wish)

    def events(
        self, *, after: int = 0, run: str | None = None, step: str | None = None
    ) -> AsyncIterator[Event]:
        """Every event after a sequence number, then each new one; `run` and `step` are full ids."""
        return self._feed.follow(after=after, run_id=run, step_id=step)

    async def gates(self, run: str | None = None) -> list[Gate]:
        return await self._rooms.ledger.read(lambda queries: queries.gates(run_id=run))

    async def gate(self, address: str) -> approval.Question:
        return await approval.question(self._rooms, address)

    async def decide(self, address: str, answer: approval.Answer, actor: str) -> Gate:
        """Approve or reject what a gate asks about."""
        return await approval.decide(self._rooms, address, answer, actor)

    async def check_policy(self, text: str, source: str) -> explaining.Checked:
        return await asyncio.to_thread(explaining.check_policy, text, source)

    async def explain_policy(self, address: str) -> explaining.Explanation:
        return await explaining.explain(self._rooms, address)

    async def try_policy(self, address: str, text: str, source: str) -> explaining.Trial:
        return await explaining.try_policy(self._rooms, address, text, source)

    async def adapters(self) -> list[dict[str, Any]]:
        return await asyncio.to_thread(catalogue.adapters, self.config)

    async def instance(self) -> dict[str, Any]:
        """Which daemon this is; the same document it published for clients to find it by."""
        descriptor = await asyncio.to_thread(read_descriptor, self.config.repository.common_dir)
        if descriptor is None:
            raise DaemonUnreachable("the daemon has not published itself yet; ask again")
        return asdict(descriptor)

    async def pending_trust(self, checkout: str) -> list[TrustItem]:
        """Commands of the project's files in that checkout which nobody has trusted yet."""
        return await asyncio.to_thread(trust.pending, self.config, Path(checkout))

    async def trust(self, checkout: str, actor: str) -> list[TrustItem]:
        """Trust those commands, by their content."""
        return await asyncio.to_thread(trust.grant_all, self.config, Path(checkout), actor)

    async def health(self) -> dict[str, Any]:
        """Whether the record can be read and written and every attempt goes on.

        Raises:
            LedgerFailed, StorageFailed: the record cannot even be read.
        """
        await self.list_runs()
        problems = [] if self._rooms.ledger.problem is None else [self._rooms.ledger.problem]
        problems += self._scheduler.problems() + self._landings.problems()
        return {"status": "degraded", "problems": problems} if problems else {"status": "ok"}

    async def counts(self) -> dict[str, int]:
        """Numbers for a monitor."""
        found = await self.list_runs()
        return {
            "codencer_runs": len(found),
            "codencer_steps": sum(run.steps_total for run in found),
            "codencer_steps_unsettled": sum(run.steps_unsettled for run in found),
            "codencer_steps_queued": self._scheduler.queued,
            "codencer_attempts_running": self._scheduler.running,
        }

    async def gc(self, dry_run: bool, older_than_days: int | None = None) -> list[str]:
        """Remove what is proven to be of no more use; one line for each thing, with the reason."""
        return await storage.collect_garbage(self._rooms, dry_run=dry_run, older_than_days=older_than_days)


def mode(config: Config) -> str:
    return "simulation" if config.simulation else "real"
