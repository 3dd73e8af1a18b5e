"""What a walk may use: the rooms below the engine, opened once by the daemon."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codencer.adapters.before import NOTHING, Continuation
from codencer.config import Config
from codencer.engine.layout import Layout
from codencer.engine.memory_cap import MemoryCap
from codencer.engine.meter import Meter
from codencer.engine.sharing import SharedLock
from codencer.errors import NotFound
from codencer.ledger import ArtifactStore, Ledger, Queries, Transaction
from codencer.model.attempt import Attempt, AttemptState
from codencer.model.event import EventKind
from codencer.model.lifecycle import advance
from codencer.model.ports import Probe
from codencer.model.step import Step, StepState
from codencer.process.launches import Launcher
from codencer.process.sandbox import Sandbox
from codencer.workspace.git import GitSettings, Store
from codencer.workspace.provisioned import ignoring_provisioned


@dataclass(frozen=True, kw_only=True)
class Rooms:
    instance_id: str
    config: Config
    layout: Layout
    ledger: Ledger
    artifacts: ArtifactStore
    launcher: Launcher
    memory_cap: MemoryCap
    store: Store
    environ: Mapping[str, str]
    git_version: str
    sandbox: Sandbox
    pins: SharedLock = field(default_factory=SharedLock)
    """Held while a base is pinned and recorded; alone by what deletes refs."""
    meter: Meter = field(default_factory=Meter)


Entry = tuple[EventKind, Mapping[str, object]]


@dataclass
class Trip:
    """One attempt on its walk. `step` and `attempt` are what the ledger said last.

    `stop` is set when a person cancels; whoever waits for a process watches it. `probe` is what the
    adapter said of its agent, when this daemon has looked; `continuation` is set before it is asked.
    `resting` is set when the walk ends for now because the agent is to go on later. `news` is set when
    a question of its agent was answered; `asking` says in words which one waits for a person. `lost`
    says why the conversation with the agent could not go on. `spending` is set when its agent has used
    something up, or its run may use up something else.
    """

    rooms: Rooms
    step: Step
    attempt: Attempt
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    spending: asyncio.Event = field(default_factory=asyncio.Event)
    asking: str = ""
    lost: str = ""
    timings: dict[str, int] = field(default_factory=dict)
    resting: bool = False
    probe: Probe | None = None
    continuation: Continuation = NOTHING

    @property
    def cancelled(self) -> bool:
        return self.stop.is_set() or self.step.cancel_requested

    @property
    def workspace(self) -> Path:
        return self.rooms.layout.workspace(self.attempt.id)

    @property
    def git_settings(self) -> GitSettings:
        """The frozen ones, with what provisioning laid into the workspace ignored. Reads files."""
        layout, attempt = self.rooms.layout, self.attempt
        return ignoring_provisioned(
            self.step.frozen.git_settings, layout.workspace(attempt.id), layout.provisioned(attempt.id)
        )

    def moved(self, attempt: AttemptState | None = None, step: StepState | None = None) -> dict[str, object]:
        """The state fields of an event's body, each checked against the lifecycle."""
        body: dict[str, object] = {}
        if attempt is not None:
            body["attempt_state"] = advance(self.attempt.state, attempt)
        if step is not None:
            body["step_state"] = advance(self.step.state, step)
        return body

    async def record(self, *entries: Entry, also: Callable[[Transaction], None] | None = None) -> None:
        """Write events of this attempt in one transaction; durable when it returns.

        `also` may add what concerns more than the attempt, in the same transaction.
        """

        def write(tx: Transaction) -> tuple[Step, Attempt]:
            for kind, body in entries:
                tx.append(
                    kind,
                    body,
                    run_id=self.step.run_id,
                    step_id=self.step.id,
                    attempt_id=self.attempt.id,
                )
            if also is not None:
                also(tx)
            return the_step(tx, self.step.id), the_attempt(tx, self.attempt.id)

        self.step, self.attempt = await self.rooms.ledger.write(write)


def the_step(queries: Queries, step_id: str) -> Step:
    """The step of an id that is known to be ours."""
    step = queries.step(step_id)
    if step is None:
        raise NotFound(f"there is no step {step_id} in the ledger")
    return step


def the_attempt(queries: Queries, attempt_id: str) -> Attempt:
    attempt = queries.attempt(attempt_id)
    if attempt is None:
        raise NotFound(f"there is no attempt {attempt_id} in the ledger")
    return attempt


Stage = Callable[[Trip], Awaitable[None]]
